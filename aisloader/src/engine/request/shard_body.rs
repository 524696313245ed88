//! The bytes of a shard: a TAR whose files are pieces of the payload pool, and whose headers lie beside it.

use super::payload::{Payload, Piece};
use crate::workload::archive::Archives;
use placement::mix;
use std::ops::Range;
use std::rc::Rc;

const BLOCK_BYTES: usize = 512;
/// A TAR ends with two blocks of zeros.
const END_BYTES: usize = 2 * BLOCK_BYTES;
const FILE_MODE: u32 = 0o644;

/// Lays out a TAR with files of `sizes`. `place` says where in the pool they lie.
pub(crate) fn shard_pieces(archives: &Archives, sizes: &[u64], payload: &Payload, place: u64) -> Vec<Piece> {
    let mut beside = Vec::new();
    // Two things between the contents of two files are sent as one piece: the padding of the one, the header of the next.
    let mut between: Vec<Range<usize>> = Vec::with_capacity(sizes.len().saturating_add(1));
    let mut start = 0;
    for (number, size) in (0u64..).zip(sizes) {
        beside.extend_from_slice(header(&archives.path(number), *size).as_bytes());
        between.push(start..beside.len());
        start = beside.len();
        let padding_bytes = size.next_multiple_of(BLOCK_BYTES as u64).saturating_sub(*size);
        beside.extend((0..padding_bytes).map(|_| 0u8));
    }
    beside.resize(beside.len().saturating_add(END_BYTES), 0);
    between.push(start..beside.len());
    let beside: Rc<[u8]> = Rc::from(beside);
    let mut pieces = Vec::with_capacity(between.len().saturating_mul(2));
    let contents = sizes.iter().map(Some).chain([None]);
    for ((number, range), size) in (0u64..).zip(between).zip(contents) {
        pieces.push(Piece { bytes: Rc::clone(&beside), range });
        if let Some(size) = size {
            let contents = payload.pieces(mix(place ^ number), *size);
            pieces.extend(contents.map(|range| Piece { bytes: payload.bytes(), range }));
        }
    }
    pieces
}

fn header(path: &str, size_bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    // Cannot fail: that a path fits was checked when the flags were read, and all are equally long.
    let _ = header.set_path(path);
    header.set_size(size_bytes);
    header.set_mode(FILE_MODE);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Pool;
    use std::io::Read as _;

    #[test]
    fn a_shard_is_a_tar_with_the_files_it_shall_have() {
        let payload = Payload::new(&Pool::new(3, 0));
        let archives = Archives { prefix: "a/b/part-".into(), ..Archives::default() };
        for sizes in [vec![], vec![0], vec![1, 511, 512, 513, 1024], vec![9 << 20, 5]] {
            let pieces = shard_pieces(&archives, &sizes, &payload, 7);
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.slice().to_vec()).collect();
            assert_eq!(bytes.len() % BLOCK_BYTES, 0);
            let mut read = tar::Archive::new(bytes.as_slice());
            let mut found = Vec::new();
            for entry in read.entries().unwrap() {
                let mut entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                assert_eq!(path, format!("a/b/part-{:06}", found.len()));
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let want = payload.pieces(mix(7 ^ found.len() as u64), content.len() as u64);
                assert_eq!(
                    content,
                    want.flat_map(|range| payload.bytes()[range].to_vec()).collect::<Vec<u8>>()
                );
                found.push(content.len() as u64);
            }
            assert_eq!(found, sizes);
        }
    }
}
