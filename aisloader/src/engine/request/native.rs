//! Requests in AIStore's own protocol.

use super::call::{Call, member_of};
use crate::client::listing::Request;
use crate::engine::shared::state::Run;
use crate::settings::Config;
use crate::workload::names::{push_path_encoded, push_query_encoded};
use std::fmt::Write as _;
use wire::http1::HeadWriter;

/// The headers that every request carries.
pub(crate) struct Native {
    /// The `Authorization` header.
    authorization: Option<String>,
}

impl Native {
    pub(crate) fn new(config: &Config) -> Self {
        Self { authorization: config.token.as_ref().map(|token| format!("Bearer {token}")) }
    }

    /// Writes path and query; `name` is the object's.
    pub(crate) fn write_target(&self, run: &Run, call: &Call, name: &str, target: &mut String) {
        let bucket = &run.config.bucket;
        target.clear();
        target.push_str(if matches!(call, Call::List { .. }) { "/v1/buckets/" } else { "/v1/objects/" });
        target.push_str(&bucket.name);
        let member = member_of(&run.config, name);
        if !matches!(call, Call::List { .. }) {
            target.push('/');
            push_path_encoded(target, member.map_or(name, |(shard, _)| shard));
        }
        target.push_str("?provider=");
        target.push_str(bucket.provider);
        if let (Call::Get(_), Some((_, path))) = (call, member) {
            target.push_str("&archpath=");
            push_query_encoded(target, path);
        }
        if matches!(call, Call::Put(_)) {
            target.push_str("&skip_vc=true");
        }
        if let (Call::Put(_) | Call::Delete, Some(direct)) = (call, &run.direct) {
            // Targets take writes only from requests that a gateway has redirected; this is how those look.
            // Writing to a string cannot fail.
            let _ = write!(target, "&pid={}&utm={}", direct.primary_id, unix_ns());
        }
    }

    /// Writes the head, and the body where that is small.
    pub(crate) fn write_head(
        &self,
        config: &Config,
        call: &Call,
        head: &mut Vec<u8>,
        target: &str,
        host: &str,
        is_asked: bool,
    ) {
        head.clear();
        let mut body = Vec::new();
        let mut writer = HeadWriter::request(head, call.method().0, target, host);
        if let Some(authorization) = &self.authorization {
            writer.header("Authorization", authorization);
        }
        match call {
            Call::Get(Some(range)) => {
                // Writing to a string cannot fail.
                let mut text = String::with_capacity(48);
                let _ = write!(text, "{range}");
                writer.header("Range", &text);
            }
            // A multipart PUT is made over S3 only: the configuration sees to that.
            Call::Get(None) | Call::Head | Call::Delete | Call::Multipart(_) => {}
            Call::List { uuid, token } => {
                body.reserve(256);
                Request::new(&config.subdir_prefix(), uuid, token, config.list_page_names).write(&mut body);
                writer.header("Content-Type", "application/json").content_length(body.len() as u64);
            }
            Call::Put(object) => {
                if let Some((cksum_type, value)) = &object.cksum {
                    writer
                        .header("Ais-Checksum-Type", cksum_type.as_str())
                        .header("Ais-Checksum-Value", value);
                }
                if is_asked {
                    writer.header("Expect", "100-continue");
                }
                writer.content_length(object.size_bytes);
            }
        }
        writer.finish();
        head.extend_from_slice(&body);
    }
}

fn unix_ns() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_nanos())
}
