//! A file system of its own in a file, whose power can be cut. Undone when dropped.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Ends the test with a clear text when it cannot work.
pub(crate) fn require_root() {
    assert!(rustix::process::geteuid().is_root(), "this test mounts file systems: run it as root");
}

/// An image file, its loop device, and where it is mounted.
pub(crate) struct LoopFs {
    kind: &'static str,
    image: PathBuf,
    mount_options: &'static str,
    /// The report of the check that mended a copy.
    pub(crate) mended: String,
    device: Option<String>,
    mounted: bool,
    pub(crate) mount_point: PathBuf,
}

impl LoopFs {
    /// Makes and mounts a file system of `mib` MiB; the image lies in `dir`.
    pub(crate) fn new(kind: &'static str, dir: &Path, mib: u64) -> Self {
        Self::with_options(kind, dir, mib, &[])
    }

    /// The same with more words for the program that makes the file system.
    pub(crate) fn with_options(kind: &'static str, dir: &Path, mib: u64, options: &[&str]) -> Self {
        let mut this = Self::unmounted(kind, dir, mib, options);
        this.mount();
        this
    }

    /// The same, mounted with options of its own.
    pub(crate) fn mounted_with(
        kind: &'static str,
        dir: &Path,
        mib: u64,
        options: &[&str],
        mount_options: &'static str,
    ) -> Self {
        let mut this = Self::unmounted(kind, dir, mib, options);
        this.mount_options = mount_options;
        this.mount();
        this
    }

    fn unmounted(kind: &'static str, dir: &Path, mib: u64, options: &[&str]) -> Self {
        require_root();
        std::fs::create_dir_all(dir).unwrap();
        let image = dir.join(format!("{kind}.img"));
        std::fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
        let made_by: &[&str] = match kind {
            "ext4" => &["mkfs.ext4", "-q", "-m", "0"],
            "btrfs" => &["mkfs.btrfs", "-q"],
            _ => &["mkfs.xfs", "-q", "-f"],
        };
        run(made_by[0], &[&made_by[1..], options, &[&text(&image)]].concat());
        Self::over(kind, image, dir.join(format!("{kind}.mnt")))
    }

    /// An image on a loop device, not mounted yet.
    fn over(kind: &'static str, image: PathBuf, mount_point: PathBuf) -> Self {
        std::fs::create_dir_all(&mount_point).unwrap();
        let device = run("losetup", &["--find", "--show", &text(&image)]).trim().to_owned();
        // A journal that has failed must not be mended behind a test's back.
        let mount_options = if kind == "ext4" { "errors=remount-ro" } else { "defaults" };
        Self {
            kind,
            image,
            mount_options,
            mended: String::new(),
            device: Some(device),
            mounted: false,
            mount_point,
        }
    }

    /// Makes what a power cut at this moment leaves: all that has reached the device, and nothing that only the file system
    /// knows. Mounted beside the original, after the check of the file system where it has no journal.
    pub(crate) fn copy_of_device(&self, has_journal: bool) -> Self {
        let image = self.image.with_extension("copy");
        run("cp", &["--sparse=always", "--reflink=never", &text(&self.image), &text(&image)]);
        let mut copy = Self::over(self.kind, image, self.mount_point.with_extension("copy-mnt"));
        if !has_journal {
            // It mends whatever it can, and says so by its exit code.
            let device = copy.device.as_deref().unwrap();
            let checked = Command::new("e2fsck").args(["-f", "-y", device]).output().unwrap();
            copy.mended = String::from_utf8_lossy(&checked.stdout).into_owned();
        }
        copy.mount_options = if self.kind == "xfs" { "nouuid" } else { "defaults" };
        copy.mount();
        copy
    }

    pub(crate) fn mount(&mut self) {
        let device = self.device.clone().unwrap();
        run("mount", &["-t", self.kind, "-o", self.mount_options, &device, &text(&self.mount_point)]);
        self.mounted = true;
        if self.kind == "xfs" {
            // Left to itself XFS writes metadata that fail over and over, and may end with less than its log says.
            let name = device.trim_start_matches("/dev/").to_owned();
            for error in ["default", "EIO", "ENOSPC"] {
                let retries = format!("/sys/fs/xfs/{name}/error/metadata/{error}/max_retries");
                std::fs::write(&retries, "0").unwrap_or_else(|e| panic!("{retries}: {e}"));
            }
        }
    }

    /// From now on nothing reaches the disk any more, and what only lay in the journal's memory is lost.
    pub(crate) fn cut_power(&self) {
        run("xfs_io", &["-F", "-x", "-c", "shutdown", &text(&self.mount_point)]);
    }

    /// Until the result is dropped, whatever would change something on it waits.
    pub(crate) fn freeze(&self) -> Frozen {
        run("fsfreeze", &["--freeze", &text(&self.mount_point)]);
        Frozen(self.mount_point.clone())
    }

    /// Has ext4 meet an error, on which it turns read-only.
    pub(crate) fn turn_read_only(&self) {
        let device = self.device.as_deref().unwrap().trim_start_matches("/dev/");
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        std::fs::write(&trigger, "a test").unwrap_or_else(|e| panic!("{trigger}: {e}"));
    }

    /// Has the device take one page at a time. A loop device says that a larger write was done when a part of it has fitted into
    /// the file system beneath (`findings/loop-short-write.sh`), and no store can stand on a device that does.
    pub(crate) fn write_page_by_page(&self) {
        let device = self.device.as_deref().unwrap().trim_start_matches("/dev/");
        let most = format!("/sys/block/{device}/queue/max_sectors_kb");
        std::fs::write(&most, "4").unwrap_or_else(|e| panic!("{most}: {e}"));
    }

    /// Has the device end after so many MiB, with 0 after all of them again. The bytes behind are not lost.
    pub(crate) fn shrink_to(&self, mib: u64) {
        const SET: &str = "import fcntl,sys
device, size = open(sys.argv[1], 'rb'), int(sys.argv[2])
info = bytearray(fcntl.ioctl(device, 0x4c05, bytes(232)))
info[32:40] = size.to_bytes(8, 'little')
fcntl.ioctl(device, 0x4c04, bytes(info))";
        let size = (mib << 20).to_string();
        run("python3", &["-c", SET, self.device.as_deref().unwrap(), &size]);
    }

    pub(crate) fn unmount(&mut self) {
        run("umount", &[&text(&self.mount_point)]);
        self.mounted = false;
    }

    /// Mounts what has failed once more.
    pub(crate) fn mount_again(&mut self) {
        self.unmount();
        self.mount();
    }

    /// Asserts that the unmounted file system passes its own check.
    pub(crate) fn check(&self) {
        let device = self.device.as_deref().unwrap();
        match self.kind {
            "ext4" => run("e2fsck", &["-f", "-n", device]),
            _ => run("xfs_repair", &["-n", device]),
        };
    }
}

/// A file system that stands still.
pub(crate) struct Frozen(PathBuf);

impl Drop for Frozen {
    fn drop(&mut self) {
        // A frozen file system could not even be unmounted.
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.0).status();
    }
}

impl Drop for LoopFs {
    fn drop(&mut self) {
        // The test may have failed anywhere, so this goes as far as it can.
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.mount_point).status();
        }
        if let Some(device) = self.device.take() {
            let _ = Command::new("losetup").arg("-d").arg(device).status();
        }
        let _ = std::fs::remove_file(&self.image);
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Runs a tool to its end and returns what it printed.
fn run(tool: &str, args: &[&str]) -> String {
    let output = Command::new(tool)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{tool}: {e} (packages util-linux, e2fsprogs, xfsprogs)"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{tool} {args:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}
