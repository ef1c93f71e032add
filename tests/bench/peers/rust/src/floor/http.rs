//! HTTP/1.1 over one blocking connection, as much of it as the services need: bodies whose length is known.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sardonyx_bench_peers::{Failure, required};

/// How much is read at once while the length of an answer is not known.
const CHUNK_BYTES: usize = 16 * 1024;

/// A service, and how it is reached.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// Name and port, as in the header `host`.
    pub(crate) host: String,
    /// `None` speaks in the clear.
    tls: Option<Arc<ClientConfig>>,
}

/// A connection that is kept, and the buffer of its answers.
pub(crate) struct Connection {
    pub(crate) endpoint: Endpoint,
    stream: Stream,
    buffer: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An answer in its connection's buffer.
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    head: &'a str,
    pub(crate) body: &'a [u8],
}

/// Trusts the certificates of `AWS_CA_BUNDLE`.
pub(crate) fn tls() -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    if let Ok(bundle) = required("AWS_CA_BUNDLE") {
        for certificate in CertificateDer::pem_file_iter(bundle)? {
            roots.add(certificate?)?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Endpoint {
    /// The endpoint whose URL is in that variable.
    pub(crate) fn from_env(variable: &str, tls: Arc<ClientConfig>) -> Result<Self, Failure> {
        let url = required(variable)?;
        let (scheme, host) = url.split_once("://").ok_or("an endpoint is no URL")?;
        Ok(Self {
            host: host.trim_end_matches('/').to_owned(),
            tls: (scheme == "https").then_some(tls),
        })
    }

    /// An endpoint that speaks in the clear.
    pub(crate) fn plain(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            tls: None,
        }
    }

    fn open(&self) -> Result<Stream, Failure> {
        let mut socket = TcpStream::connect(&self.host)?;
        socket.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Ok(Stream::Plain(socket));
        };
        let name = self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name);
        let mut session = ClientConnection::new(tls.clone(), ServerName::try_from(name.to_owned())?)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(session, socket))))
    }
}

impl Connection {
    pub(crate) fn open(endpoint: Endpoint) -> Result<Self, Failure> {
        Ok(Self {
            stream: endpoint.open()?,
            endpoint,
            buffer: vec![0; CHUNK_BYTES],
        })
    }

    /// Sends a whole request and reads the answer. A connection that the service has closed is opened again, once.
    pub(crate) fn call(&mut self, request: &[u8]) -> Result<Response<'_>, Failure> {
        let head_len = match self.exchange(request) {
            Err(error) if is_closed(&error) => {
                self.stream = self.endpoint.open()?;
                self.exchange(request)?
            }
            exchanged => exchanged?,
        };
        let (head, body) = self.buffer.split_at(head_len);
        let head = std::str::from_utf8(head)?;
        let status = head.get(9..12).ok_or("an answer has no status")?.parse()?;
        let body = &body[..content_length(head)?];
        Ok(Response { status, head, body })
    }

    /// The length of the answer's head; the body follows it in the buffer.
    fn exchange(&mut self, request: &[u8]) -> io::Result<usize> {
        self.stream.write_all(request)?;
        self.stream.flush()?;
        let mut filled = 0;
        let head_len = loop {
            if filled == self.buffer.len() {
                self.buffer.resize(2 * filled, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if let Some(end) = self.buffer[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..head_len]).map_err(|_| ErrorKind::InvalidData)?;
        let len = head_len + content_length(head)?;
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        if filled < len {
            self.stream.read_exact(&mut self.buffer[filled..len])?;
        }
        Ok(head_len)
    }
}

impl Response<'_> {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }

    /// The body of a success.
    ///
    /// # Errors
    /// Tells the status and the body of anything else.
    pub(crate) fn success(&self) -> Result<(), Failure> {
        if self.status / 100 == 2 {
            return Ok(());
        }
        Err(format!("status {}: {}", self.status, String::from_utf8_lossy(self.body)).into())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

fn content_length(head: &str) -> io::Result<usize> {
    header(head, "content-length")
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "an answer does not say its length"))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}
