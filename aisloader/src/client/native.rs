//! Control requests before and after a run: blocking sockets, one connection.

use super::http::{Connection, Response, explain};
use super::listing::{Entry, Page, Request};
use crate::workload::archive::split;
use crate::workload::names::{BucketName, NameList};
use link::{Tls, address};
use std::fmt;
use std::time::Duration;
use wire::http1::HeadWriter;

const REDIRECTS_MAX: usize = 4;

/// A control request that failed.
#[derive(Debug)]
pub struct ClientError(String);

impl fmt::Display for ClientError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for ClientError {}

impl ClientError {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

/// The facts that a listing tells about each object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Its name.
    Names,
    /// Its name and its size.
    Sizes,
    /// The names of the files in it, when it is a shard; other objects are left out.
    Members,
}

/// A connection to a gateway.
pub struct Client {
    address: String,
    token: Option<String>,
    connection: Connection,
}

impl Client {
    /// A client of the gateway at `host:port`, or with TLS at `https://host:port`; nothing is connected yet.
    #[must_use]
    pub fn new(address: &str, timeout: Option<Duration>) -> Self {
        Self { address: address.to_owned(), token: None, connection: Connection::new(timeout) }
    }

    /// The same client, speaking TLS as `tls` says.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { connection: self.connection.with_tls(tls), ..self }
    }

    /// The same client with a bearer token in every request.
    #[must_use]
    pub fn with_token(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }

    /// True if the bucket exists.
    ///
    /// # Errors
    /// When the gateway cannot be asked, or answers neither yes nor no.
    pub fn bucket_exists(&mut self, bucket: &BucketName) -> Result<bool, ClientError> {
        let response = self.call("HEAD", &bucket_target(bucket), b"")?;
        match response.status {
            200..300 => Ok(true),
            404 => Ok(false),
            _ => Err(refused("looking for the bucket", &response)),
        }
    }

    /// Makes the bucket; one that is there already is fine.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub fn create_bucket(&mut self, bucket: &BucketName) -> Result<(), ClientError> {
        self.create_bucket_with(bucket, None)
    }

    /// As [`Client::create_bucket`], with properties of the bucket as AIStore's API takes them.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub fn create_bucket_with(
        &mut self,
        bucket: &BucketName,
        props: Option<&serde_json::Value>,
    ) -> Result<(), ClientError> {
        let body = serde_json::json!({"action": "create-bck", "name": "", "value": props}).to_string();
        let response = self.call("POST", &bucket_target(bucket), body.as_bytes())?;
        match response.status {
            200..300 | 409 => Ok(()),
            _ => Err(refused("creating the bucket", &response)),
        }
    }

    /// Destroys the bucket with everything in it.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub fn destroy_bucket(&mut self, bucket: &BucketName) -> Result<(), ClientError> {
        let body = br#"{"action":"destroy-bck","name":"","value":null}"#;
        let response = self.call("DELETE", &bucket_target(bucket), body)?;
        match response.status {
            200..300 => Ok(()),
            _ => Err(refused("destroying the bucket", &response)),
        }
    }

    /// All names of the bucket that begin with `prefix`.
    ///
    /// # Errors
    /// When a page cannot be had or understood.
    pub fn list_names(&mut self, bucket: &BucketName, prefix: &str) -> Result<NameList, ClientError> {
        self.list(bucket, prefix, Detail::Names)
    }

    /// As [`Client::list_names`], with the sizes of objects if `detail` says so.
    ///
    /// # Errors
    /// When a page cannot be had or understood.
    pub fn list(
        &mut self,
        bucket: &BucketName,
        prefix: &str,
        detail: Detail,
    ) -> Result<NameList, ClientError> {
        let mut names = NameList::default();
        let request = Request::new(prefix, "", "", 0);
        let request = match detail {
            Detail::Names => request,
            Detail::Sizes => request.with_sizes(),
            Detail::Members => request.with_archives(),
        };
        self.walk(bucket, request, |entry| match detail {
            Detail::Sizes => names.push_sized(&entry.name, entry.size),
            Detail::Members if split(&entry.name).is_none() => {}
            Detail::Names | Detail::Members => names.push(&entry.name),
        })?;
        Ok(names)
    }

    /// The average bytes of the objects whose names begin with `prefix`; 0 when there are none.
    ///
    /// # Errors
    /// When a page cannot be had or understood.
    pub fn mean_size(&mut self, bucket: &BucketName, prefix: &str) -> Result<f64, ClientError> {
        let (mut count, mut bytes) = (0u64, 0u64);
        self.walk(bucket, Request::new(prefix, "", "", 0).with_sizes(), |entry| {
            (count, bytes) = (count.saturating_add(1), bytes.saturating_add(entry.size));
        })?;
        Ok(bytes as f64 / count.max(1) as f64)
    }

    /// Walks over all pages of a listing.
    fn walk(
        &mut self,
        bucket: &BucketName,
        first: Request<'_>,
        mut each: impl FnMut(&Entry),
    ) -> Result<(), ClientError> {
        let (mut uuid, mut token) = (String::new(), String::new());
        loop {
            let mut body = Vec::new();
            first.at(&uuid, &token).write(&mut body);
            let response = self.call("GET", &bucket_target(bucket), &body)?;
            if !(200..300).contains(&response.status) {
                return Err(refused("listing the bucket", &response));
            }
            let page: Page = serde_json::from_slice(&response.body).map_err(|e| {
                ClientError(format!("listing the bucket: a page that is not understood: {e}"))
            })?;
            page.entries.iter().flatten().for_each(&mut each);
            if page.continuation_token.is_empty() {
                return Ok(());
            }
            if page.continuation_token == token {
                return Err(ClientError(format!(
                    "listing the bucket: the page after {token:?} leads to itself"
                )));
            }
            (uuid, token) = (page.uuid, page.continuation_token);
        }
    }

    /// The cluster map, as JSON.
    ///
    /// # Errors
    /// When the gateway does not give it.
    pub fn cluster_map(&mut self) -> Result<Vec<u8>, ClientError> {
        let response = self.call("GET", "/v1/daemon?what=smap", b"")?;
        match response.status {
            200..300 => Ok(response.body),
            _ => Err(refused("fetching the cluster map", &response)),
        }
    }

    /// The counters of a target, as Prometheus text.
    ///
    /// # Errors
    /// When it does not give them.
    pub fn metrics(&mut self) -> Result<Vec<u8>, ClientError> {
        let response = self.call("GET", "/metrics", b"")?;
        match response.status {
            200..300 => Ok(response.body),
            _ => Err(refused("fetching the counters", &response)),
        }
    }

    /// One request and the redirects that it is sent along.
    fn call(&mut self, method: &str, target: &str, body: &[u8]) -> Result<Response, ClientError> {
        let mut target = target.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            let host = address::authority(&self.address);
            let request = request((method, &target, host), self.token.as_deref(), body);
            let response = self.connection.exchange(&self.address, method, &request).map_err(|e| {
                ClientError(format!("{method} {}{target}: {}", address::url(&self.address), explain(&e)))
            })?;
            match (response.status, &response.location) {
                (301 | 302 | 307 | 308, Some(location)) => {
                    let (to, path) =
                        address::follow(address::is_secure(&self.address), location).map_err(|why| {
                            ClientError(format!("{method} {}{target}: {why}", address::url(&self.address)))
                        })?;
                    if let Some(to) = to.filter(|to| *to != self.address) {
                        self.address = to;
                        self.connection.close();
                    }
                    target = path.to_owned();
                }
                _ => return Ok(response),
            }
        }
        Err(ClientError(format!("{method} {target}: more than {REDIRECTS_MAX} redirects")))
    }
}

fn request((method, target, host): (&str, &str, &str), token: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut head = HeadWriter::request(&mut out, method, target, host);
    if let Some(token) = token {
        head.header("Authorization", &format!("Bearer {token}"));
    }
    if !body.is_empty() {
        head.header("Content-Type", "application/json").content_length(body.len() as u64);
    }
    head.finish();
    out.extend_from_slice(body);
    out
}

fn bucket_target(bucket: &BucketName) -> String {
    format!("/v1/buckets/{}?provider={}", bucket.name, bucket.provider)
}

fn refused(doing: &str, response: &Response) -> ClientError {
    let text = String::from_utf8_lossy(&response.body);
    ClientError(format!("{doing}: status {}: {}", response.status, text.trim()))
}
