//! Writing documents.

use std::fmt::Display;
use std::fmt::Write as _;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// Appends one document to a text. Elements are closed by their names.
pub(super) struct Writer {
    out: String,
    root: &'static str,
}

impl Writer {
    /// A server's document: with a declaration and S3's namespace.
    pub(super) fn answer(root: &'static str) -> Self {
        Self { out: format!("{DECLARATION}<{root}{NAMESPACE}>"), root }
    }

    /// One without either: clients' requests, and errors, which S3 sends without a namespace.
    pub(super) fn plain(root: &'static str) -> Self {
        Self { out: format!("<{root}>"), root }
    }

    /// The same behind a declaration.
    pub(super) fn declared(root: &'static str) -> Self {
        Self { out: format!("{DECLARATION}<{root}>"), root }
    }

    /// An element with elements in it.
    pub(super) fn within(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.open(name);
        write(self);
        self.close(name);
    }

    /// An element with a text.
    pub(super) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.open(name);
        push_escaped(&mut self.out, text);
        self.close(name);
        self
    }

    /// A text of its own, in a root that has no elements.
    pub(super) fn bare(&mut self, text: &str) {
        push_escaped(&mut self.out, text);
    }

    /// An element with a value whose text needs no escapes: numbers, `true` and `false`.
    pub(super) fn value(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.open(name);
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{value}");
        self.close(name);
        self
    }

    /// An element with a text, if there is one.
    pub(super) fn optional(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            self.text(name, text);
        }
        self
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> String {
        self.close(self.root);
        self.out
    }

    fn open(&mut self, name: &str) {
        for part in ["<", name, ">"] {
            self.out.push_str(part);
        }
    }

    fn close(&mut self, name: &str) {
        for part in ["</", name, ">"] {
            self.out.push_str(part);
        }
    }
}

/// Escapes what has a meaning, a carriage return, which a reader would take for the end of a line, and what XML cannot hold
/// at all. The latter S3 writes as references too, which many readers take; whoever wants names of that kind asks for
/// `encoding-type=url`.
fn push_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest
        .find(|c: char| matches!(c, '<' | '>' | '&' | '\'' | '"') || (c < ' ' && !matches!(c, '\t' | '\n')))
    {
        let (plain, odd) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = odd.chars();
        match chars.next() {
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('&') => out.push_str("&amp;"),
            Some('\'') => out.push_str("&apos;"),
            Some('"') => out.push_str("&quot;"),
            Some(control) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "&#x{:X};", u32::from(control));
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}
