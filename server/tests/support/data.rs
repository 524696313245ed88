//! Buckets, and objects whose bytes say which they are.

use super::http::{Client, Reply};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that differ for every seed and at every place.
pub(crate) fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Content that carries its number in the first eight bytes, so that it can be told which write it came from.
pub(crate) fn numbered(seed: u64, number: u64, len: usize) -> Vec<u8> {
    let mut bytes = content(seed ^ number.rotate_left(32), len.max(8));
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// All files beneath a directory; none when it does not exist.
pub(crate) fn files_beneath(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.filter_map(Result::ok) {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                dirs.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files
}

/// A bucket by name.
#[derive(Clone, Copy)]
pub(crate) struct Bucket(pub(crate) &'static str);

impl Bucket {
    pub(crate) fn path(self) -> String {
        format!("/v1/buckets/{}", self.0)
    }

    pub(crate) fn object(self, name: &str) -> String {
        format!("/v1/objects/{}/{name}", self.0)
    }

    pub(crate) fn action(self, client: &mut Client, method: &str, body: &str) -> Reply {
        client.call(method, &self.path(), &[("Content-Type", "application/json")], body.as_bytes())
    }

    pub(crate) fn create(self, client: &mut Client) {
        let reply = self.action(client, "POST", r#"{"action":"create-bck"}"#);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    pub(crate) fn destroy(self, client: &mut Client) {
        let reply = self.action(client, "DELETE", r#"{"action":"destroy-bck"}"#);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    pub(crate) fn put(self, client: &mut Client, name: &str, bytes: &[u8]) -> Reply {
        let reply = client.put(&self.object(name), bytes);
        assert_eq!(reply.status, 200, "PUT {name}: {}", reply.text());
        reply
    }

    /// The names of all objects, in order.
    pub(crate) fn list(self, client: &mut Client) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut token = String::new();
        loop {
            let value = serde_json::json!({ "continuation_token": token, "pagesize": 1000, "flags": "0" });
            let message = serde_json::json!({ "action": "list", "value": value });
            let reply = self.action(client, "GET", &message.to_string());
            assert_eq!(reply.status, 200, "{}", reply.text());
            let page = reply.json();
            let entries = page["entries"].as_array().cloned().unwrap_or_default();
            names.extend(entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()));
            token = page["continuation_token"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                return names;
            }
        }
    }
}
