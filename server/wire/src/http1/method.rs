//! Request methods.

/// The methods the native API uses; everything else is `Other` (the text stays in `RequestHead::method_text`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Read an object or a listing.
    Get,
    /// Write an object.
    Put,
    /// Actions.
    Post,
    /// Remove.
    Delete,
    /// Properties only; the response has no body.
    Head,
    /// Change properties.
    Patch,
    /// Asks for the methods that the server supports.
    Options,
    /// Any other token.
    Other,
}

impl Method {
    /// The method named by `text`. Names are case-sensitive (RFC 9110 section 9.1): `get` is `Other`.
    pub fn from_text(text: &str) -> Self {
        match text {
            "GET" => Self::Get,
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "DELETE" => Self::Delete,
            "HEAD" => Self::Head,
            "PATCH" => Self::Patch,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}
