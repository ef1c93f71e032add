//! Calls of AWS without the SDK's layers: signed and sent at once, with the SDK's own HTTP client. They are those that a cold start and
//! a prediction wait for: reading an object, reading items, and writing items that are new.
//!
//! A call tries once. Whatever goes wrong, from a connection that has died to a call that is refused, is an error that says so, and for the caller
//! to repeat with the SDK, which knows retries and what each error means.

mod dynamodb;
mod endpoints;
mod get_object;
mod signer;
mod wire;

use std::fmt;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use endpoints::Endpoints;
use sardonyx_core::ports::Cause;
use signer::{Signer, Unsigned};
use tokio::sync::RwLock;
pub(crate) use wire::Parameter;

use crate::http_client::Connections;

/// Calls in one region, with one role.
pub(crate) struct DirectCalls {
    connector: SharedHttpConnector,
    endpoints: Endpoints,
    signer: Signer,
    /// DynamoDB's, with the slash at its end.
    dynamodb: String,
    /// Held while the first connection to DynamoDB is opened.
    connecting: RwLock<()>,
}

/// What is signed and sent.
struct Call<'a> {
    service: &'static str,
    method: &'a str,
    /// Of characters that need no encoding, and without a query.
    url: &'a str,
    headers: &'a [(&'static str, &'a str)],
    payload_hash: &'a str,
}

impl DirectCalls {
    /// Calls where the SDK would. `None` where that cannot be told beforehand.
    pub(crate) async fn new(config: &SdkConfig, credentials: Credentials, connections: &Connections) -> Option<Self> {
        let endpoints = Endpoints::new(config)?;
        let dynamodb = endpoints.dynamodb().await.ok()?;
        let named = [dynamodb.as_str()].into_iter().chain(endpoints.configured_s3());
        Some(Self {
            connector: connections.of_direct_calls(named),
            signer: Signer::new(credentials, endpoints.region().to_owned()),
            endpoints,
            dynamodb,
            connecting: RwLock::default(),
        })
    }

    /// Calls over these connections, wherever they lead.
    #[cfg(test)]
    pub(crate) fn on(connector: SharedHttpConnector) -> Self {
        let region = aws_config::Region::new("eu-west-1");
        let config = SdkConfig::builder().region(region).build();
        Self {
            connector,
            endpoints: Endpoints::new(&config).expect("has a region"),
            signer: Signer::new(Credentials::for_tests(), "eu-west-1".into()),
            dynamodb: "https://dynamodb.eu-west-1.amazonaws.com/".into(),
            connecting: RwLock::default(),
        }
    }

    /// Signs and sends.
    async fn send(&self, call: Call<'_>, body: SdkBody) -> Result<HttpResponse, Cause> {
        let (_, behind_scheme) = call.url.split_once("://").ok_or("the endpoint has no scheme")?;
        let (host, _) = behind_scheme.split_once('/').ok_or("the endpoint has no path")?;
        let unsigned = Unsigned {
            service: call.service,
            method: call.method,
            host,
            path: &behind_scheme[host.len()..],
            headers: call.headers,
            payload_hash: call.payload_hash,
        };
        let mut request = HttpRequest::new(body);
        request.set_method(call.method)?;
        request.set_uri(call.url)?;
        for (name, value) in self.signer.sign(&unsigned, SystemTime::now()) {
            request.headers_mut().insert(name, value);
        }
        Ok(self.connector.call(request).await?)
    }
}

/// A service answers, but not with what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{service} answers with the status {status}")]
pub(crate) struct Refused {
    service: &'static str,
    status: u16,
}

impl Refused {
    /// The status of an answer, where there was one.
    pub(crate) fn status_of(error: &Cause) -> Option<u16> {
        error.downcast_ref().map(|refused: &Self| refused.status)
    }
}

impl fmt::Debug for DirectCalls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DirectCalls").finish_non_exhaustive()
    }
}
