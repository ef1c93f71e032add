//! Signature version 4 of requests without a query: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
//!
//! The key, which is good for a day, is derived once for each service; beside that a signature is two hashes. `aws-sigv4` derives it for every
//! request, builds what it signs from a parsed address, and takes as long as the rest of a call. Its functions for key and signature are used here.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use sardonyx_core::hashed::hex;
use sha2::{Digest, Sha256};

/// Signs with one role for one region.
pub(super) struct Signer {
    credentials: Credentials,
    region: String,
    /// By service.
    keys: Mutex<HashMap<&'static str, Key>>,
}

struct Key {
    /// As in `20260102`.
    day: String,
    bytes: Vec<u8>,
}

/// A request to sign.
pub(super) struct Unsigned<'a> {
    /// As in `s3`.
    pub(super) service: &'static str,
    pub(super) method: &'a str,
    /// With its port, where the address names one.
    pub(super) host: &'a str,
    /// Of characters that need no encoding.
    pub(super) path: &'a str,
    /// Names in lower case.
    pub(super) headers: &'a [(&'static str, &'a str)],
    /// The hash of the body in hexadecimal, or what stands for it.
    pub(super) payload_hash: &'a str,
}

impl Signer {
    pub(super) fn new(credentials: Credentials, region: String) -> Self {
        Self {
            credentials,
            region,
            keys: Mutex::default(),
        }
    }

    /// All headers that the request has to have.
    pub(super) fn sign(&self, request: &Unsigned<'_>, now: SystemTime) -> Vec<(&'static str, String)> {
        let time = compact(now);
        let day = &time[..8];
        let mut headers: Vec<(&'static str, String)> =
            vec![("host", request.host.into()), ("x-amz-date", time.clone())];
        headers.extend(request.headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let token = self.credentials.session_token();
        headers.extend(token.map(|token| ("x-amz-security-token", token.to_owned())));
        headers.sort_unstable_by_key(|(name, _)| *name);
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");

        let mut canonical = format!("{}\n{}\n\n", request.method, request.path);
        for (name, value) in &headers {
            let _ = writeln!(canonical, "{name}:{value}"); // into a string: it does not fail
        }
        let _ = write!(canonical, "\n{names}\n{}", request.payload_hash);
        let scope = format!("{day}/{}/{}/aws4_request", self.region, request.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
        let signature = self.with_key(request.service, day, now, |key| {
            calculate_signature(key, to_sign.as_bytes())
        });
        let id = self.credentials.access_key_id();
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        headers.push(("authorization", authorization));
        headers
    }

    fn with_key<T>(&self, service: &'static str, day: &str, now: SystemTime, use_key: impl FnOnce(&[u8]) -> T) -> T {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let derive = || Key {
            day: day.to_owned(),
            bytes: generate_signing_key(self.credentials.secret_access_key(), now, &self.region, service)
                .as_ref()
                .to_vec(),
        };
        let key = keys.entry(service).or_insert_with(derive);
        if key.day != day {
            *key = derive();
        }
        use_key(&key.bytes)
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// As in `20260102T030405Z`.
fn compact(time: SystemTime) -> String {
    let seconds = DateTime::from(time).secs();
    let text = DateTime::from_secs(seconds).fmt(Format::DateTime).unwrap_or_default();
    text.chars()
        .filter(|character| !matches!(character, '-' | ':'))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_sigv4::http_request::{
        PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
    };
    use aws_sigv4::sign::v4::SigningParams;

    use super::*;

    /// Sorted, as `aws-sigv4` signs it.
    fn expected(
        credentials: &Credentials,
        (service, method, url): (&str, &str, &str),
        headers: &[(&'static str, &'static str)],
        body: SignableBody<'_>,
        now: SystemTime,
    ) -> String {
        let identity = credentials.clone().into();
        let mut settings = SigningSettings::default();
        if service == "s3" {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let params = SigningParams::builder().identity(&identity).region("eu-west-1");
        let params = params.name(service).time(now).settings(settings).build();
        let request = SignableRequest::new(method, url, headers.iter().copied(), body).expect("can be signed");
        let (instructions, _) = sign(request, &params.expect("is complete").into())
            .expect("is signed")
            .into_parts();
        let signed = instructions.headers().find(|(name, _)| *name == "authorization");
        signed.expect("has a signature").1.to_owned()
    }

    #[test]
    fn signatures_are_those_of_aws_sigv4_on_every_day_with_and_without_a_token() {
        let target = [
            ("x-amz-target", "DynamoDB_20120810.PutItem"),
            ("content-type", "application/x-amz-json-1.0"),
        ];
        for token in [None, Some("a token/+=".to_owned())] {
            let credentials = Credentials::new("AKID", "secret/+", token, None, "test");
            let signer = Signer::new(credentials.clone(), "eu-west-1".into());
            for seconds in [0, 1_767_225_599, 1_767_225_600, 1_798_761_601] {
                let now = UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 999);
                let body = br#"{"TableName":"t"}"#;
                let put = Unsigned {
                    service: "dynamodb",
                    method: "POST",
                    host: "localhost:4566",
                    path: "/",
                    headers: &target,
                    payload_hash: &hash(body),
                };
                let url = ("dynamodb", "POST", "http://localhost:4566/");
                let of_put = expected(&credentials, url, &target, SignableBody::Bytes(body), now);
                assert_eq!(signer.sign(&put, now).last().expect("is there").1, of_put);

                let get = Unsigned {
                    service: "s3",
                    method: "GET",
                    host: "b.s3.eu-west-1.amazonaws.com",
                    path: "/models/m/1.0_x/model-a.onnx",
                    headers: &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")],
                    payload_hash: "UNSIGNED-PAYLOAD",
                };
                let url = "https://b.s3.eu-west-1.amazonaws.com/models/m/1.0_x/model-a.onnx";
                let of_get = expected(
                    &credentials,
                    ("s3", "GET", url),
                    &[],
                    SignableBody::UnsignedPayload,
                    now,
                );
                assert_eq!(signer.sign(&get, now).last().expect("is there").1, of_get);
            }
        }
    }
}
