//! Writing heads.

use std::fmt::Display;
use std::io::Write as _;

use memchr::memchr3;

use super::facts::is_token_byte;
use super::reason::reason;

/// Appends one message head to a buffer. Whatever text it is given, it writes one head: bytes that would
/// end a line are replaced, so no caller's value can forge a header or a second message.
#[must_use = "a head is complete only after `finish`"]
pub struct HeadWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> HeadWriter<'a> {
    /// Starts a response: the status line. Codes outside 100 to 999 cannot be written and become 500.
    pub fn response(out: &'a mut Vec<u8>, status: u16) -> Self {
        let status = if (100..=999).contains(&status) { status } else { 500 };
        match status {
            // The two that carry the data path.
            200 => out.extend_from_slice(b"HTTP/1.1 200 OK\r\n"),
            206 => out.extend_from_slice(b"HTTP/1.1 206 Partial Content\r\n"),
            _ => {
                out.extend_from_slice(b"HTTP/1.1 ");
                out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
                out.push(b' ');
                out.extend_from_slice(reason(status).as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
        Self { out }
    }

    /// Starts a request: the request line and Host. `target` is already percent-encoded; bytes that cannot
    /// stand in a request line are escaped all the same.
    pub fn request(out: &'a mut Vec<u8>, method: &str, target: &str, host: &str) -> Self {
        push_token(out, method);
        out.push(b' ');
        push_target(out, target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let mut writer = Self { out };
        writer.header("Host", host);
        writer
    }

    /// Writes fields without a first line and without an end, for a head whose status is not known yet; see
    /// [`HeadWriter::append`].
    pub fn fields(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Appends what [`HeadWriter::fields`] has written.
    pub fn append(&mut self, fields: &[u8]) -> &mut Self {
        self.out.extend_from_slice(fields);
        self
    }

    /// Writes a field. CR, LF and NUL in the value become spaces; bytes that are no token become `-` in
    /// the name.
    pub fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        let value_at = self.out.len();
        self.out.extend_from_slice(value.as_bytes());
        if memchr3(b'\r', b'\n', 0, value.as_bytes()).is_some() {
            self.disarm(value_at);
        }
        self.end_line()
    }

    /// As [`HeadWriter::header`], for a value that formats itself; no intermediate string.
    pub fn header_display(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.name(name);
        let value_at = self.out.len();
        // A vector takes everything; a value whose own Display fails is cut there, still one line.
        let _ = write!(self.out, "{value}");
        self.disarm(value_at);
        self.end_line()
    }

    /// Writes a field with a decimal number.
    pub fn header_u64(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.end_line()
    }

    /// Writes Content-Length.
    pub fn content_length(&mut self, bytes: u64) -> &mut Self {
        self.out.extend_from_slice(b"Content-Length: ");
        self.out.extend_from_slice(itoa::Buffer::new().format(bytes).as_bytes());
        self.end_line()
    }

    /// Ends the head; the body follows in the buffer.
    pub fn finish(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    fn name(&mut self, name: &str) {
        push_token(self.out, name);
        self.out.extend_from_slice(b": ");
    }

    fn end_line(&mut self) -> &mut Self {
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Replaces what could end a line in the value that starts at `value_at`.
    fn disarm(&mut self, value_at: usize) {
        for byte in self.out.iter_mut().skip(value_at) {
            if matches!(*byte, b'\r' | b'\n' | 0) {
                *byte = b' ';
            }
        }
    }
}

/// Appends a method or field name.
fn push_token(out: &mut Vec<u8>, text: &str) {
    if !text.is_empty() && text.bytes().all(is_token_byte) {
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend(text.bytes().map(|byte| if is_token_byte(byte) { byte } else { b'-' }));
        // An empty name would make the line start with its colon.
        if text.is_empty() {
            out.push(b'-');
        }
    }
}

/// Appends a request target.
fn push_target(out: &mut Vec<u8>, target: &str) {
    if target.bytes().all(|byte| byte.is_ascii_graphic()) {
        out.extend_from_slice(target.as_bytes());
        return;
    }
    for byte in target.bytes() {
        if byte.is_ascii_graphic() {
            out.push(byte);
        } else {
            // A vector takes everything.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn response() {
        let text = written(|out| {
            let mut head = HeadWriter::response(out, 416);
            head.header("ETag", "\"x\"").header_u64("Ais-Version", u64::MAX).content_length(0);
            head.header_display("Content-Range", format_args!("bytes */{}", 7));
            head.finish();
        });
        assert_eq!(
            text,
            "HTTP/1.1 416 Range Not Satisfiable\r\nETag: \"x\"\r\nAis-Version: 18446744073709551615\r\n\
             Content-Length: 0\r\nContent-Range: bytes */7\r\n\r\n"
        );
        assert_eq!(written(|out| HeadWriter::response(out, 200).finish()), "HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(written(|out| HeadWriter::response(out, 299).finish()), "HTTP/1.1 299 \r\n\r\n");
        assert!(written(|out| HeadWriter::response(out, 7).finish()).starts_with("HTTP/1.1 500 "));
    }

    #[test]
    fn nothing_can_be_forged() {
        let text = written(|out| {
            let mut head = HeadWriter::request(out, "G T\r\n", "/a b\r\nX: y\u{e9}", "h\r\nEvil: 1");
            head.header("A\r\nB: c", "d\r\nE: f\0").header_display("G", "h\nI: j").header("", "v");
            head.finish();
        });
        assert_eq!(
            text,
            "G-T-- /a%20b%0D%0AX:%20y%C3%A9 HTTP/1.1\r\nHost: h  Evil: 1\r\nA--B--c: d  E: f \r\n\
             G: h I: j\r\n-: v\r\n\r\n"
        );
    }

    #[test]
    fn appends_after_what_is_there() {
        let mut out = b"\r\n\0".to_vec();
        let mut head = HeadWriter::response(&mut out, 200);
        head.header_display("A", "b\r");
        head.finish();
        assert_eq!(out, b"\r\n\0HTTP/1.1 200 OK\r\nA: b \r\n\r\n");
    }
}
