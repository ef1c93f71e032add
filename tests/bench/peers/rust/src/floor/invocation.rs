//! [Lambda's Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).

use std::io::Write as _;

use sardonyx_bench_peers::Failure;

use crate::http::{Connection, Endpoint};

/// The invocations of this function, one after the other.
pub(crate) struct Invocations {
    connection: Connection,
    next: Vec<u8>,
    response: Vec<u8>,
}

impl Invocations {
    pub(crate) fn connect(host: &str) -> Result<Self, Failure> {
        let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {host}\r\n\r\n");
        Ok(Self {
            connection: Connection::open(Endpoint::plain(host))?,
            next: next.into_bytes(),
            response: Vec::new(),
        })
    }

    /// Waits for the next event; gives the invocation's id with it.
    pub(crate) fn next(&mut self) -> Result<(String, &[u8]), Failure> {
        let response = self.connection.call(&self.next)?;
        response.success()?;
        let id = response.header("lambda-runtime-aws-request-id");
        Ok((id.ok_or("an invocation has no id")?.to_owned(), response.body))
    }

    /// Answers an invocation.
    pub(crate) fn respond(&mut self, id: &str, answer: &[u8]) -> Result<(), Failure> {
        self.response.clear();
        write!(
            self.response,
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
            self.connection.endpoint.host,
            answer.len()
        )?;
        self.response.extend_from_slice(answer);
        self.connection.call(&self.response)?.success()
    }
}
