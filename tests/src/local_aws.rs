//! The local AWS with the deployed application, as `make test` brings it up.

use aws_config::BehaviorVersion;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_http_client::Builder;
use serde_json::Value as Json;

/// What is deployed where.
pub(crate) struct LocalAws {
    pub(crate) state: Json,
    pub(crate) sdk: aws_config::SdkConfig,
}

impl LocalAws {
    /// Connects to the stack that the environment describes.
    pub(crate) async fn connect() -> Self {
        let path = std::env::var("SARDONYX_LOCAL_STATE")
            .expect("SARDONYX_LOCAL_STATE is not set: these tests run on the local AWS that `make test` brings up");
        let state = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self {
            state: serde_json::from_slice(&state).expect("is JSON"),
            sdk: aws_config::defaults(BehaviorVersion::latest())
                .http_client(Builder::new().build_http())
                .load()
                .await,
        }
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        let value = self.state.pointer(pointer).and_then(Json::as_str);
        value.unwrap_or_else(|| panic!("the state has no {pointer}: {}", self.state))
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk)
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.sdk)
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk)
    }

    /// How many messages of a queue there are, of those that the attribute counts.
    pub(crate) async fn count_messages(&self, queue_url: &str, attribute: &QueueAttributeName) -> u64 {
        let request = self.sqs().get_queue_attributes().queue_url(queue_url);
        let answer = request
            .attribute_names(attribute.clone())
            .send()
            .await
            .expect("answers");
        let count = answer.attributes().and_then(|attributes| attributes.get(attribute));
        count.and_then(|count| count.parse().ok()).expect("is a count")
    }
}
