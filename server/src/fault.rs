//! Named places where a test can have the process killed.
//!
//! `AISNODE_FAULT=name:3` kills it, as `kill -9` would, when it comes to the place `name` for the third time. Only in
//! builds with debug assertions; in others a place is nothing.

/// A place that a test can name.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("AISNODE_FAULT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    let Some((wanted, count)) = wanted else { return };
    if name == wanted && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// A place that a test can name.
#[cfg(not(debug_assertions))]
pub(crate) fn point(_name: &str) {}
