//! Where DynamoDB and S3 are.
//!
//! The SDK has rules for every partition, and reads all of them before the first answer, for each service anew. A start does not wait for that where the
//! answer is plain: in a region of the partition `aws`, or at an address that the environment names.

use std::net::Ipv4Addr;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::endpoint as dynamodb;
use aws_sdk_s3::config::endpoint as s3;
use aws_types::service_config::ServiceConfigKey;
use dynamodb::ResolveEndpoint as _;
use s3::ResolveEndpoint as _;
use sardonyx_core::ports::Cause;

/// How the regions of the partition begin.
const AREAS: [&str; 9] = ["af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"];

/// The places of services, for one region and one environment.
#[derive(Clone)]
pub(super) struct Endpoints {
    region: String,
    use_fips: bool,
    use_dual_stack: bool,
    dynamodb: Option<String>,
    s3: Option<String>,
}

impl Endpoints {
    /// `None` without a region.
    pub(super) fn new(config: &SdkConfig) -> Option<Self> {
        Some(Self {
            region: config.region()?.to_string(),
            use_fips: config.use_fips().unwrap_or_default(),
            use_dual_stack: config.use_dual_stack().unwrap_or_default(),
            dynamodb: configured(config, "DynamoDB"),
            s3: configured(config, "S3"),
        })
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The endpoint that is named in place of S3's own.
    pub(super) fn configured_s3(&self) -> Option<&str> {
        self.s3.as_deref()
    }

    /// DynamoDB's, with a slash at the end.
    pub(super) async fn dynamodb(&self) -> Result<String, Cause> {
        let url = match self.plain_dynamodb() {
            Some(url) => url,
            None => self.ruled_dynamodb().await?,
        };
        Ok(format!("{}/", url.trim_end_matches('/')))
    }

    /// A bucket's, without a slash at the end.
    pub(super) async fn bucket(&self, bucket: &str) -> Result<String, Cause> {
        let url = match self.plain_bucket(bucket) {
            Some(url) => url,
            None => self.ruled_bucket(bucket).await?,
        };
        Ok(url.trim_end_matches('/').to_owned())
    }

    fn plain_dynamodb(&self) -> Option<String> {
        if self.use_fips || self.use_dual_stack {
            return None;
        }
        match &self.dynamodb {
            Some(configured) => is_address(configured).then(|| configured.clone()),
            None => is_commercial(&self.region).then(|| format!("https://dynamodb.{}.amazonaws.com", self.region)),
        }
    }

    fn plain_bucket(&self, bucket: &str) -> Option<String> {
        let is_plain = (3..=63).contains(&bucket.len())
            && !bucket.contains("--")
            && !bucket.starts_with('-')
            && !bucket.ends_with('-')
            && bucket
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_plain || self.use_fips || self.use_dual_stack {
            return None;
        }
        match &self.s3 {
            // No bucket is put before an address.
            Some(configured) => {
                is_address(configured).then(|| format!("{}/{bucket}", configured.trim_end_matches('/')))
            }
            None => is_commercial(&self.region).then(|| format!("https://{bucket}.s3.{}.amazonaws.com", self.region)),
        }
    }

    async fn ruled_dynamodb(&self) -> Result<String, Cause> {
        let params = dynamodb::Params::builder()
            .region(&self.region)
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack)
            .set_endpoint(self.dynamodb.clone())
            .build()?;
        let endpoint = dynamodb::DefaultResolver::new().resolve_endpoint(&params).await?;
        Ok(endpoint.url().to_owned())
    }

    async fn ruled_bucket(&self, bucket: &str) -> Result<String, Cause> {
        let params = s3::Params::builder()
            .bucket(bucket)
            .region(&self.region)
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack)
            .set_endpoint(self.s3.clone())
            .build()?;
        let endpoint = s3::DefaultResolver::new().resolve_endpoint(&params).await?;
        Ok(endpoint.url().to_owned())
    }
}

/// Whether a region is one of the partition `aws`, as in `eu-west-1`. Those of others have more parts, or begin otherwise.
fn is_commercial(region: &str) -> bool {
    // No part of the name of a host is longer.
    if region.len() > 63 {
        return false;
    }
    let mut parts = region.split('-');
    let (area, direction, number) = (parts.next(), parts.next(), parts.next());
    let is_of = |part: Option<&str>, is_one: fn(&u8) -> bool| {
        part.is_some_and(|part| !part.is_empty() && part.as_bytes().iter().all(is_one))
    };
    area.is_some_and(|area| AREAS.contains(&area))
        && is_of(direction, u8::is_ascii_lowercase)
        && is_of(number, u8::is_ascii_digit)
        && parts.next().is_none()
}

/// Whether an endpoint is an address of IPv4, perhaps with a port, and nothing else.
fn is_address(endpoint: &str) -> bool {
    let behind_scheme = endpoint
        .strip_prefix("https://")
        .or_else(|| endpoint.strip_prefix("http://"));
    let authority = behind_scheme.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    authority.is_some_and(|authority| {
        let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
        host.parse::<Ipv4Addr>().is_ok() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// An endpoint that the environment or a profile names in place of AWS's own.
fn configured(config: &SdkConfig, service_id: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service_id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_service = config.service_config().zip(key.ok());
    let of_service = of_service.and_then(|(config, key)| config.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use aws_config::Region;

    use super::*;

    fn endpoints(region: &'static str, configured: Option<&str>) -> Endpoints {
        let mut config = SdkConfig::builder().region(Region::new(region));
        config.set_endpoint_url(configured.map(str::to_owned));
        Endpoints::new(&config.build()).expect("has a region")
    }

    #[tokio::test]
    async fn what_is_plain_is_as_the_rules_say() {
        for (region, configured, is_plain) in [
            ("us-east-1", None, true),
            ("us-west-2", None, true),
            ("eu-central-2", None, true),
            ("ap-southeast-7", None, true),
            ("mx-central-1", None, true),
            ("eu-west-1", Some("https://127.0.0.1:4566"), true),
            ("eu-west-1", Some("http://10.0.0.1/"), true),
            ("eu-west-1", Some("http://10.0.0.1:80/path"), false),
            ("eu-west-1", Some("http://10.0.0.1?a=b"), false),
            ("eu-west-1", Some("http://10.0.0.1:p@storage.example"), false),
            ("eu-west-1", Some("ftp://10.0.0.1"), false),
            ("eu-west-1", Some("https://dynamodb.eu-west-1.api.aws"), false),
            ("us-gov-west-1", None, false),
            ("cn-north-1", None, false),
            ("us-iso-east-1", None, false),
            ("eusc-de-east-1", None, false),
            ("eu-west", None, false),
            ("eu--1", None, false),
        ] {
            let endpoints = endpoints(region, configured);
            assert_eq!(
                endpoints.plain_dynamodb().is_some(),
                is_plain,
                "{region} {configured:?}"
            );
            assert_eq!(
                endpoints.plain_bucket("my-bucket").is_some(),
                is_plain,
                "{region} {configured:?}"
            );
            if let Some(plain) = endpoints.plain_dynamodb() {
                assert_eq!(plain, endpoints.ruled_dynamodb().await.expect("is known"));
            }
            for bucket in ["my-bucket", "b1-", "0a0"] {
                if let Some(plain) = endpoints.plain_bucket(bucket) {
                    assert_eq!(plain, endpoints.ruled_bucket(bucket).await.expect("is known"));
                }
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_rules() {
        let here = endpoints("eu-west-1", None);
        for bucket in [
            "my.bucket",
            "My-bucket",
            "my--bucket",
            "my-bucket--x-s3",
            "-my",
            "my-",
            "ab",
            "",
        ] {
            assert_eq!(here.plain_bucket(bucket), None, "{bucket}");
        }
        // The bucket would be a part of the host.
        let named = endpoints("eu-west-1", Some("https://storage.example:9000"));
        assert_eq!(named.plain_bucket("my-bucket"), None);
        for change in [
            |it: &mut Endpoints| it.use_fips = true,
            |it: &mut Endpoints| it.use_dual_stack = true,
        ] {
            let mut changed = here.clone();
            change(&mut changed);
            assert_eq!(
                (changed.plain_dynamodb(), changed.plain_bucket("my-bucket")),
                (None, None)
            );
        }
    }
}
