//! Shared by the HTTP/1.1 tests: the checked-in cases, a generator of nearly valid requests, and the codec
//! run over a whole message.

#![allow(dead_code, reason = "every test binary uses its own part")]

use proptest::prelude::*;
use serde::Deserialize;
use wire::http1::{ChunkStep, ChunkedDecoder, Framing, HeadError, HeadLimits, RequestHead, parse_request};

/// One case of `data/malformed_*.json`.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The status that the bytes must be refused with.
    pub(crate) status: u16,
    /// The bytes: every character is the byte with its code.
    text: String,
    /// The text that `@@` stands for.
    fill: Option<Fill>,
}

#[derive(Deserialize)]
struct Fill {
    text: String,
    times: usize,
}

impl Case {
    /// The bytes to send.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let text = match &self.fill {
            Some(fill) => self.text.replace("@@", &fill.text.repeat(fill.times)),
            None => self.text.clone(),
        };
        text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
    }
}

/// Reads a file of `tests/data`.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let path = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
}

/// A message as far as it can be compared between parsers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) minor_version: u8,
    /// Lower-case names, sorted by name; values of one name in order.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Our reading of one whole request: `None` when it is refused or unfinished.
pub(crate) fn read_message(bytes: &[u8]) -> Option<Message> {
    let head = parse_request(bytes, &HeadLimits::default()).ok()??;
    let body = read_body(&head, &bytes[head.head_bytes..])?;
    let mut headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
    headers.sort_by(|left, right| left.0.cmp(&right.0));
    Some(Message {
        method: head.method_text.to_owned(),
        path: head.path().to_owned(),
        query: head.query().to_owned(),
        minor_version: head.minor_version,
        headers,
        body,
    })
}

fn read_body(head: &RequestHead<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
    match head.framing {
        Framing::Empty => Some(Vec::new()),
        Framing::Length(length) => Some(bytes.get(..usize::try_from(length).ok()?)?.to_vec()),
        Framing::Chunked => decode_chunked(bytes).ok()?,
        Framing::UntilClose => panic!("a request is never delimited by the end of the connection"),
    }
}

/// The payload of a chunked body; `Ok(None)` when it does not end.
pub(crate) fn decode_chunked(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, HeadError> {
    let mut decoder = ChunkedDecoder::default();
    let mut payload = Vec::new();
    loop {
        match decoder.decode(bytes)? {
            ChunkStep::Data { skip, len } => {
                payload.extend_from_slice(&bytes[skip..skip + len]);
                bytes = &bytes[skip + len..];
            }
            ChunkStep::NeedMore { .. } => return Ok(None),
            ChunkStep::End { .. } => return Ok(Some(payload)),
        }
    }
}

fn pick(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(choices).prop_map(str::to_owned)
}

const TARGETS: &[&str] = &[
    "/",
    "/v1/objects/b/o",
    "/a?b=c",
    "/a%20b?x=%zz",
    "//x",
    "/?",
    "/{}|\"",
    "/\u{fc}{}|",
    "/a?\u{fc}{}|",
    "/a?\"",
    "*",
    "http://h/x?y",
    "http://h",
    "http://h?q",
    "https://h:80/",
    "http://[::1]:8/a",
    "http://u@h/",
    "x",
    "h:80",
    "/a#b",
    "/a\\b",
    "/a^b",
    "/a`b",
    "/<b>",
    "/a?'();:@&=+$,",
    "/..//./a",
];

const FIELDS: &[&str] = &[
    "Host: h",
    "Host: h:80",
    "Host:",
    "host:i",
    "Content-Length: 5",
    "Content-Length: 0",
    "content-length:5 ",
    "Content-Length: 005",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 6",
    "Transfer-Encoding: chunked",
    "transfer-encoding:\tCHUNKED ",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding:",
    "Connection: close",
    "Connection: keep-alive, x",
    "Connection: upgrade",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "Expect: tea",
    "Accept: */*",
    "X-Empty:",
    "X-Text: a\tb  c",
    "X-High: \u{fc}",
    "X Y: z",
    "X : z",
    " folded",
    ": none",
    "no colon",
    "X-Twice: 1",
    "x-twice: 2",
    "a!#$%&'*+-.^_`|~9: token",
    "Range: bytes=0-1",
];

const BODIES: &[&str] = &[
    "",
    "hello",
    "hello!",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;x=y\r\nhello\r\n0\r\n\r\n",
    "2\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhello\r\n0\r\n",
    "0\r\nA\r\n\r\n",
    "0\r\nA: b\r\n c\r\n\r\n",
    "005\r\nhello\r\n00\r\n\r\n",
    "g\r\n",
    "5\r\nhello0\r\n\r\n",
];

/// Bytes that parsers are known to disagree about.
const ODD_BYTES: &[u8] = b"\0\t\n\x0b\x0c\r !\"#%*+,-./05:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xa0\xc3\xff";

/// One change to a message.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(usize, u8),
    Insert(usize, u8),
    Delete(usize),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match *self {
            _ if bytes.is_empty() => {}
            Self::Replace(at, byte) => {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            Self::Insert(at, byte) => bytes.insert(at % bytes.len(), byte),
            Self::Delete(at) => {
                bytes.remove(at % bytes.len());
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = || prop_oneof![4 => proptest::sample::select(ODD_BYTES), 1 => any::<u8>()];
    let at = || 0_usize..600;
    prop_oneof![
        (at(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (at(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at().prop_map(Mutation::Delete),
    ]
}

/// Messages with the given start line, from valid to broken in a few places.
fn message(start_line: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let line_end = || prop_oneof![60 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("\r\r\n")];
    let lead = prop_oneof![20 => Just(""), 1 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r\n\r\n")];
    let host = prop_oneof![8 => Just("Host: h"), 1 => Just("Accept: x")];
    let fields = proptest::collection::vec((pick(FIELDS), line_end()), 0..5);
    let mutations = prop_oneof![2 => Just(Vec::new()), 3 => proptest::collection::vec(mutation(), 1..4)];
    (lead, start_line, line_end(), host, line_end(), fields, line_end(), pick(BODIES), mutations).prop_map(
        |(lead, start, end, host, host_end, fields, last_end, body, mutations)| {
            let mut text = format!("{lead}{start}{end}{host}{host_end}");
            for (field, end) in fields {
                text.push_str(&field);
                text.push_str(end);
            }
            text.push_str(last_end);
            text.push_str(&body);
            let mut bytes = text.into_bytes();
            mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
            bytes
        },
    )
}

/// Requests from valid to broken in a few places.
pub(crate) fn nearly_a_request() -> impl Strategy<Value = Vec<u8>> {
    let method =
        pick(&["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "get", "A-b~!", "G(T", ""]);
    let version = prop_oneof![
        12 => Just("HTTP/1.1"), 2 => Just("HTTP/1.0"), 1 => Just("HTTP/2.0"), 1 => Just("HTTP/1.2"), 1 => Just("HTTP/x")
    ];
    message(
        (method, pick(TARGETS), version)
            .prop_map(|(method, target, version)| format!("{method} {target} {version}")),
    )
}

/// Responses from valid to broken in a few places.
pub(crate) fn nearly_a_response() -> impl Strategy<Value = Vec<u8>> {
    message(pick(&[
        "HTTP/1.1 200 OK",
        "HTTP/1.1 206",
        "HTTP/1.1 204 ",
        "HTTP/1.0 404 Not Found",
        "HTTP/1.1 100 Continue",
        "HTTP/2 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 099 x",
        "HTTP/1.1  200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1 200 \u{fc}",
        "HTTP/1.1 304 Not Modified",
    ]))
}
