//! Control requests to S3 before and after a run: buckets, names, cleaning up.

use super::config::S3Config;
use crate::client::http::{Connection, Response, explain};
use crate::client::{ClientError, Tls};
use crate::workload::names::NameList;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use link::address::url;
use md5::{Digest, Md5};
use std::time::Duration;
use wire::s3::xml::{self, ErrorText};
use wire::s3::{Head, Signer, list_query, sha256_hex};

/// Names that one request may delete.
const BATCH_NAMES: u64 = 1000;
/// Characters of a text without form that are shown.
const TEXT_CHARS_MAX: usize = 300;

/// A connection to an endpoint.
pub struct S3Client {
    config: S3Config,
    signer: Signer,
    connection: Connection,
}

impl S3Client {
    /// A client; nothing is connected yet.
    #[must_use]
    pub fn new(config: &S3Config, timeout: Option<Duration>) -> Self {
        let signer = Signer::new(config.credentials.keys().clone(), &config.region);
        Self { config: config.clone(), signer, connection: Connection::new(timeout) }
    }

    /// The same client, speaking TLS as `tls` says.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { connection: self.connection.with_tls(tls), ..self }
    }

    /// True if the bucket exists.
    ///
    /// # Errors
    /// When the server cannot be asked, or answers neither yes nor no.
    pub fn bucket_exists(&mut self) -> Result<bool, ClientError> {
        let response = self.call("HEAD", &[], "")?;
        match response.status {
            200..300 => Ok(true),
            404 => Ok(false),
            status => Err(ClientError::new(format!(
                "{}{}",
                self.refused("looking for the bucket", &response),
                untold(status)
            ))),
        }
    }

    /// Makes the bucket; one that is the caller's already is fine.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_bucket(&mut self) -> Result<(), ClientError> {
        let body = xml::creation(&self.config.region);
        let response = self.call("PUT", &[], &body)?;
        let is_mine = xml::read_error(&response.body).is_some_and(|e| e.code == "BucketAlreadyOwnedByYou");
        if response.is_success() || is_mine {
            return Ok(());
        }
        Err(self.refused("creating the bucket", &response))
    }

    /// All names that begin with `prefix`, with the sizes of their objects.
    ///
    /// # Errors
    /// When a page cannot be had or understood.
    pub fn list(&mut self, prefix: &str) -> Result<NameList, ClientError> {
        let mut names = NameList::default();
        let mut token = String::new();
        loop {
            let page = self.page(prefix, &token)?;
            page.objects.iter().for_each(|entry| names.push_sized(&entry.key, entry.size_bytes));
            if page.next.is_empty() {
                return Ok(names);
            }
            if page.next == token {
                return Err(ClientError::new(format!(
                    "listing the bucket: the page after {token:?} leads to itself"
                )));
            }
            token = page.next;
        }
    }

    fn page(&mut self, prefix: &str, token: &str) -> Result<xml::Page, ClientError> {
        let pairs = list_query(prefix, token, 0);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = self.call("GET", &pairs, "")?;
        if !response.is_success() {
            return Err(self.refused("listing the bucket", &response));
        }
        xml::read_page(&response.body)
            .map_err(|e| ClientError::new(format!("listing the bucket: a page that is not understood: {e}")))
    }

    /// Deletes all objects whose names begin with `prefix`.
    ///
    /// # Errors
    /// When they cannot be listed, or the first one that cannot be deleted.
    pub fn delete_all(&mut self, prefix: &str) -> Result<(), ClientError> {
        let names = self.list(prefix)?;
        let mut begin = 0;
        while begin < names.len() {
            let end = begin.saturating_add(BATCH_NAMES).min(names.len());
            let batch: Vec<&str> = (begin..end).filter_map(|at| names.get(at)).collect();
            self.delete(&batch)?;
            begin = end;
        }
        Ok(())
    }

    fn delete(&mut self, names: &[&str]) -> Result<(), ClientError> {
        let response = self.call("POST", &[("delete", "")], &xml::deletion(names))?;
        if !response.is_success() {
            return Err(self.refused("deleting objects", &response));
        }
        let failed = xml::read_delete_result(&response.body)
            .map_err(|e| ClientError::new(format!("deleting objects: {e}")))?;
        match failed.first() {
            None => Ok(()),
            Some(first) => Err(ClientError::new(format!(
                "deleting objects: {} failed, the first of them {:?}: {first}",
                failed.len(),
                first.key
            ))),
        }
    }

    /// Deletes the bucket, which must be empty.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn delete_bucket(&mut self) -> Result<(), ClientError> {
        let response = self.call("DELETE", &[], "")?;
        if response.is_success() { Ok(()) } else { Err(self.refused("deleting the bucket", &response)) }
    }

    /// A request about the bucket. Bodies are small, so they are signed, and have the checksum that deletions need.
    fn call(&mut self, method: &str, pairs: &[(&str, &str)], body: &str) -> Result<Response, ClientError> {
        let endpoint = &self.config.endpoint;
        let mut target = String::new();
        endpoint.push_bucket(&mut target, pairs);
        let hash = sha256_hex(body.as_bytes());
        let md5 = BASE64_STANDARD.encode(Md5::digest(body.as_bytes()));
        let extra = [("Content-MD5", md5.as_str()), ("Content-Type", "application/xml")];
        let has_body = !body.is_empty();
        let head = Head {
            payload_hash: &hash,
            content_bytes: (has_body || method == "PUT").then_some(body.len() as u64),
            extra: if has_body { &extra } else { &[] },
            ..Head::bare(method, &target, &endpoint.host)
        };
        let mut request = Vec::with_capacity(1024);
        head.write(&mut request, &self.signer, &super::now());
        request.extend_from_slice(body.as_bytes());
        self.connection.exchange(&endpoint.address, method, &request).map_err(|e| {
            // Neither the name service nor a certificate need know the bucket as a host.
            let is_hosted = !endpoint.is_path_style && e.raw_os_error().is_none();
            let hint =
                if is_hosted { " (-s3-use-path-style puts the bucket into the path instead)" } else { "" };
            ClientError::new(format!("{method} {}{target}: {}{hint}", url(&endpoint.address), explain(&e)))
        })
    }

    fn refused(&self, doing: &str, response: &Response) -> ClientError {
        let error = xml::read_error(&response.body);
        let region = response.bucket_region.as_deref().unwrap_or_default();
        let location = response.location.as_deref().unwrap_or_default();
        ClientError::new(format!(
            "{doing}: status {}: {}",
            response.status,
            told(&response.body, error, &self.config.region, region, location)
        ))
    }
}

/// The possible meaning of an answer to HEAD, which has no text.
fn untold(status: u16) -> &'static str {
    match status {
        400 => "the name is none for a bucket, or the request is signed for another region (-s3region)",
        403 => "the server does not know the key or its secret, or the key may not see the bucket",
        _ => "",
    }
}

/// A failed answer for people: what the server says, and what to do where the request went to the wrong place.
pub(crate) fn told(
    body: &[u8],
    error: Option<ErrorText>,
    signed_region: &str,
    header_region: &str,
    location: &str,
) -> String {
    let mut text = match &error {
        Some(error) => error.to_string(),
        None => String::from_utf8_lossy(body).trim().chars().take(TEXT_CHARS_MAX).collect(),
    };
    let error = error.unwrap_or_default();
    let region = if header_region.is_empty() { error.region.as_str() } else { header_region };
    if !region.is_empty() && region != signed_region {
        text.push_str(&format!(" (the bucket is in region {region:?}, the request was signed for {signed_region:?}: -s3region={region})"));
    }
    let place = if error.endpoint.is_empty() { location } else { error.endpoint.as_str() };
    if !place.is_empty() {
        text.push_str(&format!(" (the server points to {place:?}; redirects are not followed, because signatures are bound to the host: -s3endpoint)"));
    }
    text
}
