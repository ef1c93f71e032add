use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use sardonyx_core::ports::Cause;

use super::{Call, DirectCalls, Refused};
use crate::body::Body;

/// Stands for the hash of a body that is not signed, since there is none.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

impl DirectCalls {
    /// An object, once.
    ///
    /// # Errors
    /// When the call did not begin well, or the names are such that the SDK knows better how to make it.
    pub(crate) async fn get_object(&self, bucket: &str, key: &str) -> Result<Body, Cause> {
        // Access points and directory buckets are signed otherwise, and other keys would have to be encoded.
        let is_plain = |text: &str, others: &[u8]| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        };
        if !is_plain(bucket, b"-.") || bucket.ends_with("--x-s3") || !is_plain(key, b"-._/") {
            return Err("the names are not plain".into());
        }
        let url = format!("{}/{key}", self.endpoints.bucket(bucket).await?);
        let call = Call {
            service: "s3",
            method: "GET",
            url: &url,
            headers: &[("x-amz-content-sha256", UNSIGNED)],
            payload_hash: UNSIGNED,
        };
        let response = self.send(call, SdkBody::empty()).await?;
        let status = response.status().as_u16();
        if status != 200 {
            // Read to its end, so that the connection can be used again.
            ByteStream::new(response.into_body()).collect().await?;
            return Err(Refused { service: "S3", status }.into());
        }
        let length = response.headers().get("content-length");
        let length = length.and_then(|length| length.parse().ok());
        Ok(Body {
            pieces: ByteStream::new(response.into_body()),
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use bytes::Bytes;

    use super::*;

    /// Answers with the same each time, and notes what it was asked.
    #[derive(Debug, Clone, Default)]
    struct Noting {
        status: u16,
        asked: Arc<Mutex<Vec<(String, bool)>>>,
    }

    impl HttpConnector for Noting {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let is_signed = request.headers().get("authorization").is_some()
                && request.headers().get("x-amz-content-sha256") == Some("UNSIGNED-PAYLOAD");
            let asked = (request.uri().to_owned(), is_signed);
            self.asked.lock().expect("no test panicked").push(asked);
            let status = self.status.try_into().expect("is a status");
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from("bytes"))))
        }
    }

    async fn get(status: u16, bucket: &str, key: &str) -> (Result<Bytes, Cause>, Vec<(String, bool)>) {
        let noting = Noting {
            status,
            ..Noting::default()
        };
        let calls = DirectCalls::on(SharedHttpConnector::new(noting.clone()));
        let answer = match calls.get_object(bucket, key).await {
            Ok(body) => body.collect().await,
            Err(error) => Err(error),
        };
        let asked = std::mem::take(&mut *noting.asked.lock().expect("no test panicked"));
        (answer, asked)
    }

    #[tokio::test]
    async fn an_object_is_asked_for_where_the_sdk_would() {
        for (bucket, url) in [
            (
                "artifacts",
                "https://artifacts.s3.eu-west-1.amazonaws.com/models/m/1/model.onnx",
            ),
            // No certificate is good for a name with more dots.
            (
                "my.bucket",
                "https://s3.eu-west-1.amazonaws.com/my.bucket/models/m/1/model.onnx",
            ),
        ] {
            let (answer, asked) = get(200, bucket, "models/m/1/model.onnx").await;
            assert_eq!(answer.expect("is there"), "bytes");
            assert_eq!(asked, [(url.to_owned(), true)]);
        }
    }

    #[tokio::test]
    async fn what_the_sdk_knows_better_is_left_to_it() {
        for (bucket, key) in [
            ("arn:aws:s3:eu-west-1:123456789012:accesspoint/a", "k"),
            ("b--euw1-az1--x-s3", "k"),
            ("b", "a key"),
            ("b", "schl\u{fc}ssel"),
        ] {
            let (answer, asked) = get(200, bucket, key).await;
            assert!(answer.is_err() && asked.is_empty(), "{bucket} {key}");
        }
        let (answer, _) = get(404, "b", "k").await;
        assert_eq!(Refused::status_of(&answer.expect_err("is not there")), Some(404));
    }
}
