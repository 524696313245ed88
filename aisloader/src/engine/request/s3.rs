//! Requests to S3.

use super::call::Call;
use super::put_body::PutBody;
use super::room::Facts;
use crate::client::s3::{S3Config, now, told};
use crate::recorder::{ErrorKind, OpError};
use crate::settings::Config;
use wire::s3::{Head, Signer, UNSIGNED_PAYLOAD, list_query, sha256_hex, xml};

/// One core's signer and what it signs for.
pub(crate) struct S3 {
    config: S3Config,
    signer: Signer,
}

impl S3 {
    pub(crate) fn new(config: &S3Config) -> Self {
        let signer = Signer::new(config.credentials.keys().clone(), &config.region);
        Self { config: config.clone(), signer }
    }

    pub(crate) fn write_target(&self, config: &Config, call: &Call, name: &str, target: &mut String) {
        target.clear();
        let endpoint = &self.config.endpoint;
        let Call::List { token, .. } = call else { return endpoint.push_object(target, name) };
        let pairs = list_query(&config.subdir_prefix(), token, config.list_page_names);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        endpoint.push_bucket(target, &pairs);
    }

    pub(crate) fn write_head(&self, call: &Call, head: &mut Vec<u8>, target: &str) {
        head.clear();
        let bare = Head::bare(call.method().0, target, &self.config.endpoint.host);
        let at = now();
        match call {
            Call::Put(object) => with_object(bare, object).write(head, &self.signer, &at),
            Call::Get(Some(range)) => {
                let range = range.to_string();
                Head { extra: &[("Range", range.as_str())], ..bare }.write(head, &self.signer, &at);
            }
            Call::Multipart(upload) => match upload.part() {
                Some(part) => with_object(bare, part).write(head, &self.signer, &at),
                None => {
                    let body = upload.body.as_bytes();
                    let payload_hash = &sha256_hex(body);
                    let content_bytes = Some(body.len() as u64);
                    Head { payload_hash, content_bytes, ..bare }.write(head, &self.signer, &at);
                    head.extend_from_slice(body);
                }
            },
            _ => bare.write(head, &self.signer, &at),
        }
    }

    /// A failed answer. Where it says that the request went to the wrong place, so does the text.
    pub(crate) fn failure(&self, status: u16, body: &[u8], facts: &Facts) -> OpError {
        let kind = if (300..400).contains(&status) { ErrorKind::Redirect } else { ErrorKind::Status(status) };
        let region = &self.config.region;
        let text = told(body, xml::read_error(body), region, &facts.bucket_region, &facts.location);
        OpError::new(kind, text)
    }
}

fn with_object<'a>(head: Head<'a>, object: &'a PutBody) -> Head<'a> {
    let payload_hash = object.cksum.as_ref().map_or(UNSIGNED_PAYLOAD, |(_, value)| value.as_str());
    Head { payload_hash, content_bytes: Some(object.size_bytes), ..head }
}
