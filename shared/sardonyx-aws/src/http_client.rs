//! The connections that all AWS clients of a process share.

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

/// The variable that names a file of certificates to trust in place of the usual ones, as in AWS's other tools.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// `AWS_CA_BUNDLE` names a file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {CA_BUNDLE} names {file}, which {problem}")]
pub struct CaBundleError {
    file: String,
    problem: String,
}

/// The connections of a process, which trust whom the environment says. A connection that is not there within `connect_timeout`, and an
/// answer that does not begin within `read_timeout`, is given up.
///
/// # Errors
/// When the file that the environment names cannot be used.
pub(crate) fn from_env(
    connect_timeout: Duration,
    read_timeout: Duration,
) -> Result<SharedHttpConnector, CaBundleError> {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(connect_timeout)
        .read_timeout(read_timeout)
        .build();
    let mut connector = Connector::builder()
        .connector_settings(settings)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    if let Some(file) = std::env::var_os(CA_BUNDLE).filter(|file| !file.is_empty()) {
        let trusted = TrustStore::empty().with_pem_certificate(certificates(Path::new(&file))?);
        let context = TlsContext::builder().with_trust_store(trusted).build();
        connector = connector.tls_context(context.expect("certificates are all that it needs"));
    }
    Ok(SharedHttpConnector::new(connector.build()))
}

/// A client for the SDK whose requests all go over these connections.
pub(crate) fn client(connector: SharedHttpConnector) -> SharedHttpClient {
    http_client_fn(move |_, _| connector.clone())
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
}
