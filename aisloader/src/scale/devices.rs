//! Disks of known speed: files behind loop devices, with a file system on each.

use super::failure::{Failure, Result, at};
use super::ledger::{Ledger, Taken, Thing};
use super::process::run;
use crate::workload::random::{Stream, draw};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CHUNK_BYTES: usize = 4 << 20;
/// Bytes that the outer one of two nested file systems may use for itself.
const OUTER_SPARE_BYTES: u64 = 160 << 20;
const LIMIT: Duration = Duration::from_secs(120);

/// The layout of mountpaths on disks. All but the first are planted faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Substrate {
    /// Each mountpath on a disk of its own.
    Separate,
    /// All mountpaths are directories on one disk.
    OneDisk,
    /// A page cache lies between each mountpath and its disk.
    Cached,
    /// All disks' files lie on one outer disk.
    Outer,
}

/// A block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// `/dev/loop3`
    pub(super) path: PathBuf,
    /// `7:3`
    pub(super) number: String,
}

/// A mountpath and the device that it is throttled and metered by.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    /// The directory that the server gets.
    pub(super) mountpath: PathBuf,
    /// The file or device that fio reads.
    pub(super) raw: PathBuf,
    /// The device that is throttled and metered.
    pub(super) meter: Device,
}

/// Disks that stand, and go when this is dropped.
#[derive(Debug)]
pub(super) struct Disks {
    /// One for each mountpath.
    pub(super) list: Vec<Disk>,
    /// The disk beneath all others, with [`Substrate::Outer`].
    pub(super) outer: Option<Device>,
    _taken: Taken,
}

impl Device {
    /// Bytes read since the device came up, by the block layer.
    pub(super) fn read_bytes(&self) -> Result<f64> {
        let name = self.path.file_name().unwrap_or_default();
        let file = Path::new("/sys/block").join(name).join("stat");
        let text = fs::read_to_string(&file).map_err(at(&file))?;
        parse_stat(&text).ok_or_else(|| Failure(format!("{}: not understood", file.display())))
    }
}

/// The third field counts sectors of 512 bytes.
fn parse_stat(text: &str) -> Option<f64> {
    text.split_whitespace().nth(2)?.parse::<f64>().ok().map(|sectors| sectors * 512.0)
}

impl Disks {
    /// Different devices, in order.
    pub(super) fn meters(&self) -> Vec<&Device> {
        let mut meters: Vec<&Device> = Vec::new();
        for disk in &self.list {
            if !meters.contains(&&disk.meter) {
                meters.push(&disk.meter);
            }
        }
        meters
    }
}

/// Files of so many bytes for so many disks, fully written: reading a hole would cost nothing.
pub(super) fn write_images(dir: &Path, disks: usize, bytes: u64, interrupted: &AtomicBool) -> Result<()> {
    let space = rustix::fs::statvfs(dir).map_err(|e| at(dir)(e.into()))?;
    let (free, wanted) = (space.f_bavail.saturating_mul(space.f_frsize), bytes.saturating_mul(disks as u64));
    if free < wanted.saturating_add(wanted / 4) {
        return Err(Failure(format!(
            "{}: {} bytes are free, the disks need {wanted} and a quarter more to be safe; see -dir and -disksize",
            dir.display(),
            free
        )));
    }
    (0..disks).try_for_each(|disk| write_image(&image(dir, disk), bytes, disk as u64, interrupted))
}

fn image(dir: &Path, disk: usize) -> PathBuf {
    dir.join(format!("disk{disk}.img"))
}

fn write_image(path: &Path, bytes: u64, seed: u64, interrupted: &AtomicBool) -> Result<()> {
    let mut chunk = vec![0u8; CHUNK_BYTES];
    let mut file = File::create(path).map_err(at(path))?;
    let mut written = 0u64;
    while written < bytes {
        if interrupted.load(Ordering::Relaxed) {
            return Err(Failure::interrupted());
        }
        for (word, count) in chunk.chunks_exact_mut(8).zip(0u64..) {
            word.copy_from_slice(&draw(seed, Stream::Payload, written, count).to_le_bytes());
        }
        file.write_all(&chunk).map_err(at(path))?;
        written = written.saturating_add(chunk.len() as u64);
    }
    // Through the cache to the disk: afterwards only the loop device reads it, and that directly.
    file.sync_all().map_err(at(path))
}

/// Builds disks on the images in `dir`.
pub(super) fn build(
    ledger: &Rc<Ledger>,
    dir: &Path,
    substrate: Substrate,
    disks: usize,
    bytes: u64,
) -> Result<Disks> {
    let mut rig = Rig { taken: Taken::new(ledger), dir: dir.to_path_buf() };
    let none = AtomicBool::new(false);
    let (list, outer) = match substrate {
        Substrate::Separate => {
            let each = (0..disks).map(|disk| rig.disk(disk, &image(dir, disk)));
            (each.collect::<Result<Vec<Disk>>>()?, None)
        }
        Substrate::OneDisk => {
            let whole = rig.disk(0, &image(dir, 0))?;
            let part =
                |at: usize| Disk { mountpath: whole.mountpath.join(format!("dir{at}")), ..whole.clone() };
            ((0..disks).map(part).collect(), None)
        }
        Substrate::Cached => {
            let each = (0..disks).map(|disk| rig.cached(disk, bytes, &none));
            (each.collect::<Result<Vec<Disk>>>()?, None)
        }
        Substrate::Outer => {
            let outer = rig.disk(99, &image(dir, 0))?;
            let inner = |disk: usize| {
                let file = image(&outer.mountpath, disk);
                write_image(&file, bytes, disk as u64, &none)?;
                rig.disk(disk, &file)
            };
            ((0..disks).map(inner).collect::<Result<Vec<Disk>>>()?, Some(outer.meter))
        }
    };
    for disk in &list {
        fs::create_dir_all(&disk.mountpath).map_err(at(&disk.mountpath))?;
    }
    Ok(Disks { list, outer, _taken: rig.taken })
}

/// Bytes of the image that carries the others, for [`Substrate::Outer`].
pub(super) fn outer_bytes(disks: usize, bytes: u64) -> u64 {
    bytes.saturating_mul(disks as u64).saturating_add(bytes / 4).saturating_add(OUTER_SPARE_BYTES)
}

/// Disks being built.
struct Rig {
    taken: Taken,
    dir: PathBuf,
}

impl Rig {
    fn disk(&mut self, number: usize, image: &Path) -> Result<Disk> {
        let meter = self.attach(image, true)?;
        let mountpath = self.dir.join(format!("mp{number}"));
        self.format(&meter, &mountpath)?;
        Ok(Disk { mountpath, raw: meter.path.clone(), meter })
    }

    /// The server's file system lies in a file of the metered disk, behind a loop device that uses the page cache.
    fn cached(&mut self, number: usize, bytes: u64, interrupted: &AtomicBool) -> Result<Disk> {
        let image = image(&self.dir, number);
        let outer = self.disk(number, &image)?;
        let file = outer.mountpath.join("inner.img");
        write_image(&file, bytes.saturating_sub(OUTER_SPARE_BYTES), number as u64, interrupted)?;
        let inner = self.attach(&file, false)?;
        let mountpath = self.dir.join(format!("inner{number}"));
        self.format(&inner, &mountpath)?;
        Ok(Disk { mountpath, ..outer })
    }

    fn attach(&mut self, image: &Path, is_direct: bool) -> Result<Device> {
        let mut command = Command::new("losetup");
        command
            .args(["--find", "--show", if is_direct { "--direct-io=on" } else { "--direct-io=off" }])
            .arg(image);
        let path = PathBuf::from(run(&mut command, LIMIT, None)?.trim());
        self.taken.add(Thing::Loop { device: path.clone(), image: image.to_path_buf() })?;
        let block = Path::new("/sys/block").join(path.file_name().unwrap_or_default());
        let number = fs::read_to_string(block.join("dev")).map_err(at(&block))?.trim().to_owned();
        let direct = fs::read_to_string(block.join("loop/dio")).unwrap_or_default();
        if is_direct && direct.trim() != "1" {
            return Err(Failure(format!(
                "{}: the file system below cannot do direct I/O, so the page cache would answer",
                image.display()
            )));
        }
        Ok(Device { path, number })
    }

    fn format(&mut self, device: &Device, mountpath: &Path) -> Result<()> {
        // -K: discarding would punch holes into the image, and reading those costs nothing.
        run(Command::new("mkfs.xfs").args(["-q", "-f", "-K"]).arg(&device.path), LIMIT, None)?;
        fs::create_dir_all(mountpath).map_err(at(mountpath))?;
        self.taken.add(Thing::Mount { point: mountpath.to_path_buf() })?;
        run(
            Command::new("mount").args(["-t", "xfs", "-o", "noatime"]).arg(&device.path).arg(mountpath),
            LIMIT,
            None,
        )?;
        Ok(())
    }
}

/// Loop devices that nobody uses.
pub(super) fn free_loops() -> usize {
    let names = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let is_free = |entry: &fs::DirEntry| {
        entry.file_name().to_string_lossy().starts_with("loop")
            && !entry.path().join("loop/backing_file").exists()
    };
    names.filter(is_free).count()
}

/// Files beneath a directory.
pub(super) fn count_files(dir: &Path) -> Result<u64> {
    let mut count = 0u64;
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).map_err(at(&dir))? {
            let entry = entry.map_err(at(&dir))?;
            match entry.file_type().map_err(at(&dir))?.is_dir() {
                true => dirs.push(entry.path()),
                false => count = count.saturating_add(1),
            }
        }
    }
    Ok(count)
}

/// Ends a file system as if its disk had been pulled out.
pub(super) fn kill(disk: &Disk) -> Result<()> {
    run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&disk.mountpath), LIMIT, None).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_statistics_are_read() {
        let text = "  100  5  2048  9  0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(parse_stat(text), Some(1_048_576.0));
        assert_eq!(parse_stat("1 2"), None);
    }

    #[test]
    fn images_have_no_holes_and_files_are_counted() {
        use std::os::unix::fs::MetadataExt;
        let dir = std::env::temp_dir().join(format!("scale-images-{}", std::process::id()));
        fs::create_dir_all(dir.join("deep/er")).unwrap();
        let none = AtomicBool::new(false);
        write_images(&dir, 2, CHUNK_BYTES as u64, &none).unwrap();
        for disk in 0..2 {
            let meta = fs::metadata(image(&dir, disk)).unwrap();
            assert_eq!(meta.len(), CHUNK_BYTES as u64);
            assert!(meta.blocks() * 512 >= meta.len(), "{} blocks", meta.blocks());
        }
        assert_ne!(fs::read(image(&dir, 0)).unwrap(), fs::read(image(&dir, 1)).unwrap());
        fs::write(dir.join("deep/er/x"), "").unwrap();
        assert_eq!(count_files(&dir).unwrap(), 3);
        let refused = write_images(&dir, 1000, 1 << 50, &none).unwrap_err().to_string();
        assert!(refused.contains("-disksize"), "{refused}");
        assert!(write_images(&dir, 1, 1, &AtomicBool::new(true)).is_err(), "interrupted");
        fs::remove_dir_all(dir).unwrap();
    }
}
