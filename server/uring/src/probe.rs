//! What the running kernel offers, found out once at the start.

use io_uring::{IoUring, Probe, opcode};
use std::fmt;
use std::io;

/// Features found on this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Zero-copy send (6.0). Without it every send copies in the kernel.
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
            send_zc: probe.is_supported(opcode::SendZc::CODE),
            registered_buffers: true,
            accept_multi: true,
        })
    }

    /// One line for each feature that is missing, with its consequence.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut lines = Vec::new();
        if !self.send_zc {
            lines.push("SEND_ZC is missing (Linux 6.0): sends copy in the kernel");
        }
        if !self.registered_buffers {
            lines.push(
                "buffers could not be registered (raise RLIMIT_MEMLOCK): every I/O pins its pages anew",
            );
        }
        lines
    }
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
