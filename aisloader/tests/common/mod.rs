//! A small object store on blocking threads that does what a test tells it to.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The manner in which object requests are answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Manner {
    /// It answers as a store does.
    Serve,
    /// It redirects to this `host:port` or URL, without reading a body that is announced with an expectation.
    Redirect(String),
    /// It answers with this status and text.
    Fail(u16, &'static str),
    /// GET: half of the body, then the connection ends.
    HangUp,
    /// It does not answer.
    Stall,
    /// As a store does, but every connection ends after its answer, without saying so.
    CloseAfter,
    /// As a store does, with GET bodies in chunks of 1,000 bytes.
    Chunked,
    /// As a store does, with a wrong checksum.
    Lie,
    /// As a store does, after a pause.
    Slow(Duration),
    /// As a store does, but writes of objects that exist are acknowledged and forgotten.
    KeepFirst,
}

pub(crate) struct Store {
    pub(crate) objects: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) exists: Mutex<bool>,
    pub(crate) manner: Mutex<Manner>,
    pub(crate) heads: Mutex<Vec<String>>,
    /// Bodies of the requests that made the bucket.
    pub(crate) made: Mutex<Vec<serde_json::Value>>,
    pub(crate) object_requests: AtomicU64,
}

pub(crate) struct Responder {
    pub(crate) authority: String,
    pub(crate) store: Arc<Store>,
}

struct Request {
    head: String,
    method: String,
    path: String,
    body: Vec<u8>,
}

impl Responder {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let store = Arc::new(Store {
            objects: Mutex::default(),
            exists: Mutex::new(true),
            manner: Mutex::new(manner),
            heads: Mutex::default(),
            made: Mutex::default(),
            object_requests: AtomicU64::new(0),
        });
        let shared = Arc::clone(&store);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let store = Arc::clone(&shared);
                std::thread::spawn(move || while serve(&store, &stream).is_some() {});
            }
        });
        Self { authority, store }
    }

    pub(crate) fn fill(&self, count: usize, size: usize) {
        let mut objects = self.store.objects.lock().unwrap();
        for n in 0..count {
            objects.insert(format!("o{n:05}"), vec![n as u8; size]);
        }
    }

    pub(crate) fn object_requests(&self) -> u64 {
        self.store.object_requests.load(Ordering::Relaxed)
    }
}

/// One request. `None` ends the connection.
fn serve(store: &Store, mut stream: &TcpStream) -> Option<()> {
    let (head, rest) = read_head(stream)?;
    let method = head.split(' ').next()?.to_owned();
    let target = head.split(' ').nth(1)?;
    let path = target.split('?').next()?.to_owned();
    store.heads.lock().unwrap().push(head.clone());
    let is_object = path.starts_with("/v1/objects/");
    let manner = match store.manner.lock().unwrap().clone() {
        _ if !is_object => Manner::Serve,
        Manner::Redirect(to) if !to.contains("://") => Manner::Redirect(format!("http://{to}")),
        manner => manner,
    };
    let is_asked = head.contains("100-continue");
    if is_object {
        store.object_requests.fetch_add(1, Ordering::Relaxed);
    }
    if let (Manner::Redirect(to), true) = (&manner, is_asked) {
        let _ = write!(
            stream,
            "HTTP/1.1 307 X\r\nLocation: {to}{target}&pid=p1&utm=1\r\nContent-Length: 0\r\n\r\n"
        );
        return None;
    }
    if is_asked && manner != Manner::Stall {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let body = read_body(stream, &head, rest)?;
    let request = Request { method, path, body, head };
    match manner {
        Manner::Redirect(to) => {
            let status = if matches!(request.method.as_str(), "GET" | "HEAD") { 301 } else { 307 };
            reply(
                stream,
                status,
                &[("Location", format!("{to}{}", request.head.split(' ').nth(1)?))],
                if request.method == "HEAD" { b"".as_slice() } else { b"moved" },
            )
        }
        Manner::Fail(status, text) => reply(stream, status, &[], text.as_bytes()),
        Manner::HangUp => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
            None
        }
        Manner::Stall => {
            std::thread::sleep(Duration::from_secs(30));
            None
        }
        Manner::CloseAfter => {
            respond(store, stream, &request, &manner)?;
            None
        }
        Manner::Slow(pause) => {
            std::thread::sleep(pause);
            respond(store, stream, &request, &manner)
        }
        Manner::Serve | Manner::Chunked | Manner::Lie | Manner::KeepFirst => {
            respond(store, stream, &request, &manner)
        }
    }
}

fn respond(store: &Store, stream: &TcpStream, request: &Request, manner: &Manner) -> Option<()> {
    if let Some(name) = request.path.strip_prefix("/v1/objects/b/") {
        let mut objects = store.objects.lock().unwrap();
        if request.method == "PUT" {
            if *manner != Manner::KeepFirst || !objects.contains_key(name) {
                objects.insert(name.to_owned(), request.body.clone());
            }
            return reply(stream, 200, &[], b"");
        }
        if request.method == "DELETE" {
            let status = if objects.remove(name).is_some() { 200 } else { 404 };
            return reply(stream, status, &[], b"");
        }
        if let Some(path) = archpath(&request.head) {
            let found = objects.get(name).and_then(|shard| members(shard).remove(&path));
            return match found {
                Some(content) => reply(stream, 200, &[], &content),
                None => reply(stream, 404, &[], b"no such file in the archive"),
            };
        }
        let Some(body) = objects.get(name) else { return reply(stream, 404, &[], b"no such object") };
        if request.method == "HEAD" {
            return reply_head(stream, body.len());
        }
        if *manner == Manner::Chunked {
            return reply_chunked(stream, body);
        }
        let asked = request.head.lines().find_map(|line| line.strip_prefix("Range: bytes="));
        if let (Some(asked), true) = (asked, *manner != Manner::Lie) {
            return reply_range(stream, body, asked);
        }
        let mut value = wire::cksum::checksum(wire::cksum::CksumType::Xxhash, body);
        if *manner == Manner::Lie {
            value = "0123456789abcdef".into();
        }
        let headers = [("Ais-Checksum-Type", "xxhash2".to_owned()), ("Ais-Checksum-Value", value)];
        return reply(stream, 200, &headers, body);
    }
    let mut exists = store.exists.lock().unwrap();
    let action: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match (request.method.as_str(), action["action"].as_str()) {
        ("HEAD", _) => reply(stream, if *exists { 200 } else { 404 }, &[], b""),
        ("POST", Some("create-bck")) => {
            *exists = true;
            store.made.lock().unwrap().push(action);
            reply(stream, 200, &[], b"")
        }
        ("DELETE", Some("destroy-bck")) => {
            *exists = false;
            reply(stream, 200, &[], b"")
        }
        ("GET", Some("list")) => reply(stream, 200, &[], &page(store, &action["value"])),
        _ => reply(stream, 400, &[], b"not understood"),
    }
}

/// The path in an archive that a request asks for.
fn archpath(head: &str) -> Option<String> {
    let query = head.lines().next()?.split(' ').nth(1)?.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("archpath=")).map(str::to_owned)
}

/// The files of a TAR; nothing of what is none.
pub(crate) fn members(shard: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut archive = tar::Archive::new(shard);
    for entry in archive.entries().into_iter().flatten() {
        let Ok(mut entry) = entry else { return BTreeMap::new() };
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.insert(entry.path().unwrap().display().to_string(), content);
    }
    found
}

/// Names as a listing with the files of archives has them.
fn names_with_members(objects: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let mut all = objects.clone();
    for (name, body) in objects.iter().filter(|(name, _)| name.ends_with(".tar")) {
        all.extend(members(body).into_iter().map(|(path, content)| (format!("{name}/{path}"), content)));
    }
    all
}

fn page(store: &Store, message: &serde_json::Value) -> Vec<u8> {
    let mut objects = store.objects.lock().unwrap().clone();
    if message["flags"].as_str().unwrap().parse::<u64>().unwrap() & 8 != 0 {
        objects = names_with_members(&objects);
    }
    let (token, prefix) =
        (message["continuation_token"].as_str().unwrap(), message["prefix"].as_str().unwrap());
    let size = match message["pagesize"].as_u64().unwrap() {
        0 => 7,
        size => size as usize,
    };
    let after =
        objects.range(token.to_owned()..).filter(|(name, _)| token.is_empty() || name.as_str() != token);
    let found: Vec<_> = after.filter(|(name, _)| name.starts_with(prefix)).take(size).collect();
    let next = if found.len() == size { found.last().map_or("", |(name, _)| name.as_str()) } else { "" };
    let entry = |(name, body): &(&String, &Vec<u8>)| serde_json::json!({"name": name, "size": body.len().to_string(), "flags": 64});
    let entries: Vec<_> = found.iter().map(entry).collect();
    serde_json::json!({"uuid": "Listing123", "continuation_token": next, "entries": entries, "flags": 0})
        .to_string()
        .into_bytes()
}

fn reply(mut stream: &TcpStream, status: u16, headers: &[(&str, String)], body: &[u8]) -> Option<()> {
    let mut out = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        write!(out, "{name}: {value}\r\n").unwrap();
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    stream.write_all(&out).ok()
}

fn reply_range(stream: &TcpStream, body: &[u8], asked: &str) -> Option<()> {
    let (first, last) = asked.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let last = last.parse().unwrap_or(usize::MAX).min(body.len().wrapping_sub(1));
    match body.get(first..=last) {
        Some(part) if !part.is_empty() => {
            let range = format!("bytes {first}-{last}/{}", body.len());
            reply(stream, 206, &[("Content-Range", range)], part)
        }
        _ => reply(stream, 416, &[("Content-Range", format!("bytes */{}", body.len()))], b"no such range"),
    }
}

/// Announces a body, as the answer to HEAD does, and sends none.
fn reply_head(mut stream: &TcpStream, body_bytes: usize) -> Option<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {body_bytes}\r\n\r\n").ok()
}

fn reply_chunked(mut stream: &TcpStream, body: &[u8]) -> Option<()> {
    let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(1000) {
        write!(out, "{:x}\r\n", chunk.len()).unwrap();
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    stream.write_all(&out).ok()
}

fn read_head(mut stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut room = [0u8; 65536];
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Some((String::from_utf8(bytes).ok()?, rest));
        }
        match stream.read(&mut room) {
            Ok(0) | Err(_) => return None,
            Ok(got) => bytes.extend_from_slice(&room[..got]),
        }
    }
}

fn read_body(mut stream: &TcpStream, head: &str, mut body: Vec<u8>) -> Option<Vec<u8>> {
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or("0");
    let length: usize = length.trim().parse().ok()?;
    let filled = body.len();
    body.resize(length.max(filled), 0);
    stream.read_exact(&mut body[filled..]).ok()?;
    Some(body)
}
