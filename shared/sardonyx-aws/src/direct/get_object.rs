use std::ops::Range;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::BytesMut;
use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use sardonyx_core::checksummed::{Checksummed, Checksumming};
use sardonyx_core::ports::Cause;

use super::{Call, DirectCalls, Refused};
use crate::body::{Body, room};

/// Stands for the hash of a body that is not signed, since there is none.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How much of a large object a request asks for. AWS recommends 8 or 16 MB, and a request for each 85 to 90 MB/s that are wanted:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-design-patterns.html>.
const PART: usize = 8 << 20;

/// How many requests for parts are on their way at the same time.
const PARTS_AT_ONCE: usize = 8;

impl DirectCalls {
    /// An object, once.
    ///
    /// # Errors
    /// When the call did not begin well, or the names are such that the SDK knows better how to make it.
    pub(crate) async fn get_object(&self, bucket: &str, key: &str) -> Result<Body, Cause> {
        let url = self.object_url(bucket, key).await?;
        Ok(body(self.get(&url, &[], &[200]).await?))
    }

    /// The bytes of an object and their checksum, by several requests at the same time if it is large. They are of the same object, or there
    /// is an error.
    ///
    /// # Errors
    /// When a call did not begin well, broke off or stalled, when the object has changed meanwhile, and as [`DirectCalls::get_object`].
    pub(crate) async fn get_large_object(&self, bucket: &str, key: &str) -> Result<Checksummed, Cause> {
        let url = self.object_url(bucket, key).await?;
        let first = self.get(&url, &[("range", &range(0..PART))], &[200, 206]).await?;
        if first.status().as_u16() == 200 {
            // All of it comes at once.
            return body(first).collect_checksummed().await;
        }
        let of_header = |name| first.headers().get(name).map(str::to_owned);
        let total = of_header("content-range").and_then(|range| range.rsplit('/').next()?.parse().ok());
        let total: usize = total.ok_or("S3 does not say how long the object is")?;
        if total <= PART {
            return Ok(part(first, room(total), total).await?.finish());
        }
        let tag = of_header("etag").ok_or("S3 does not say which version of the object it is")?;
        // Each part is written to its place, so that nothing has to be put together.
        let mut whole = room(total);
        let mut behind = whole.split_off(PART);
        let mut parts = Vec::with_capacity(total / PART);
        for start in (PART..total).step_by(PART) {
            let next = behind.split_off(PART.min(total - start));
            parts.push((start, std::mem::replace(&mut behind, next)));
        }
        let parts = stream::iter(parts).map(|(start, place)| {
            let (url, tag) = (&url, &tag);
            async move {
                let wanted = start..total.min(start + PART);
                let headers = [("if-match", tag.as_str()), ("range", &range(wanted.clone()))];
                let response = self.get(url, &headers, &[206]).await;
                // What the first part is of was there a moment ago.
                let response = response.map_err(|error| format!("a part of it: {error}"))?;
                Ok((start, part(response, place, wanted.len()).await?))
            }
        });
        let parts = parts.buffer_unordered(PARTS_AT_ONCE - 1).try_collect::<Vec<_>>();
        let (mut whole, mut parts) = try_join(part(first, whole, PART), parts).await?;
        parts.sort_unstable_by_key(|(start, _)| *start);
        for (_, part) in parts {
            whole.append(part);
        }
        Ok(whole.finish())
    }

    async fn object_url(&self, bucket: &str, key: &str) -> Result<String, Cause> {
        // Access points and directory buckets are signed otherwise, and other keys would have to be encoded.
        let is_plain = |text: &str, others: &[u8]| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        };
        if !is_plain(bucket, b"-.") || bucket.ends_with("--x-s3") || !is_plain(key, b"-._/") {
            return Err("the names are not plain".into());
        }
        Ok(format!("{}/{key}", self.endpoints.bucket(bucket).await?))
    }

    /// What S3 answers, with one of these statuses.
    async fn get(&self, url: &str, headers: &[(&'static str, &str)], wanted: &[u16]) -> Result<HttpResponse, Cause> {
        let call = Call {
            service: "s3",
            method: "GET",
            url,
            headers: &[headers, &[("x-amz-content-sha256", UNSIGNED)]].concat(),
            payload_hash: UNSIGNED,
        };
        let response = self.send(call, SdkBody::empty()).await?;
        let status = response.status().as_u16();
        if !wanted.contains(&status) {
            // Read to its end, so that the connection can be used again.
            ByteStream::new(response.into_body()).collect().await?;
            return Err(Refused { service: "S3", status }.into());
        }
        Ok(response)
    }
}

/// In the form of the header.
fn range(bytes: Range<usize>) -> String {
    format!("bytes={}-{}", bytes.start, bytes.end - 1)
}

fn body(response: HttpResponse) -> Body {
    let length = response.headers().get("content-length");
    Body {
        length: length.and_then(|length| length.parse().ok()),
        pieces: ByteStream::new(response.into_body()),
    }
}

/// Collects a part of an object, of so many bytes, in its place.
async fn part(response: HttpResponse, place: BytesMut, length: usize) -> Result<Checksumming, Cause> {
    let part = body(response).collect_into(place).await?;
    if part.len() == length {
        Ok(part)
    } else {
        Err("S3 gave another part than it was asked for".into())
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

    /// An object, as S3 gives it.
    #[derive(Debug, Clone)]
    struct Serving {
        object: Bytes,
        /// Whether it is another one after the first request.
        changes: bool,
        /// How many bytes each part lacks.
        lacking: usize,
        knows_ranges: bool,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Serving {
        fn new(object: impl Into<Bytes>) -> Self {
            Self {
                object: object.into(),
                changes: false,
                lacking: 0,
                knows_ranges: true,
                asked: Arc::default(),
            }
        }

        /// What comes of asking for it, and the ranges that were asked for.
        async fn get(self) -> (Result<Checksummed, Cause>, Vec<String>) {
            let calls = DirectCalls::on(SharedHttpConnector::new(self.clone()));
            let answer = calls.get_large_object("b", "k").await;
            let asked = std::mem::take(&mut *self.asked.lock().expect("no test panicked"));
            (answer, asked)
        }
    }

    impl HttpConnector for Serving {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let mut asked = self.asked.lock().expect("no test panicked");
            let tag = if self.changes && !asked.is_empty() { "2" } else { "1" };
            let range = request.headers().get("range").expect("asks for a part").to_owned();
            let bounds = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
            let (first, last) = bounds.expect("is one of bytes");
            let first: usize = first.parse().expect("is a number");
            let end = self.object.len().min(last.parse::<usize>().expect("is a number") + 1);
            asked.push(range);
            let answer = |status: u16, body: Bytes| {
                let mut response = HttpResponse::new(status.try_into().expect("is a status"), SdkBody::from(body));
                response.headers_mut().insert("etag", tag);
                response
            };
            let is_refused = request.headers().get("if-match").is_some_and(|wanted| wanted != tag);
            let response = if is_refused {
                answer(412, Bytes::new())
            } else if !self.knows_ranges {
                answer(200, self.object.clone())
            } else if first >= end {
                answer(416, Bytes::new())
            } else {
                let mut response = answer(206, self.object.slice(first..end - self.lacking));
                let range = format!("bytes {first}-{}/{}", end - 1, self.object.len());
                response.headers_mut().insert("content-range", range);
                response
            };
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    fn object(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index % 251) as u8).collect()
    }

    #[tokio::test]
    async fn a_large_object_is_put_together_of_its_parts() {
        for (length, parts) in [
            (1, 1),
            (PART - 1, 1),
            (PART, 1),
            (PART + 1, 2),
            (2 * PART, 2),
            (2 * PART + 7, 3),
        ] {
            let object = object(length);
            let (answer, asked) = Serving::new(object.clone()).get().await;
            assert!(answer.expect("is there") == Checksummed::new(object), "{length} bytes");
            let behind = (1..parts).map(|part| range(part * PART..length.min((part + 1) * PART)));
            let expected: Vec<_> = std::iter::once(range(0..PART)).chain(behind).collect();
            assert_eq!(asked, expected, "{length} bytes");
        }
    }

    #[tokio::test]
    async fn an_object_that_comes_whole_is_taken_as_it_is() {
        let object = object(PART + 1);
        let serving = Serving {
            knows_ranges: false,
            ..Serving::new(object.clone())
        };
        let (answer, asked) = serving.get().await;
        assert!(answer.expect("is there").bytes() == &object);
        assert_eq!(asked.len(), 1);
    }

    #[tokio::test]
    async fn parts_of_different_objects_are_never_put_together() {
        let changing = Serving {
            changes: true,
            ..Serving::new(object(PART + 1))
        };
        let (answer, _) = changing.get().await;
        let error = answer.expect_err("has changed");
        assert!(error.to_string().contains("412"), "{error}");
        assert_eq!(Refused::status_of(&error), None, "it is there");
        for length in [9, PART, PART + 9] {
            let cut_off = Serving {
                lacking: 1,
                ..Serving::new(object(length))
            };
            let (answer, _) = cut_off.get().await;
            let error = answer.expect_err("is cut off");
            assert!(error.to_string().contains("another part"), "{length} bytes: {error}");
        }
    }

    #[tokio::test]
    async fn an_object_without_bytes_is_left_to_the_sdk() {
        let (answer, _) = Serving::new("").get().await;
        assert_eq!(Refused::status_of(&answer.expect_err("has no part")), Some(416));
    }
}
