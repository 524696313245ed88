//! Our server, and what the runner asks of it.

use super::line;
use crate::Result;
use crate::child::Guard;
use crate::http::request;
use crate::scenario::Context;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

/// A running aisnode with its data under `WORK/ais`.
pub(crate) struct Node {
    guard: Guard,
    pub(crate) port: u16,
    pub(crate) line: String,
}

impl Node {
    /// Starts it on so many cores (all for `None`) and waits until it answers.
    pub(crate) fn start(context: &Context, cores: Option<usize>, port: u16) -> Result<Self> {
        let mut command = Command::new(context.options.bin.join("aisnode"));
        command.arg("--data-dir").arg(context.work.path().join("ais")).args(["--port", &port.to_string()]);
        if let Some(cores) = cores {
            command.args(["--cores", &cores.to_string()]);
        }
        let line = context.without_paths(&line(&command));
        let mut guard = Guard::spawn(&mut command, "aisnode", context.work.path())?;
        let until = Instant::now() + Duration::from_secs(30);
        while request(port, "GET", "/v1/health", "").is_err() {
            guard.check_alive()?;
            if Instant::now() > until {
                return Err("aisnode does not answer after 30 s".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { guard, port, line })
    }

    /// The process and its threads.
    pub(crate) fn group(&self) -> u32 {
        self.guard.group()
    }

    /// Makes a bucket with this level of durability.
    pub(crate) fn create_bucket(&self, name: &str, durability: &str) -> Result<()> {
        let body = json!({"action": "create-bck", "value": {"durability": durability}});
        let target = format!("/v1/buckets/{name}?provider=ais");
        request(self.port, "POST", &target, &body.to_string()).map(|_| ())
    }

    /// All names in a bucket.
    pub(crate) fn names(&self, bucket: &str) -> Result<Vec<String>> {
        let target = format!("/v1/buckets/{bucket}?provider=ais");
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let value = json!({"props": "name", "continuation_token": token});
            let body = json!({"action": "list", "value": value}).to_string();
            let text = request(self.port, "GET", &target, &body)?;
            let page: Value = serde_json::from_str(&text).map_err(|e| format!("listing: {e}"))?;
            let entries = page.get("entries").and_then(Value::as_array).into_iter().flatten();
            names.extend(entries.filter_map(|entry| entry.get("name")?.as_str()).map(str::to_owned));
            token = page.get("continuation_token").and_then(Value::as_str).unwrap_or_default().to_owned();
            if token.is_empty() {
                return Ok(names);
            }
        }
    }

    /// A counter of `/metrics`, summed over the cores.
    pub(crate) fn counter(&self, name: &str) -> Result<f64> {
        let text = request(self.port, "GET", "/metrics", "")?;
        let lines =
            text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
        let values: Vec<f64> = lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        if values.is_empty() { Err(format!("/metrics lacks {name}")) } else { Ok(values.iter().sum()) }
    }
}
