//! Steps on a disk that a test can have fail.
//!
//! `AISNODE_ERRORS` names a file. While a line of it says `step errno`, say `batch-write 5`, that step fails with this
//! error as if the disk had said so. The file may come and go at any time, so a test arms a step when it is ready. Only
//! in builds with debug assertions; in others a step never fails here.

use std::io;

/// Passes a step that a test can name.
///
/// # Errors
/// The one that the test wants.
#[cfg(debug_assertions)]
pub fn step(name: &str) -> io::Result<()> {
    use std::sync::OnceLock;

    static ARMED: OnceLock<Option<std::ffi::OsString>> = OnceLock::new();
    let Some(path) = ARMED.get_or_init(|| std::env::var_os("AISNODE_ERRORS")) else { return Ok(()) };
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(()) };
    let errno = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    errno.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
}

/// Passes a step that a test can name.
///
/// # Errors
/// None in this build.
#[cfg(not(debug_assertions))]
pub fn step(_name: &str) -> io::Result<()> {
    Ok(())
}
