//! A small S3 server on blocking threads that checks every signature.

use crate::signature::{check, decode, encode, header, hex};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The state that a test can look at and change.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) exists: bool,
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// Parts of uploads that are neither complete nor aborted.
    pub(crate) uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    pub(crate) uploads_begun: usize,
    pub(crate) uploads_aborted: usize,
    /// First lines of all requests.
    pub(crate) requests: Vec<String>,
    /// Codes of refused signatures.
    pub(crate) refused: Vec<&'static str>,
    /// Requests whose first line has this text are answered so: status, headers, body.
    pub(crate) failure: Option<(&'static str, u16, &'static str, &'static str)>,
}

pub(crate) struct Server {
    pub(crate) authority: String,
    pub(crate) state: Arc<Mutex<State>>,
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

struct Request {
    method: String,
    head: String,
    name: String,
    query: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Server {
    /// A server with a bucket `b`, which path-style requests name and others have in their host's name.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State { exists: true, ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || while serve(&state, &stream).is_some() {});
            }
        });
        Self { authority, state }
    }

    pub(crate) fn fill(&self, count: usize, size: usize) {
        let mut state = self.state.lock().unwrap();
        state.objects.extend((0..count).map(|n| (format!("d/o {n:05}"), vec![n as u8; size])));
    }
}

fn serve(state: &Mutex<State>, mut stream: &TcpStream) -> Option<()> {
    let (head, body) = receive(stream)?;
    let mut state = state.lock().unwrap();
    let line = head.lines().next()?.to_owned();
    state.requests.push(line.clone());
    let answer = match (check(&head, &body), state.failure) {
        (Err(code), _) => {
            state.refused.push(code);
            failure(403, code)
        }
        (Ok(()), Some((text, status, headers, body))) if line.contains(text) => {
            Answer { status, headers: headers.to_owned(), body: body.into() }
        }
        (Ok(()), _) => respond(&mut state, request(head, body)),
    };
    let has_body = !line.starts_with("HEAD");
    let mut out = format!(
        "HTTP/1.1 {} X\r\n{}Content-Length: {}\r\n\r\n",
        answer.status,
        answer.headers,
        answer.body.len()
    )
    .into_bytes();
    if has_body {
        out.extend_from_slice(&answer.body);
    }
    drop(state);
    stream.write_all(&out).ok()
}

fn request(head: String, body: Vec<u8>) -> Request {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let text = |encoded: &str| String::from_utf8(decode(encoded)).unwrap();
    let path = text(path);
    let is_virtual = header(&head, "host").unwrap().starts_with("b.");
    let name = if is_virtual { &path[1..] } else { path.strip_prefix("/b").unwrap().trim_start_matches('/') };
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (text(name), text(value))).collect();
    Request { method, name: name.to_owned(), query, body, head }
}

fn ok(body: impl Into<Vec<u8>>) -> Answer {
    Answer { status: 200, headers: String::new(), body: body.into() }
}

fn failure(status: u16, code: &str) -> Answer {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as a test</Message></Error>");
    Answer { status, headers: String::new(), body: body.into() }
}

fn respond(state: &mut State, request: Request) -> Answer {
    if request.name.is_empty() {
        return respond_bucket(state, &request);
    }
    if let Some(id) = request.query.get("uploadId") {
        return respond_upload(state, &request, id);
    }
    match request.method.as_str() {
        "PUT" => {
            state.objects.insert(request.name, request.body);
            ok("")
        }
        "POST" if request.query.contains_key("uploads") => {
            state.uploads_begun += 1;
            let id = format!("up&{}", state.uploads_begun);
            state.uploads.insert(id.clone(), BTreeMap::new());
            let id = id.replace('&', "&amp;");
            ok(format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        "DELETE" => {
            state.objects.remove(&request.name);
            Answer { status: 204, ..ok("") }
        }
        "GET" | "HEAD" => match (state.objects.get(&request.name), header(&request.head, "range")) {
            (None, _) => failure(404, "NoSuchKey"),
            (Some(body), None) => ok(body.clone()),
            (Some(body), Some(range)) => {
                let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                let to = (to + 1).min(body.len());
                let headers = format!("Content-Range: bytes {from}-{}/{}\r\n", to - 1, body.len());
                Answer { status: 206, headers, ..ok(&body[from..to]) }
            }
        },
        _ => failure(405, "MethodNotAllowed"),
    }
}

fn respond_bucket(state: &mut State, request: &Request) -> Answer {
    match request.method.as_str() {
        "PUT" => {
            state.exists = true;
            ok("")
        }
        _ if !state.exists => failure(404, "NoSuchBucket"),
        "HEAD" => ok(""),
        "GET" => ok(page(state, &request.query)),
        "POST" if request.query.contains_key("delete") && header(&request.head, "content-md5").is_some() => {
            let text = String::from_utf8(request.body.clone()).unwrap();
            for part in text.split("<Key>").skip(1) {
                state.objects.remove(part.split("</Key>").next().unwrap());
            }
            ok("<DeleteResult/>")
        }
        "DELETE" if state.objects.is_empty() => {
            state.exists = false;
            Answer { status: 204, ..ok("") }
        }
        "DELETE" => failure(409, "BucketNotEmpty"),
        _ => failure(400, "InvalidRequest"),
    }
}

fn page(state: &State, query: &BTreeMap<String, String>) -> String {
    let given = |name: &str| query.get(name).map_or("", String::as_str);
    assert_eq!((given("list-type"), given("encoding-type")), ("2", "url"));
    let size = given("max-keys").parse().unwrap_or(10usize);
    let after = given("continuation-token").strip_prefix("after=").unwrap_or_default();
    let matches = |name: &&String| name.as_str() > after && name.starts_with(given("prefix"));
    let names: Vec<&String> = state.objects.keys().filter(matches).take(size + 1).collect();
    let is_truncated = names.len() > size;
    let mut out = format!(
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{is_truncated}</IsTruncated>"
    );
    for name in names.iter().take(size) {
        out += &format!("<Contents><Key>{}</Key><Size>1</Size></Contents>", encode(name.as_bytes(), true));
    }
    if is_truncated {
        out += &format!("<NextContinuationToken>after={}</NextContinuationToken>", names[size - 1]);
    }
    out + "</ListBucketResult>"
}

fn respond_upload(state: &mut State, request: &Request, id: &str) -> Answer {
    let Some(parts) = state.uploads.get_mut(id) else { return failure(404, "NoSuchUpload") };
    match request.method.as_str() {
        "PUT" => {
            let etag = format!("ETag: \"{}\"\r\n", hex(&Sha256::digest(&request.body)));
            parts.insert(request.query["partNumber"].parse().unwrap(), request.body.clone());
            Answer { headers: etag, ..ok("") }
        }
        "POST" => {
            let wanted: String = parts
                .iter()
                .map(|(number, body)| {
                    let etag = hex(&Sha256::digest(body));
                    format!("<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>")
                })
                .collect();
            if request.body
                != format!("<CompleteMultipartUpload>{wanted}</CompleteMultipartUpload>").as_bytes()
            {
                return failure(400, "InvalidPart");
            }
            let whole: Vec<u8> = parts.values().flatten().copied().collect();
            state.uploads.remove(id);
            state.objects.insert(request.name.clone(), whole);
            ok("<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
        }
        "DELETE" => {
            state.uploads.remove(id);
            state.uploads_aborted += 1;
            Answer { status: 204, ..ok("") }
        }
        _ => failure(405, "MethodNotAllowed"),
    }
}

fn receive(mut stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut room = [0u8; 65536];
    let at = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut room) {
            Ok(0) | Err(_) => return None,
            Ok(got) => bytes.extend_from_slice(&room[..got]),
        }
    };
    let mut body = bytes.split_off(at);
    let head = String::from_utf8(bytes).ok()?;
    let length: usize = header(&head, "content-length").unwrap_or("0").parse().ok()?;
    let filled = body.len();
    body.resize(length.max(filled), 0);
    stream.read_exact(&mut body[filled..]).ok()?;
    Some((head, body))
}
