//! Documents as paths and texts: `/Delete/Object/Key` and what stands there.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
use std::fmt;

/// A longer document is not read: a page of 1,000 names of 1,024 bytes, all escaped, has a third of that.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// Elements within elements.
const DEPTH_MAX: usize = 16;
/// Characters of a peer's text that are shown.
pub(super) const TEXT_CHARS_MAX: usize = 300;

/// A document that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlError(pub(super) String);

impl XmlError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for XmlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for XmlError {}

/// A thing found in a document.
pub(super) enum Found<'t> {
    /// An element begins.
    Begin,
    /// An element without others in it ends; this is its text.
    Text(&'t str),
}

/// Walks through a document. `on` gets the path of each element, prefixes of namespaces apart, and what is found there.
pub(super) fn walk(
    bytes: &[u8],
    on: &mut dyn FnMut(&str, Found<'_>) -> Result<(), XmlError>,
) -> Result<(), XmlError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(XmlError(format!("a document of {} bytes is too long", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::new("it is not UTF-8"))?;
    let mut walk = Walk { path: String::new(), names: Vec::new(), text: String::new(), is_leaf: false, on };
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut is_over = false;
    loop {
        let wrong = |e: quick_xml::Error| XmlError(e.to_string().chars().take(TEXT_CHARS_MAX).collect());
        match reader.read_event().map_err(wrong)? {
            Event::Start(_) | Event::Empty(_) if is_over => {
                return Err(XmlError::new("there are two documents"));
            }
            Event::Start(start) => walk.begin(start.local_name().into_inner())?,
            Event::Empty(start) => {
                walk.begin(start.local_name().into_inner())?;
                walk.end()?;
                is_over = walk.names.is_empty();
            }
            Event::End(_) => {
                walk.end()?;
                is_over = walk.names.is_empty();
            }
            Event::Text(part) => walk.add(&part.xml10_content())?,
            Event::CData(part) => walk.add(&part.xml10_content())?,
            Event::GeneralRef(entity) => match entity.resolve_char_ref().map_err(wrong)? {
                Some(character) => walk.add(character.encode_utf8(&mut [0; 4]))?,
                None => walk.add(
                    resolve_xml_entity(&entity)
                        .ok_or_else(|| XmlError::new("an entity that XML does not have"))?,
                )?,
            },
            Event::DocType(_) => return Err(XmlError::new("it has a document type")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if is_over => return Ok(()),
            Event::Eof => return Err(XmlError::new("it has no end")),
        }
    }
}

struct Walk<'a> {
    path: String,
    /// Where in the path each element's part begins.
    names: Vec<usize>,
    text: String,
    /// No element has begun in the last one.
    is_leaf: bool,
    on: &'a mut dyn FnMut(&str, Found<'_>) -> Result<(), XmlError>,
}

impl Walk<'_> {
    fn begin(&mut self, name: &str) -> Result<(), XmlError> {
        if self.names.len() >= DEPTH_MAX {
            return Err(XmlError::new("its elements lie too deep"));
        }
        self.names.push(self.path.len());
        self.path.push('/');
        self.path.push_str(name);
        self.text.clear();
        self.is_leaf = true;
        (self.on)(&self.path, Found::Begin)
    }

    fn end(&mut self) -> Result<(), XmlError> {
        if std::mem::take(&mut self.is_leaf) {
            (self.on)(&self.path, Found::Text(&self.text))?;
        }
        // The reader has seen to it that something has begun.
        self.path.truncate(self.names.pop().unwrap_or(0));
        self.text.clear();
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), XmlError> {
        if self.names.is_empty() && !text.trim().is_empty() {
            return Err(XmlError::new("it has text outside of its root"));
        }
        if self.is_leaf {
            self.text.push_str(text);
        }
        Ok(())
    }
}

/// The root of a document; an error in the place of another document is told as what it is.
pub(super) fn expect_root(root: &str, wanted: &str, bytes: &[u8]) -> Result<(), XmlError> {
    if root == wanted {
        return Ok(());
    }
    match super::failure::read_error(bytes) {
        Some(error) => Err(XmlError(error.to_string())),
        None => Err(XmlError(format!("it is no {wanted}"))),
    }
}

/// Reads a document whose root is `wanted`; `on` gets the paths within it, without a slash at their front.
pub(super) fn read(
    bytes: &[u8],
    wanted: &str,
    on: &mut dyn FnMut(&str, Found<'_>) -> Result<(), XmlError>,
) -> Result<(), XmlError> {
    let mut is_first = true;
    walk(bytes, &mut |path, found| {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (root, rest) = path.split_once('/').unwrap_or((path, ""));
        if std::mem::take(&mut is_first) {
            expect_root(root, wanted, bytes)?;
        }
        if rest.is_empty() { Ok(()) } else { on(rest, found) }
    })
}

/// A number; white space around it means nothing.
pub(super) fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, XmlError> {
    text.trim().parse().map_err(|_| {
        XmlError(format!("{what} {:?} is no number", text.chars().take(TEXT_CHARS_MAX).collect::<String>()))
    })
}

/// `true` or `false`.
pub(super) fn boolean(what: &str, text: &str) -> Result<bool, XmlError> {
    match text.trim() {
        text if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
        text if text.eq_ignore_ascii_case("false") || text == "0" || text.is_empty() => Ok(false),
        _ => Err(XmlError(format!("{what} is neither true nor false"))),
    }
}
