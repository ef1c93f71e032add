use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use sardonyx_core::ports::Cause;

use super::signer::hash;
use super::{Call, DirectCalls, configured_endpoint, refused, wire};

const BATCH_GET: [(&str, &str); 2] = headers("DynamoDB_20120810.BatchGetItem");
const PUT: [(&str, &str); 2] = headers("DynamoDB_20120810.PutItem");

const fn headers(target: &'static str) -> [(&'static str, &'static str); 2] {
    [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)]
}

/// Where DynamoDB is, with a slash at the end.
pub(super) async fn endpoint(config: &SdkConfig) -> Option<String> {
    let params = Params::builder()
        .region(config.region()?.to_string())
        .use_fips(config.use_fips().unwrap_or_default())
        .use_dual_stack(config.use_dual_stack().unwrap_or_default())
        .set_endpoint(configured_endpoint(config, "DynamoDB"))
        .build()
        .ok()?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.ok()?;
    Some(format!("{}/", endpoint.url().trim_end_matches('/')))
}

impl DirectCalls {
    /// Opens a connection to DynamoDB for the first call. It answers a bare GET by saying that it is there; whatever it answers will do.
    pub(crate) async fn connect_to_dynamodb(&self) {
        let mut request = HttpRequest::new(SdkBody::empty());
        if request.set_uri(self.dynamodb.as_str()).is_ok()
            && let Ok(response) = self.connector.call(request).await
        {
            // Read to its end, so that the connection can be used again.
            let _ = ByteStream::new(response.into_body()).collect().await;
        }
    }

    /// The items of the keys, once.
    ///
    /// # Errors
    /// When the call did not end well.
    pub(crate) async fn batch_get(
        &self,
        tables: &HashMap<String, KeysAndAttributes>,
    ) -> Result<BatchGetItemOutput, Cause> {
        let body = wire::write_request(tables)?;
        match self.call_dynamodb(&BATCH_GET, body).await? {
            (200, answer) => Ok(wire::read_answer(&answer)?),
            (status, _) => Err(refused("DynamoDB", status)),
        }
    }

    /// Writes an item if the condition holds, once; whether it did.
    ///
    /// # Errors
    /// When the call did not end well, so that the item may be written or not.
    pub(crate) async fn put_if(
        &self,
        table: &str,
        item: &HashMap<String, AttributeValue>,
        condition: &str,
    ) -> Result<bool, Cause> {
        let body = wire::write_put(table, item, condition)?;
        match self.call_dynamodb(&PUT, body).await? {
            (200, _) => Ok(true),
            (400, problem) if wire::is_failed_condition(&problem) => Ok(false),
            (status, _) => Err(refused("DynamoDB", status)),
        }
    }

    /// The status and the body of an answer.
    async fn call_dynamodb(
        &self,
        headers: &[(&'static str, &'static str)],
        body: Vec<u8>,
    ) -> Result<(u16, Bytes), Cause> {
        let call = Call {
            service: "dynamodb",
            method: "POST",
            url: &self.dynamodb,
            headers,
            payload_hash: &hash(&body),
        };
        let response = self.send(call, SdkBody::from(body)).await?;
        let status = response.status().as_u16();
        let answer = ByteStream::new(response.into_body()).collect().await?;
        Ok((status, answer.into_bytes()))
    }
}
