//! The connections of a process to AWS: those of direct calls, and those of the SDK's clients.

use std::path::Path;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::lazy_client::LazyClient;

/// The variable that names a file of certificates to trust in place of the usual ones, as in AWS's other tools.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Amazon Root CA 1 to 4 and Starfield Services Root Certificate Authority - G2, as Amazon Trust Services publishes them. Five certificates take
/// no time to read; the 140 or so of a system take longer than the rest of a start's own work.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// `AWS_CA_BUNDLE` names a file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {CA_BUNDLE} names {file}, which {problem}")]
pub struct CaBundleError {
    file: String,
    problem: String,
}

/// The connections of a process, which trust whom the environment says.
pub(crate) struct Connections {
    settings: HttpConnectorSettings,
    has_bundle: bool,
    /// Made when they are first used, since the certificates of the system take longer to read than a start has.
    of_sdk: LazyClient<SharedHttpConnector>,
}

impl Connections {
    /// A connection that is not there within `connect_timeout`, and an answer that does not begin within `read_timeout`, is given up.
    ///
    /// # Errors
    /// When the file that the environment names cannot be used.
    pub(crate) fn from_env(connect_timeout: Duration, read_timeout: Duration) -> Result<Self, CaBundleError> {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(connect_timeout)
            .read_timeout(read_timeout)
            .build();
        let bundle = std::env::var_os(CA_BUNDLE).filter(|file| !file.is_empty());
        let bundle = bundle.map(|file| certificates(Path::new(&file))).transpose()?;
        let has_bundle = bundle.is_some();
        let trusted = bundle.map_or_else(TrustStore::default, only);
        let of_sdk = {
            let settings = settings.clone();
            LazyClient::new(move || connector(settings, trusted))
        };
        Ok(Self {
            settings,
            has_bundle,
            of_sdk,
        })
    }

    /// For the SDK, whose requests all go over the same connections.
    pub(crate) fn of_sdk(&self) -> SharedHttpClient {
        let connector = self.of_sdk.clone();
        http_client_fn(move |_, _| SharedHttpConnector::clone(&connector))
    }

    /// For calls of these endpoints, which the SDK repeats when they fail. Where all of them have their certificates from Amazon, and nothing
    /// else is said, Amazon's authorities are trusted and no others.
    pub(crate) fn of_direct_calls<'a>(&self, endpoints: impl IntoIterator<Item = &'a str>) -> SharedHttpConnector {
        if !self.has_bundle && endpoints.into_iter().all(is_certified_by_amazon) {
            connector(self.settings.clone(), only(AMAZON_ROOTS))
        } else {
            SharedHttpConnector::clone(&self.of_sdk)
        }
    }
}

fn only(certificates: impl Into<Vec<u8>>) -> TrustStore {
    TrustStore::empty().with_pem_certificate(certificates)
}

fn connector(settings: HttpConnectorSettings, trusted: TrustStore) -> SharedHttpConnector {
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let connector = Connector::builder()
        .connector_settings(settings)
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context.expect("certificates are all that it needs"));
    SharedHttpConnector::new(connector.build())
}

/// Whether an endpoint is AWS's own in a partition that has its certificates from Amazon: China, the European Sovereign Cloud and the isolated
/// partitions have names of their own, and other authorities.
fn is_certified_by_amazon(endpoint: &str) -> bool {
    let (_, behind_scheme) = endpoint.split_once("://").unwrap_or_default();
    let host = behind_scheme.split(['/', ':']).next().unwrap_or_default();
    [".amazonaws.com", ".api.aws"]
        .iter()
        .any(|domain| host.ends_with(domain))
}

fn certificates(file: &Path) -> Result<Vec<u8>, CaBundleError> {
    let unusable = |problem: String| CaBundleError {
        file: file.display().to_string(),
        problem,
    };
    let bytes = std::fs::read(file).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(bytes),
        _ => Err(unusable("holds no certificates in PEM".into())),
    }
}

#[cfg(test)]
mod tests {
    use sardonyx_core::hashed::Hashed;

    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        // Tests run in the folder of their package.
        for (file, problem) in [
            ("nowhere.pem", "cannot be read"),
            ("Cargo.toml", "holds no certificates"),
        ] {
            let error = certificates(Path::new(file)).expect_err("is none").to_string();
            assert!(error.contains("AWS_CA_BUNDLE") && error.contains(problem), "{error}");
        }
    }

    #[test]
    fn the_roots_are_those_that_amazon_publishes() {
        // The SHA-256 fingerprints, from the repository of Amazon Trust Services.
        let published = [
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
            "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        ];
        let found: Vec<_> = CertificateDer::pem_slice_iter(AMAZON_ROOTS)
            .map(|certificate| Hashed::new(certificate.expect("is one").to_vec()).sha256())
            .collect();
        assert_eq!(found, published);
    }

    #[test]
    fn only_endpoints_of_aws_itself_are_certified_by_amazon() {
        for endpoint in [
            "https://dynamodb.eu-west-1.amazonaws.com/",
            "https://dynamodb.us-gov-west-1.amazonaws.com",
            "https://dynamodb.us-east-1.api.aws/",
            "https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com:443",
        ] {
            assert!(is_certified_by_amazon(endpoint), "{endpoint}");
        }
        for endpoint in [
            "https://dynamodb.cn-north-1.amazonaws.com.cn/",
            "https://dynamodb.eusc-de-east-1.amazonaws.eu/",
            "https://dynamodb.us-iso-east-1.c2s.ic.gov/",
            "https://proxy.example/.amazonaws.com",
            "https://localhost:4566",
            "",
        ] {
            assert!(!is_certified_by_amazon(endpoint), "{endpoint}");
        }
    }
}
