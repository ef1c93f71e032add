//! Objects of a bucket, by path-style addresses.

use sardonyx_bench_peers::{Failure, Settings};

use crate::http::{Connection, Endpoint};
use crate::signature::{Signer, ToSign};

pub(crate) struct Bucket {
    connection: Connection,
    signer: Signer,
    name: String,
}

impl Bucket {
    pub(crate) fn connect(endpoint: Endpoint, settings: &Settings) -> Result<Self, Failure> {
        Ok(Self {
            connection: Connection::open(endpoint)?,
            signer: Signer::from_env("s3")?,
            name: settings.artifact_bucket.clone(),
        })
    }

    /// An object whose key needs no encoding in a URL.
    pub(crate) fn get(&mut self, key: &str) -> Result<&[u8], Failure> {
        let mut request = self.signer.sign(&ToSign {
            method: "GET",
            path: &format!("/{}/{key}", self.name),
            host: &self.connection.endpoint.host,
            names_hash: true,
            target: None,
            body: b"",
        })?;
        request.push_str("\r\n");
        let response = self.connection.call(request.as_bytes())?;
        response.success()?;
        Ok(response.body)
    }
}
