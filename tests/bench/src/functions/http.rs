//! As much of HTTP/1.1 as a server on the loopback interface needs.

use std::io::{self, BufRead, Error, ErrorKind, Write};

/// What a client asks.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// As in `GET`.
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// Reads the next request of a connection; none if it is closed.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is not HTTP.
    pub(super) fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_ascii_whitespace();
        let mut request = Self {
            method: words.next().unwrap_or_default().to_owned(),
            path: words.next().ok_or(ErrorKind::InvalidData)?.to_owned(),
            ..Self::default()
        };
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => request
                    .headers
                    .push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => break,
            }
        }
        if request.header("transfer-encoding") == Some("chunked") {
            request.body = read_chunks(stream)?;
        } else if let Some(length) = request.header("content-length") {
            request.body = vec![0; length.parse().map_err(Error::other)?];
            stream.read_exact(&mut request.body)?;
        }
        Ok(Some(request))
    }
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = vec![];
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(Error::other)?;
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        line.clear();
        stream.read_line(&mut line)?; // the end of the chunk
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Sends an answer in one piece.
///
/// # Errors
/// When the connection breaks.
pub(super) fn respond(stream: &mut impl Write, status: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    send(stream, status, body.len(), headers, body)
}

/// Answers a HEAD request for what has so many bytes.
pub(super) fn respond_to_head(stream: &mut impl Write, length: usize, headers: &[(&str, &str)]) -> io::Result<()> {
    send(stream, "200 OK", length, headers, &[])
}

fn send(stream: &mut impl Write, status: &str, length: usize, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    let mut answer = Vec::with_capacity(body.len() + 512);
    write!(answer, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n")?;
    for (name, value) in headers {
        write!(answer, "{name}: {value}\r\n")?;
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(body);
    stream.write_all(&answer)?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_with_a_length_in_chunks_or_without_a_body() {
        let mut stream = &b"GET /next?a=1 HTTP/1.1\r\nHost: here\r\n\r\n\
            POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
            POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n"[..];
        let first = Request::read(&mut stream).expect("is HTTP").expect("is there");
        assert_eq!((first.method.as_str(), first.path.as_str()), ("GET", "/next?a=1"));
        assert_eq!((first.header("host"), first.body.len()), (Some("here"), 0));
        for path in ["/a", "/b"] {
            let next = Request::read(&mut stream).expect("is HTTP").expect("is there");
            assert_eq!((next.path.as_str(), next.body.as_slice()), (path, &b"abc"[..]));
        }
        assert!(Request::read(&mut stream).expect("is closed").is_none());
    }
}
