//! A mountpath stands on a file system, which decides by which flushes a change becomes durable there.
//!
//! The magic number of a file system does not tell: ext4 may have no journal, an overlay may be told to flush nothing. So
//! the mount table is asked, and for ext4 the kernel's directory of the file system. Where nothing is known, nothing is
//! assumed.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

/// The way in which a change becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One ordered journal: the flush of what was changed last makes all that was changed before durable too.
    OrderedJournal,
    /// Each file and each directory that a change rests on has to be flushed, in order.
    EachFile,
    /// The same, and then the file system as a whole: it has no journal, so a check has to mend it after a power cut, and
    /// that must know which blocks and inodes are in use.
    WholeFileSystem,
    /// No flush reaches a disk.
    Nothing,
}

impl Reach {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OrderedJournal => "ordered journal",
            Self::EachFile => "each file",
            Self::WholeFileSystem => "whole file system",
            Self::Nothing => "none",
        }
    }
}

/// The facts that are known of the file system under a mountpath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ground {
    /// As the mount table has it: `ext2`, `fuse.bindfs`.
    pub(crate) fs_type: String,
    pub(crate) reach: Reach,
    /// For the operator.
    pub(crate) remarks: Vec<&'static str>,
}

/// A line of the mount table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mount {
    fs_type: String,
    /// Options of the mount and of the file system.
    options: Vec<String>,
}

impl Mount {
    /// `36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/sda rw,errors=continue`, if it is the line of this mount.
    fn parse(line: &str, id: u64) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ');
        if mount.next()?.parse() != Ok(id) {
            return None;
        }
        let of_mount = mount.nth(4)?;
        let mut file_system = file_system.split(' ');
        let fs_type = file_system.next()?.to_owned();
        let of_file_system = file_system.nth(1).unwrap_or_default();
        let options = of_mount.split(',').chain(of_file_system.split(',')).map(str::to_owned).collect();
        Some(Self { fs_type, options })
    }

    fn has(&self, any_of: &[&str]) -> bool {
        self.options.iter().any(|option| any_of.contains(&option.as_str()))
    }
}

impl Ground {
    /// Looks at the file system of an open directory. `kind` and `device` are what `statfs` and `stat` say of it.
    ///
    /// # Errors
    /// When the directory itself cannot be looked at. What the mount table does not tell is no error.
    pub(crate) fn of(dir: BorrowedFd<'_>, kind: &str, device: u64) -> io::Result<Self> {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        let id = statx(dir, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id;
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mount = table.lines().find_map(|line| Mount::parse(line, id));
        let mount = mount.unwrap_or_else(|| Mount { fs_type: kind.to_owned(), options: Vec::new() });
        let has_journal = if mount.fs_type.starts_with("ext") { has_journal(device) } else { None };
        Ok(judge(mount, has_journal))
    }

    /// In one line.
    pub(crate) fn describe(&self) -> String {
        let remarks: String = self.remarks.iter().map(|remark| format!("; {remark}")).collect();
        format!("{}{remarks}", self.reach.name())
    }
}

/// True if an ext4 has a journal; `None` when the kernel does not say.
fn has_journal(device: u64) -> Option<bool> {
    let numbers = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let link = fs::read_link(format!("/sys/dev/block/{numbers}")).ok()?;
    let name = link.file_name()?.to_str()?.to_owned();
    let task = fs::read_to_string(format!("/sys/fs/ext4/{name}/journal_task")).ok()?;
    Some(task.trim() != "<none>")
}

fn judge(mount: Mount, has_journal: Option<bool>) -> Ground {
    use Reach::{EachFile, Nothing, OrderedJournal, WholeFileSystem};
    let (reach, remarks) = match mount.fs_type.as_str() {
        "ext2" | "ext3" | "ext4" if mount.has(&["nobarrier", "barrier=0"]) => {
            (Nothing, vec!["it is mounted without barriers: a power cut may take what was acknowledged"])
        }
        "ext3" | "ext4" if has_journal == Some(true) => (OrderedJournal, vec![]),
        "ext2" | "ext3" | "ext4" if has_journal.is_none() && mount.fs_type != "ext2" => {
            (WholeFileSystem, vec!["it cannot be told whether it has a journal"])
        }
        "ext2" | "ext3" | "ext4" => {
            (WholeFileSystem, vec!["it has no journal: after a power cut run e2fsck before it is mounted"])
        }
        "xfs" => (OrderedJournal, vec![]),
        "tmpfs" | "ramfs" => (Nothing, vec!["it lies in memory: nothing outlives a restart of the machine"]),
        "overlay" if mount.has(&["volatile"]) => {
            (Nothing, vec!["it is mounted volatile: a power cut may take what was acknowledged"])
        }
        "btrfs" if !mount.has(&["nodatasum", "nodatacow"]) => {
            (EachFile, vec!["files have checksums: direct I/O may go through the page cache"])
        }
        fuse if fuse.starts_with("fuse") => {
            (EachFile, vec!["how far a flush goes is up to the program that serves it"])
        }
        _ => (EachFile, vec![]),
    };
    Ground { fs_type: mount.fs_type, reach, remarks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(fs_type: &str, options: &str, has_journal: Option<bool>) -> Reach {
        let options = options.split(',').map(str::to_owned).collect();
        judge(Mount { fs_type: fs_type.to_owned(), options }, has_journal).reach
    }

    #[test]
    fn lines_of_the_mount_table() {
        let line = "36 35 98:0 /a /mnt/b rw,noatime master:1 shared:2 - ext4 /dev/sda rw,barrier=0";
        let mount = Mount::parse(line, 36).unwrap();
        assert_eq!(mount.fs_type, "ext4");
        assert!(mount.has(&["barrier=0"]) && mount.has(&["noatime"]) && !mount.has(&["master:1"]));
        assert_eq!(Mount::parse(line, 35), None);
        let bare = Mount::parse("27 1 0:21 / /proc rw - proc proc rw", 27).unwrap();
        assert_eq!(bare.fs_type, "proc");
        for damaged in ["", " - ", "36", "36 35 98:0 - ext4"] {
            assert_eq!(Mount::parse(damaged, 36), None, "{damaged}");
        }
    }

    #[test]
    fn only_what_is_known_to_be_ordered_is_ordered() {
        assert_eq!(reach("ext4", "rw", Some(true)), Reach::OrderedJournal);
        assert_eq!(reach("ext4", "rw", Some(false)), Reach::WholeFileSystem);
        assert_eq!(reach("ext4", "rw", None), Reach::WholeFileSystem);
        assert_eq!(reach("ext4", "rw,nobarrier", Some(true)), Reach::Nothing);
        assert_eq!(reach("ext2", "rw", Some(false)), Reach::WholeFileSystem);
        assert_eq!(reach("xfs", "rw", None), Reach::OrderedJournal);
        assert_eq!(reach("overlay", "rw", None), Reach::EachFile);
        assert_eq!(reach("overlay", "rw,volatile", None), Reach::Nothing);
        assert_eq!(reach("tmpfs", "rw", None), Reach::Nothing);
        for unknown in ["btrfs", "fuse.bindfs", "zfs", "nfs4", ""] {
            assert_eq!(reach(unknown, "rw", None), Reach::EachFile, "{unknown}");
        }
    }

    #[test]
    fn the_file_system_of_the_test_is_found() {
        let dir = uring::sys::open_dir(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        use std::os::fd::AsFd;
        let fs = uring::sys::file_system(dir.as_fd()).unwrap();
        let ground = Ground::of(dir.as_fd(), fs.kind, fs.device).unwrap();
        assert!(!ground.fs_type.is_empty() && ground.describe().starts_with(ground.reach.name()));
    }
}
