use aws_config::BehaviorVersion;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use lambda_runtime::Error;
use sardonyx_bench_peers::Settings;

use crate::features::FeatureTable;
use crate::results::ResultTable;

/// The clients of the SDK.
pub(crate) struct Clients {
    s3: aws_sdk_s3::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl Clients {
    /// Clients with the SDK's defaults. Its HTTP client does not look at `AWS_CA_BUNDLE`, so that a certificate that is there has to be
    /// given to it.
    pub(crate) async fn from_env() -> Result<Self, Error> {
        let mut roots = TrustStore::default();
        if let Ok(bundle) = std::env::var("AWS_CA_BUNDLE") {
            roots = roots.with_pem_certificate(std::fs::read(bundle)?);
        }
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(TlsContext::builder().with_trust_store(roots).build()?)
            .build_https();
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        let config = loader.load().await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
        Ok(Self {
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
        })
    }

    /// One of the artifact's files.
    pub(crate) async fn artifact(&self, settings: &Settings, file: &str) -> Result<Vec<u8>, Error> {
        let get = self.s3.get_object().bucket(&settings.artifact_bucket);
        let object = get.key(settings.artifact_key(file)).send().await?;
        Ok(object.body.collect().await?.to_vec())
    }

    pub(crate) fn feature_table(&self, settings: &Settings) -> FeatureTable {
        FeatureTable::new(self.dynamodb.clone(), settings.feature_table.clone())
    }

    pub(crate) fn result_table(&self, settings: &Settings) -> Option<ResultTable> {
        let table = settings.result_table.clone()?;
        let (name, version) = (settings.model_name.clone(), settings.model_version.clone());
        Some(ResultTable::new(self.dynamodb.clone(), table, name, version))
    }
}
