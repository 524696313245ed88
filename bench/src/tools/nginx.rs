//! nginx with a configuration of its own, in the foreground.

use crate::child::Guard;
use crate::error::Result;
use crate::scenario::Context;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// A running nginx that serves `WORK/nginx/files`.
pub(crate) struct Nginx {
    guard: Guard,
    pub(crate) port: u16,
}

/// The way in which the files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// From the disk past the page cache, in a pool of threads.
    Direct,
    /// From the page cache by sendfile, with open files cached; one worker on processor 0.
    Cached,
}

impl Mode {
    /// The directives that make the mode.
    pub(crate) fn directives(self) -> &'static str {
        match self {
            Self::Direct => "aio threads; directio 4k; sendfile off; output_buffers 2 512k;",
            Self::Cached => {
                "sendfile on; tcp_nopush on; open_file_cache max=10000 inactive=600s; open_file_cache_valid 600s; \
                 open_file_cache_min_uses 1;"
            }
        }
    }

    /// Workers and where they run.
    pub(crate) fn workers(self) -> String {
        match self {
            Self::Direct => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                format!("worker_processes {cores}; worker_cpu_affinity auto;")
            }
            Self::Cached => "worker_processes 1; worker_cpu_affinity 1;".to_owned(),
        }
    }
}

fn config(mode: Mode, port: u16) -> String {
    let (workers, directives) = (mode.workers(), mode.directives());
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path tmp-{kind};"));
    let temp = temp.join(" ");
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "{user}\ndaemon off;\npid nginx.pid;\nerror_log error.log;\n{workers}\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off; {temp}\n  {directives}\n  tcp_nodelay on; keepalive_requests 1000000000; \
         keepalive_timeout 600s;\n  default_type application/octet-stream;\n  \
         server {{ listen 127.0.0.1:{port}; root files; }}\n}}\n"
    )
}

impl Nginx {
    /// Starts it and waits until it takes connections.
    pub(crate) fn start(context: &Context, mode: Mode, port: u16) -> Result<Self> {
        let dir = context.work.path().join("nginx");
        fs::create_dir_all(dir.join("files")).map_err(|e| format!("nginx directory: {e}"))?;
        // A relative root would be relative to the prefix, which is this directory.
        fs::write(dir.join("nginx.conf"), config(mode, port)).map_err(|e| format!("nginx.conf: {e}"))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&dir).args(["-c", "nginx.conf", "-e", "error.log"]);
        let mut guard = Guard::spawn(&mut command, "nginx", context.work.path())?;
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            guard.check_alive().map_err(|e| format!("{e}: {}", log(&dir)))?;
            if Instant::now() > until {
                return Err("nginx does not listen after 10 s".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { guard, port })
    }

    /// Master and workers.
    pub(crate) fn group(&self) -> u32 {
        self.guard.group()
    }
}

fn log(dir: &std::path::Path) -> String {
    fs::read_to_string(dir.join("error.log")).unwrap_or_default()
}
