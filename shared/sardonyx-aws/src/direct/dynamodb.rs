use std::time::Duration;

use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementOutput;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use sardonyx_core::ports::Cause;
use tokio::time::timeout;

use super::signer::hash;
use super::wire::{self, Parameter};
use super::{Call, DirectCalls, Refused};
use crate::batch_read::{Answer, TableKeys};

/// How long calls wait at the most for the connection that is being opened.
const OPENING: Duration = Duration::from_millis(300);

const BATCH_GET: [(&str, &str); 2] = headers("DynamoDB_20120810.BatchGetItem");
const BATCH_EXECUTE: [(&str, &str); 2] = headers("DynamoDB_20120810.BatchExecuteStatement");

const fn headers(target: &'static str) -> [(&'static str, &'static str); 2] {
    [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)]
}

impl DirectCalls {
    /// Opens a connection to DynamoDB for the first call. It answers a bare GET by saying that it is there; whatever it answers will do.
    pub(crate) async fn connect_to_dynamodb(&self) {
        let _connecting = self.connecting.write().await;
        let mut request = HttpRequest::new(SdkBody::empty());
        if request.set_uri(self.dynamodb.as_str()).is_err() {
            return;
        }
        let open = async {
            let response = self.connector.call(request).await?;
            // Read to its end, so that the connection can be used again.
            ByteStream::new(response.into_body()).collect().await?;
            Ok::<_, Cause>(())
        };
        // Where it does not open, the calls say why.
        let _ = timeout(OPENING, open).await;
    }

    /// The items of the keys, once.
    ///
    /// # Errors
    /// When the call did not end well.
    pub(crate) async fn batch_get(&self, tables: &[TableKeys<'_>]) -> Result<Answer, Cause> {
        let body = wire::write_request(tables)?;
        let answer = self.call_dynamodb(&BATCH_GET, body).await?;
        Ok(wire::read_answer(&answer)?)
    }

    /// What became of a statement with each of these parameters, once.
    ///
    /// # Errors
    /// When the call did not end well, so that it may have been executed with any of them or not.
    pub(crate) async fn batch_execute<'a, const N: usize>(
        &self,
        statement: &str,
        parameters: impl Iterator<Item = [Parameter<'a>; N]>,
    ) -> Result<BatchExecuteStatementOutput, Cause> {
        let body = wire::write_statements(statement, parameters)?;
        let answer = self.call_dynamodb(&BATCH_EXECUTE, body).await?;
        Ok(wire::read_outcomes(&answer)?)
    }

    /// The body of an answer that is not an error.
    async fn call_dynamodb(&self, headers: &[(&'static str, &'static str)], body: Vec<u8>) -> Result<Bytes, Cause> {
        // The connection that is being opened is sooner there than another one.
        drop(self.connecting.read().await);
        let call = Call {
            service: "dynamodb",
            method: "POST",
            url: &self.dynamodb,
            headers,
            payload_hash: &hash(&body),
        };
        let response = self.send(call, SdkBody::from(body)).await?;
        let status = response.status().as_u16();
        // Read to its end in any case, so that the connection can be used again.
        let answer = ByteStream::new(response.into_body()).collect().await?;
        match status {
            200 => Ok(answer.into_bytes()),
            status => Err(Refused {
                service: "DynamoDB",
                status,
            }
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use tokio::sync::Semaphore;
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    /// Answers as often as it is allowed to, and notes what it was asked.
    #[derive(Debug, Clone)]
    struct Gated {
        allowed: Arc<Semaphore>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl HttpConnector for Gated {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let method = request.method().to_owned();
            self.asked.lock().expect("no test panicked").push(method);
            let allowed = Arc::clone(&self.allowed);
            HttpConnectorFuture::new(async move {
                allowed.acquire().await.expect("stays open").forget();
                let body = SdkBody::from(r#"{"Responses": {}}"#);
                Ok(HttpResponse::new(200.try_into().expect("is a status"), body))
            })
        }
    }

    impl Gated {
        fn new() -> Self {
            Self {
                allowed: Arc::new(Semaphore::new(0)),
                asked: Arc::default(),
            }
        }

        fn asked(&self) -> Vec<String> {
            self.asked.lock().expect("no test panicked").clone()
        }

        /// A call while the connection is being opened.
        async fn call(&self) -> (JoinHandle<()>, JoinHandle<Result<(), Cause>>) {
            let calls = Arc::new(DirectCalls::on(SharedHttpConnector::new(self.clone())));
            let opened = Arc::clone(&calls);
            let opening = tokio::spawn(async move { opened.connect_to_dynamodb().await });
            yield_now().await;
            let call = tokio::spawn(async move { calls.batch_get(&[]).await.map(drop) });
            yield_now().await;
            (opening, call)
        }
    }

    #[tokio::test]
    async fn a_call_waits_for_the_connection_that_is_being_opened() {
        let gated = Gated::new();
        let (opening, call) = gated.call().await;
        assert_eq!(gated.asked(), ["GET"]);
        gated.allowed.add_permits(2);
        opening.await.expect("ends");
        call.await.expect("ends").expect("is answered");
        assert_eq!(gated.asked(), ["GET", "POST"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_open_keeps_no_call_waiting() {
        let gated = Gated::new();
        let (opening, call) = gated.call().await;
        opening.await.expect("ends");
        assert_eq!(gated.asked(), ["GET", "POST"]);
        gated.allowed.add_permits(1);
        call.await.expect("ends").expect("is answered");
    }
}
