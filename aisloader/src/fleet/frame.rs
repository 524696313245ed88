//! Frames: four bytes of length, then so many bytes. The reader is a pure function of the bytes, and never holds more
//! than one frame and what came along with it.

/// Bytes of the length.
const LENGTH_BYTES: usize = 4;

/// A frame that is longer than is allowed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong {
    /// The length that it announces.
    pub(super) len: u32,
}

/// Bytes that have come, cut into frames.
#[derive(Debug)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Frames {
    /// Frames of at most so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max }
    }

    /// Other bounds hold from the next frame on.
    pub(super) fn set_bound(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Adds bytes that have come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, when all of it is here. A frame that is too long is seen by its first four bytes.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let Some(length) = self.bytes.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let len = u32::from_be_bytes(*length);
        let Some(len_bytes) = usize::try_from(len).ok().filter(|len| *len <= self.bytes_max) else {
            return Err(TooLong { len });
        };
        let end = LENGTH_BYTES.saturating_add(len_bytes);
        let Some(frame) = self.bytes.get(LENGTH_BYTES..end).map(<[u8]>::to_vec) else { return Ok(None) };
        self.bytes.drain(..end);
        Ok(Some(frame))
    }
}

/// The frame that has these parts in it, one after another; `None` when its length has no room in four bytes.
pub(super) fn framed(parts: &[&[u8]]) -> Option<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = u32::try_from(len).ok()?.to_be_bytes().to_vec();
    parts.iter().for_each(|part| out.extend_from_slice(part));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: usize = 100;

    proptest! {
        #[test]
        fn frames_come_back_however_they_are_cut(
            all in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=MAX), 0..10),
            step in 1usize..50,
        ) {
            let bytes: Vec<u8> = all.iter().flat_map(|one| framed(&[one]).unwrap()).collect();
            let mut frames = Frames::new(MAX);
            let mut got = Vec::new();
            for part in bytes.chunks(step) {
                frames.push(part);
                while let Some(frame) = frames.next().unwrap() {
                    got.push(frame);
                }
                prop_assert!(frames.bytes.len() < LENGTH_BYTES + MAX + step);
            }
            prop_assert_eq!(got, all);
        }

        #[test]
        fn any_bytes_are_frames_or_too_long(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut frames = Frames::new(MAX);
            frames.push(&bytes);
            let mut seen = 0;
            while let Ok(Some(frame)) = frames.next() {
                prop_assert!(frame.len() <= MAX);
                seen += LENGTH_BYTES + frame.len();
            }
            prop_assert!(seen <= bytes.len());
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_comes() {
        let mut frames = Frames::new(MAX);
        frames.push(&101u32.to_be_bytes());
        assert_eq!(frames.next(), Err(TooLong { len: 101 }));
        let mut frames = Frames::new(MAX);
        frames.push(&100u32.to_be_bytes());
        assert_eq!(frames.next(), Ok(None));
        frames.set_bound(5);
        assert_eq!(frames.next(), Err(TooLong { len: 100 }));
    }
}
