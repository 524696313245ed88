//! The header fields of one message, borrowed from the receive buffer.

use std::mem::MaybeUninit;

use httparse::Header;
use smallvec::SmallVec;

/// Size of the fixed header table.
pub(super) const HEADERS_HARD_MAX: usize = 128;

/// Largest head, so that every offset in it fits 16 bits.
pub(super) const HEAD_BYTES_HARD_MAX: usize = 65_535;

/// Room for httparse to write headers into. Left uninitialised (httparse hands back only what it wrote),
/// because clearing 4 KiB costs as much as parsing a usual head.
pub(super) type Slots<'b> = [MaybeUninit<Header<'b>>; HEADERS_HARD_MAX];

/// New room for headers.
pub(super) const fn slots<'b>() -> Slots<'b> {
    [const { MaybeUninit::uninit() }; HEADERS_HARD_MAX]
}

/// Where one field lies in the head. Offsets rather than slices: an eighth of the bytes to clear and to move
/// with every parsed head, which otherwise costs as much as parsing it.
#[derive(Clone, Copy, Default)]
struct Place {
    name_at: u16,
    name_len: u16,
    value_at: u16,
    value_len: u16,
}

/// Fields that need no heap: more than any common client sends.
const INLINE_FIELDS: usize = 24;

/// The header fields in the order they arrived, without the heap for a usual head. Names compare without case.
/// Lookups are linear, which is faster than hashing for the dozen fields a real request has.
#[derive(Clone)]
pub struct Headers<'b> {
    /// The bytes that the places point into.
    head: &'b [u8],
    table: SmallVec<[Place; INLINE_FIELDS]>,
}

impl<'b> Headers<'b> {
    /// Notes where the fields that httparse found lie in `head`. `None` when they are too many or not within
    /// the first 64 KiB, which the limits rule out.
    pub(super) fn locate(head: &'b [u8], parsed: &[Header<'b>]) -> Option<Self> {
        let mut table = SmallVec::with_capacity(parsed.len());
        for header in parsed {
            let name = header.name.as_bytes();
            table.push(Place {
                name_at: offset_in(head, name)?,
                name_len: u16::try_from(name.len()).ok()?,
                value_at: offset_in(head, header.value)?,
                value_len: u16::try_from(header.value.len()).ok()?,
            });
        }
        Some(Self { head, table })
    }

    /// Every field as (name, value).
    fn fields(&self) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        let head = self.head;
        let at = move |at: u16, len: u16| {
            let start = usize::from(at);
            head.get(start..start.saturating_add(usize::from(len))).unwrap_or_default()
        };
        self.table
            .iter()
            .map(move |place| (at(place.name_at, place.name_len), at(place.value_at, place.value_len)))
    }

    /// The value of the first field called `name`, without the white space around it.
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.all(name).next()
    }

    /// As [`Headers::get`], trimmed of spaces and tabs; `None` also when the value is not UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&'b str> {
        let text = std::str::from_utf8(self.get(name)?).ok()?;
        Some(text.trim_matches([' ', '\t']))
    }

    /// The values of every field called `name`, in order.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'b [u8]> + 's {
        self.fields()
            .filter(move |(candidate, _)| candidate.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Every field as (name as sent, value), in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        // Names are tokens, so always text.
        self.fields().map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when there is no field at all.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// Where `part` starts within `whole`. An empty value that httparse did not cut out of the head has no place
/// in it; any will do.
fn offset_in(whole: &[u8], part: &[u8]) -> Option<u16> {
    if part.is_empty() {
        return Some(0);
    }
    u16::try_from(part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?).ok()
}

impl std::fmt::Debug for Headers<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs = self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)));
        out.debug_map().entries(pairs).finish()
    }
}
