//! `-readertype=file`: the payload goes through a file once, before any clock starts.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

/// Writes `bytes` to a new file in `directory` (empty: the system's place for such files), reads them back, and removes
/// the file.
pub(crate) fn through_file(bytes: &[u8], directory: &str) -> io::Result<Vec<u8>> {
    let place = if directory.is_empty() { std::env::temp_dir() } else { Path::new(directory).to_owned() };
    let mut file = tempfile::tempfile_in(&place)
        .map_err(|e| io::Error::new(e.kind(), format!("-tmpdir: {}: {e}", place.display())))?;
    file.write_all(bytes)?;
    file.rewind()?;
    let mut back = Vec::with_capacity(bytes.len());
    file.read_to_end(&mut back)?;
    Ok(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        let bytes = [7u8, 8, 9].repeat(1000);
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(through_file(&bytes, &directory.path().display().to_string()).unwrap(), bytes);
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
        assert!(through_file(&bytes, "/no/such/place").is_err());
    }
}
