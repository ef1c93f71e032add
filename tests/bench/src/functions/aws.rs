//! S3 and DynamoDB on the loopback interface, over TLS, as functions find them in AWS: objects from memory, items from dynoxide.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use dynoxide::Database;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::http::{Request, respond, respond_to_head};
use crate::BenchError;
use crate::cores::leave_this_core;

const REGION: &str = "eu-west-1";
pub(super) const BUCKET: &str = "artifacts";
/// Of every object.
pub(super) const ETAG: &str = "bench";
pub(super) const FEATURE_TABLE: &str = "features";
pub(super) const RESULT_TABLE: &str = "results";

/// Where the functions find S3 and DynamoDB. It lives as long as this process.
pub(super) struct Aws {
    endpoint: String,
    authority: PathBuf,
}

struct Content {
    /// By path.
    objects: HashMap<String, Vec<u8>>,
    /// How many bytes of an object a connection gets in a second; otherwise, as many as it can take.
    pace: Option<f64>,
    database: Database,
}

impl Aws {
    /// Serves these objects by their keys, at that pace (see [`Content`]), and what is in the database. The certificate of whoever vouches for the
    /// server goes into `folder`.
    ///
    /// # Errors
    /// When the system has no port or no thread for it.
    pub(super) fn start(
        objects: HashMap<String, Vec<u8>>,
        pace: Option<f64>,
        database: Database,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let endpoint = format!("https://127.0.0.1:{}", listener.local_addr()?.port());
        let authority = folder.join("authority.pem");
        let tls = Arc::new(tls(&authority)?);
        let objects = objects.into_iter();
        let content = Arc::new(Content {
            objects: objects
                .map(|(key, object)| (format!("/{BUCKET}/{key}"), object))
                .collect(),
            pace,
            database,
        });
        thread::Builder::new().name("aws".into()).spawn(move || {
            leave_this_core();
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, content) = (Arc::clone(&tls), Arc::clone(&content));
                // A connection that breaks is one of a function that ends.
                thread::spawn(move || serve(stream, tls, &content));
            }
        })?;
        Ok(Self { endpoint, authority })
    }

    /// What a function is told of its surroundings.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let authority = self.authority.display().to_string();
        let variables = [
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLETOKEN"),
            ("AWS_ENDPOINT_URL_S3", &self.endpoint),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.endpoint),
            ("AWS_CA_BUNDLE", &authority),
            ("NODE_EXTRA_CA_CERTS", &authority),
            ("SARDONYX_ARTIFACT_BUCKET", BUCKET),
            ("SARDONYX_FEATURE_TABLE", FEATURE_TABLE),
            ("SARDONYX_RESULT_TABLE", RESULT_TABLE),
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("TZ", ":UTC"),
            ("LANG", "en_US.UTF-8"),
        ];
        variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }
}

/// A certificate for this machine, and the one of its authority in a file.
fn tls(authority: &Path) -> Result<ServerConfig, BenchError> {
    let mut params = CertificateParams::new(vec![])?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Authority of the benchmarks");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    fs::create_dir_all(authority.parent().unwrap_or(Path::new(".")))?;
    fs::write(authority, issuer.pem())?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![Ipv4Addr::LOCALHOST.to_string()])?;
    params.distinguished_name.push(DnType::CommonName, "Benchmarks");
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?)
}

fn serve(stream: TcpStream, tls: Arc<ServerConfig>, content: &Content) -> Result<(), BenchError> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, stream));
    while let Some(request) = Request::read(&mut stream)? {
        let answers = stream.get_mut();
        match request.header("x-amz-target") {
            Some(target) => {
                let operation = target.rsplit('.').next().unwrap_or_default();
                let (status, body) = dynamodb(&content.database, operation, &request.body);
                respond(
                    answers,
                    status,
                    &[("content-type", "application/x-amz-json-1.0")],
                    &body,
                )?;
            }
            None => match content.pace {
                Some(pace) => s3(content, &request, &mut Paced::new(answers, pace))?,
                None => s3(content, &request, answers)?,
            },
        }
    }
    Ok(())
}

fn s3(content: &Content, request: &Request, answers: &mut impl Write) -> io::Result<()> {
    let path = request.path.split('?').next().unwrap_or_default();
    let is_head = request.method == "HEAD";
    let Some(object) = content.objects.get(path).filter(|_| is_head || request.method == "GET") else {
        let body = b"<Error><Code>NoSuchKey</Code></Error>";
        return respond(answers, "404 Not Found", &[("content-type", "application/xml")], body);
    };
    let tag = format!("\"{ETAG}\"");
    let described = [
        ("etag", tag.as_str()),
        ("content-type", "binary/octet-stream"),
        ("last-modified", "Wed, 01 Jan 2025 00:00:00 GMT"),
    ];
    if is_head {
        return respond_to_head(answers, object.len(), &described);
    }
    let Some((first, last)) = request.header("range").and_then(|range| bounds(range, object.len())) else {
        return respond(answers, "200 OK", &described, object);
    };
    let range = format!("bytes {first}-{last}/{}", object.len());
    let headers = [&described[..], &[("content-range", range.as_str())]].concat();
    respond(answers, "206 Partial Content", &headers, &object[first..=last])
}

/// Gives what is written on at a pace.
struct Paced<'a, W> {
    inner: &'a mut W,
    /// In bytes a second.
    pace: f64,
    start: Instant,
    written: usize,
}

impl<'a, W> Paced<'a, W> {
    /// Of a record of TLS, which holds no more.
    const PIECE: usize = 16 << 10;

    fn new(inner: &'a mut W, pace: f64) -> Self {
        Self {
            inner,
            pace,
            start: Instant::now(),
            written: 0,
        }
    }
}

impl<W: Write> Write for Paced<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let due = self.start + Duration::from_secs_f64(self.written as f64 / self.pace);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let written = self.inner.write(&bytes[..bytes.len().min(Self::PIECE)])?;
        self.written += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The first and the last byte of a range such as `bytes=0-99`.
fn bounds(range: &str, len: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first = first.parse().ok().filter(|first| *first < len)?;
    Some((first, last.parse().map_or(len - 1, |last: usize| last.min(len - 1))))
}

/// An operation, without the server around it, whose time is not a function's.
fn dynamodb(database: &Database, operation: &str, body: &[u8]) -> (&'static str, Vec<u8>) {
    fn call<Request: DeserializeOwned, Answer: Serialize>(
        body: &[u8],
        call: impl FnOnce(Request) -> dynoxide::Result<Answer>,
    ) -> Result<Vec<u8>, String> {
        let request = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let answer = call(request).map_err(|error| error.to_json())?;
        serde_json::to_vec(&answer).map_err(|error| error.to_string())
    }
    let answer = match operation {
        "GetItem" => call(body, |request| database.get_item(request)),
        "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
        "PutItem" => call(body, |request| database.put_item(request)),
        "BatchExecuteStatement" => call(body, |request| database.batch_execute_statement(request)),
        "BatchWriteItem" => call(body, |request| database.batch_write_item(request)),
        "TransactWriteItems" => call(body, |request| database.transact_write_items(request)),
        other => Err(json!({"__type": "UnknownOperationException", "message": other}).to_string()),
    };
    match answer {
        Ok(body) => ("200 OK", body),
        Err(problem) => ("400 Bad Request", problem.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_with_the_object() {
        assert_eq!(bounds("bytes=0-3", 10), Some((0, 3)));
        assert_eq!(bounds("bytes=8-99", 10), Some((8, 9)));
        assert_eq!(bounds("bytes=8-", 10), Some((8, 9)));
        assert_eq!(bounds("bytes=10-11", 10), None);
    }
}
