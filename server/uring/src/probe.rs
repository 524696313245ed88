//! The features of the running kernel, found out once at the start.

use io_uring::{IoUring, Probe, opcode};
use std::fmt;
use std::io;

/// Features found on this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Zero-copy send with a report on its use (6.2). Without it every send copies in the kernel.
    pub send_zc: bool,
    /// Fixed buffers could be set up (5.19, and enough locked memory). Without them each I/O pins its pages.
    pub registered_buffers: bool,
    /// Multishot accept (5.19).
    pub accept_multi: bool,
}

impl Features {
    pub(crate) fn probe(ring: &IoUring) -> io::Result<Self> {
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        // SOCKET arrived with 5.19, as did multishot accept, cancel by descriptor and sparse buffer tables.
        if !probe.is_supported(opcode::Socket::CODE) {
            return Err(KernelTooOld::here().into());
        }
        Ok(Self {
            send_zc: probe.is_supported(opcode::SendZc::CODE) && running_at_least((6, 2)),
            registered_buffers: true,
            accept_multi: true,
        })
    }

    /// One line for each feature that is missing, with its consequence.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut lines = Vec::new();
        if !self.send_zc {
            lines.push("SEND_ZC with usage reports is missing (Linux 6.2): sends copy in the kernel");
        }
        if !self.registered_buffers {
            lines.push(
                "buffers could not be registered (raise RLIMIT_MEMLOCK): every I/O pins its pages anew",
            );
        }
        lines
    }
}

/// For flags of an operation, which no probe shows: 6.0 and 6.1 refuse a zero-copy send that asks for a report.
fn running_at_least(wanted: (u32, u32)) -> bool {
    version_of(&rustix::system::uname().release().to_string_lossy()).is_some_and(|running| running >= wanted)
}

fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The kernel lacks what the data path is built on.
#[derive(Debug)]
pub struct KernelTooOld {
    release: String,
}

impl KernelTooOld {
    pub(crate) fn here() -> Self {
        Self { release: rustix::system::uname().release().to_string_lossy().into_owned() }
    }
}

impl fmt::Display for KernelTooOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "io_uring with SINGLE_ISSUER and DEFER_TASKRUN is needed: Linux 6.1 or newer (5.19 with back-ports), and \
             kernel.io_uring_disabled = 0; this is Linux {}",
            self.release
        )
    }
}

impl std::error::Error for KernelTooOld {}

impl From<KernelTooOld> for io::Error {
    fn from(error: KernelTooOld) -> Self {
        Self::new(io::ErrorKind::Unsupported, error)
    }
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn releases_are_read_as_distributions_write_them() {
        assert_eq!(version_of("6.1.0-28-amd64"), Some((6, 1)));
        assert_eq!(version_of("6.18.44"), Some((6, 18)));
        assert_eq!(version_of("5.14.0-503.el9"), Some((5, 14)));
        assert_eq!(version_of("6.2-rc1"), Some((6, 2)));
        assert_eq!(version_of("odd"), None);
    }
}
