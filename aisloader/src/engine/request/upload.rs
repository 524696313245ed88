//! An upload in parts: what its next request is, and what its answers mean.

use super::payload::Piece;
use super::put_body::PutBody;
use crate::recorder::{ErrorKind, OpError};
use crate::settings::Config;
use std::rc::Rc;
use wire::http1::Method;
use wire::s3::push_query;
use wire::s3::xml::{self, XmlError};

/// An upload and how far it has come.
pub(crate) struct Upload {
    /// The body that is uploaded.
    pub(crate) object: PutBody,
    parts: Vec<PutBody>,
    step: Step,
    id: String,
    etags: Vec<String>,
    /// The body of the next request, unless that is a part.
    pub(crate) body: String,
}

/// The next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begin,
    Part(usize),
    Complete,
    Abort,
}

impl Upload {
    /// An upload of the run's number of parts, fewer where there are fewer bytes.
    ///
    /// Checksums of parts are not kept: unlike an object's, their start and length do not say what is in them.
    pub(crate) fn new(config: &Config, object: PutBody) -> Self {
        let part_bytes = object.size_bytes.div_ceil(u64::from(config.multipart_parts.max(1))).max(1);
        let one = |pieces: Vec<Piece>| PutBody::of(config.cksum, pieces);
        let parts = split(&object.pieces(), part_bytes).into_iter().map(one).collect();
        let (id, body) = (String::new(), String::new());
        Self { object, parts, step: Step::Begin, id, etags: Vec::new(), body }
    }

    /// The part that the next request sends.
    pub(crate) fn part(&self) -> Option<&PutBody> {
        let Step::Part(at) = self.step else { return None };
        self.parts.get(at)
    }

    /// The method of the next request.
    pub(crate) fn method(&self) -> (&'static str, Method) {
        match self.step {
            Step::Begin | Step::Complete => ("POST", Method::Post),
            Step::Part(_) => ("PUT", Method::Put),
            Step::Abort => ("DELETE", Method::Delete),
        }
    }

    /// Writes the next request's target behind the object's.
    pub(crate) fn push_query(&self, target: &mut String) {
        let id = ("uploadId", self.id.as_str());
        match self.step {
            Step::Begin => push_query(target, &[("uploads", "")]),
            Step::Part(at) => push_query(target, &[("partNumber", &at.saturating_add(1).to_string()), id]),
            Step::Complete | Step::Abort => push_query(target, &[id]),
        }
    }

    /// Takes an answer in and turns to the next request; false when there is none.
    pub(crate) fn advance(&mut self, body: &[u8], etag: &str) -> Result<bool, OpError> {
        // The status was one of success.
        let wrong = |doing: &str, e: XmlError| OpError::new(ErrorKind::Status(200), format!("{doing}: {e}"));
        match self.step {
            Step::Begin => {
                self.id = xml::read_upload_id(body).map_err(|e| wrong("beginning the upload", e))?;
                self.step = Step::Part(0);
            }
            Step::Part(_) if etag.is_empty() => {
                return Err(OpError::protocol("the part's answer has no ETag"));
            }
            Step::Part(at) => {
                self.etags.push(etag.to_owned());
                self.step = Step::Part(at.saturating_add(1));
                if self.etags.len() >= self.parts.len() {
                    self.step = Step::Complete;
                    self.body = xml::completion(&self.etags);
                }
            }
            Step::Complete => {
                xml::read_completion(body).map_err(|e| wrong("completing the upload", e))?;
                return Ok(false);
            }
            Step::Abort => return Ok(false),
        }
        Ok(true)
    }

    /// Turns to its abort; false when nothing has begun that could be aborted.
    pub(crate) fn abort(&mut self) -> bool {
        if self.id.is_empty() {
            return false;
        }
        (self.step, self.body) = (Step::Abort, String::new());
        true
    }
}

/// Cuts pieces at the ends of parts; nothing at all is one empty part.
fn split(pieces: &[Piece], part_bytes: u64) -> Vec<Vec<Piece>> {
    let (mut parts, mut part, mut room) = (Vec::new(), Vec::new(), part_bytes);
    for piece in pieces {
        let mut left = piece.range.clone();
        while !left.is_empty() {
            if room == 0 {
                parts.push(std::mem::take(&mut part));
                room = part_bytes;
            }
            let len = left.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            let end = left.start.saturating_add(len);
            part.push(Piece { bytes: Rc::clone(&piece.bytes), range: left.start..end });
            left.start = end;
            room = room.saturating_sub(len as u64);
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_pieces_in_order() {
        let bytes: Rc<[u8]> = (0..20).collect();
        let piece = |from, to| Piece { bytes: Rc::clone(&bytes), range: from..to };
        let cut = |pieces: &[Piece], part_bytes| -> Vec<Vec<u8>> {
            let parts = split(pieces, part_bytes);
            parts.iter().map(|part| part.iter().flat_map(Piece::slice).copied().collect()).collect()
        };
        assert_eq!(cut(&[piece(0, 4), piece(8, 11)], 3), [vec![0, 1, 2], vec![3, 8, 9], vec![10]]);
        assert_eq!(cut(&[piece(0, 4)], 4), [[0, 1, 2, 3]]);
        assert_eq!(cut(&[piece(0, 4)], 2), [[0, 1], [2, 3]]);
        assert_eq!(cut(&[], 1), [Vec::<u8>::new()]);
    }
}
