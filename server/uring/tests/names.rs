//! Names that try to lead out of their directory, and the plain calls beside the ring.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may fail loudly, their helpers too")]

mod common;

use common::{disk_dir, open};
use std::os::fd::{AsFd, OwnedFd};
use uring::{DirectFile, OpenMode, sys};

/// A root with a secret beside it, a link to the secret and a link to the directory above.
fn root_with_traps() -> (tempfile::TempDir, OwnedFd) {
    let dir = disk_dir();
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(dir.path().join("secret"), b"secret").unwrap();
    std::fs::write(root.join("inside"), b"inside").unwrap();
    std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
    std::os::unix::fs::symlink("..", root.join("up")).unwrap();
    std::os::unix::fs::symlink("inside", root.join("harmless")).unwrap();
    let fd = sys::open_dir(&root).unwrap();
    (dir, fd)
}

/// Paths by which `secret` would be reached.
fn escapes(dir: &tempfile::TempDir, target: &str) -> Vec<String> {
    let absolute = dir.path().join(target).to_str().unwrap().to_owned();
    vec![format!("../{target}"), format!("sub/../../{target}"), format!("up/{target}"), absolute]
}

#[test]
fn files_do_not_open_outside() {
    let (dir, root) = root_with_traps();
    for path in escapes(&dir, "secret").into_iter().chain(["link".into(), "harmless".into()]) {
        for mode in [OpenMode::Read, OpenMode::Write] {
            assert!(DirectFile::open(root.as_fd(), &path, mode).is_err(), "{path}");
        }
    }
    for path in escapes(&dir, "new") {
        assert!(DirectFile::open(root.as_fd(), &path, OpenMode::CreateNew).is_err(), "{path}");
    }
    assert!(!dir.path().join("new").exists());
    assert!(DirectFile::open(root.as_fd(), "inside", OpenMode::Read).is_ok());
    assert!(DirectFile::open(root.as_fd(), "inside", OpenMode::CreateNew).is_err(), "it is there");
}

#[test]
fn directories_are_neither_opened_nor_made_nor_removed_outside() {
    let (dir, root) = root_with_traps();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    for path in escapes(&dir, "empty") {
        assert!(sys::open_dir_beneath(root.as_fd(), &path).is_err(), "{path}");
        assert!(sys::remove_dir_beneath(root.as_fd(), &path).is_err(), "{path}");
    }
    for path in escapes(&dir, "made").into_iter().flat_map(|p| [format!("{p}/deeper"), p]) {
        assert!(sys::make_dirs_beneath(root.as_fd(), &path).is_err(), "{path}");
    }
    assert!(dir.path().join("empty").exists());
    assert!(!dir.path().join("made").exists());
}

#[test]
fn files_are_neither_removed_nor_renamed_outside() {
    let (dir, root) = root_with_traps();
    for path in escapes(&dir, "secret") {
        assert!(sys::unlink_beneath(root.as_fd(), &path).is_err(), "{path}");
        assert!(sys::rename_beneath(root.as_fd(), &path, "stolen").is_err(), "{path}");
        assert!(sys::rename_beneath(root.as_fd(), "inside", &path).is_err(), "{path}");
    }
    for bad in ["..", ".", "", "sub/..", "sub/"] {
        assert!(sys::rename_beneath(root.as_fd(), "inside", bad).is_err(), "{bad:?}");
    }
    assert_eq!(std::fs::read(dir.path().join("secret")).unwrap(), b"secret");
    // A link itself may go; what it leads to stays.
    sys::unlink_beneath(root.as_fd(), "link").unwrap();
    sys::rename_beneath(root.as_fd(), "inside", "sub/moved").unwrap();
    assert_eq!(std::fs::read(dir.path().join("root/sub/moved")).unwrap(), b"inside");
    sys::unlink_beneath(root.as_fd(), "sub/moved").unwrap();
}

#[test]
fn directories_are_made_with_all_above_them() {
    let (_dir, root) = root_with_traps();
    for path in ["a", "b/c/d", "b/c/d", "b/c/e/", "sub/x"] {
        sys::make_dirs_beneath(root.as_fd(), path).unwrap();
        assert!(sys::open_dir_beneath(root.as_fd(), path).is_ok(), "{path}");
    }
    assert!(sys::make_dirs_beneath(root.as_fd(), "inside/x").is_err(), "a file is in the way");
    sys::remove_dir_beneath(root.as_fd(), "b/c/d").unwrap();
    assert!(sys::remove_dir_beneath(root.as_fd(), "b").is_err(), "not empty");
}

#[test]
fn extended_attributes_of_every_size() {
    let (_dir, root) = root_with_traps();
    let file = DirectFile::open(root.as_fd(), "inside", OpenMode::Write).unwrap();
    let fd = file.fd().as_fd();
    assert_eq!(sys::get_xattr(fd, "user.sl").unwrap(), None);
    for len in [0, 1, 100, 2000] {
        let value = common::pattern(len, len);
        sys::set_xattr(fd, "user.sl", &value).unwrap();
        assert_eq!(sys::get_xattr(fd, "user.sl").unwrap(), Some(value));
    }
    assert!(sys::set_xattr(fd, "user.sl", &vec![0; 70 << 10]).is_err());
}

#[test]
fn locks_space_and_the_file_system() {
    let (dir, root) = root_with_traps();
    let one = std::fs::File::open(dir.path().join("secret")).unwrap();
    let two = std::fs::File::open(dir.path().join("secret")).unwrap();
    assert!(sys::try_lock(&one).unwrap());
    assert!(!sys::try_lock(&two).unwrap());
    drop(one);
    assert!(sys::try_lock(&two).unwrap());
    let fs = sys::file_system(open(&dir).as_fd()).unwrap();
    assert!(fs.total_bytes >= fs.available_bytes && fs.total_bytes > 1 << 30);
    let file = DirectFile::open(root.as_fd(), "inside", OpenMode::Write).unwrap();
    sys::allocate(file.fd().as_fd(), 8 << 20).unwrap();
    assert_eq!(file.size_bytes().unwrap(), 8 << 20);
}
