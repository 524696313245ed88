//! Bytes that the device below a directory has read, from `/proc/diskstats`.

use crate::error::Result;
use crate::figures::Figures;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The unit of `/proc/diskstats`, whatever the device's own.
const SECTOR_BYTES: f64 = 512.0;

/// A block device.
pub(crate) struct Device {
    major: u32,
    minor: u32,
}

impl Device {
    /// The device of the directory's file system. `None` where that has no row of its own: overlay, btrfs, tmpfs.
    pub(crate) fn of(dir: &Path) -> Result<Option<Self>> {
        let dev = fs::metadata(dir).map_err(|e| format!("{}: {e}", dir.display()))?.dev();
        let device = Self { major: rustix::fs::major(dev), minor: rustix::fs::minor(dev) };
        Ok(device.read_bytes().is_ok().then_some(device))
    }

    /// Bytes read since the machine started.
    pub(crate) fn read_bytes(&self) -> Result<f64> {
        let text = fs::read_to_string("/proc/diskstats").map_err(|e| format!("/proc/diskstats: {e}"))?;
        read_bytes(&text, self.major, self.minor)
            .ok_or_else(|| format!("/proc/diskstats lacks {}:{}", self.major, self.minor))
    }
}

/// Fields of a row: major, minor, name, reads, merged reads, sectors read.
fn read_bytes(text: &str, major: u32, minor: u32) -> Option<f64> {
    text.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = words.first()?.parse() == Ok(major) && words.get(1)?.parse() == Ok(minor);
        let sectors: f64 = words.get(5)?.parse().ok()?;
        is_it.then_some(sectors * SECTOR_BYTES)
    })
}

/// Adds what the device read for each byte of payload: above 1 when more was read than asked for, 0 when memory had it.
/// The device counts for everybody: what others read meanwhile is in it.
pub(crate) fn with_reads(
    device: Option<&Device>,
    op_bytes: usize,
    round: impl FnOnce() -> Result<Figures>,
) -> Result<Figures> {
    let Some(device) = device else { return round() };
    let before = device.read_bytes()?;
    let mut figures = round()?;
    let payload = figures.get("ops").copied().unwrap_or_default().max(1.0) * op_bytes as f64;
    let read = device.read_bytes()? - before;
    figures.insert("device_read_bytes", read);
    figures.insert("device_bytes_per_byte", read / payload);
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = " 254       0 vda 27991876 463592 3568083039 41817292 22327748 1485193\n \
                         25       40 vdb 1 2 3 4\n";

    #[test]
    fn the_row_of_the_device() {
        assert_eq!(read_bytes(TEXT, 254, 0), Some(3_568_083_039.0 * 512.0));
        assert_eq!(read_bytes(TEXT, 25, 40), Some(3.0 * 512.0));
        assert_eq!(read_bytes(TEXT, 254, 1), None);
        assert_eq!(read_bytes("254 0 vda 1 2\n", 254, 0), None);
    }

    #[test]
    fn reads_for_each_byte_of_payload() {
        let figures = with_reads(None, 4096, || Ok(Figures::from([("ops", 2.0)]))).unwrap_or_default();
        assert_eq!(figures.get("device_bytes_per_byte"), None);
    }
}
