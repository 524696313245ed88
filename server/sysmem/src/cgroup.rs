//! Limits of control groups, versions 1 and 2, as files tell them.
//!
//! Where a group's directory is depends on what of the hierarchy is mounted: the whole of it, or only a container's part.
//! `/proc/self/cgroup` names the group, `/proc/self/mountinfo` what is mounted where.

use std::fs;
use std::path::{Path, PathBuf};

/// A mounted hierarchy that has a say in memory.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    is_v2: bool,
    /// The group that is seen at the mount point.
    root: String,
    at: String,
}

/// Every limit of memory that encloses this process: the file that tells it, and bytes. The outermost come first.
/// Files that are missing or make no sense limit nothing.
pub(super) fn limits(root: &Path) -> Vec<(PathBuf, u64)> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (groups, mounts) = (read("proc/self/cgroup"), mounts(&read("proc/self/mountinfo")));
    let mut found = Vec::new();
    for mount in mounts {
        let Some(group) = own_group(&groups, mount.is_v2) else { continue };
        let top = root.join(mount.at.trim_start_matches('/'));
        let own = top.join(inside(group, &mount.root));
        let mut dirs: Vec<&Path> = own.ancestors().take_while(|dir| dir.starts_with(&top)).collect();
        dirs.reverse();
        for dir in dirs {
            found.extend(limits_of(dir, mount.is_v2));
        }
    }
    found
}

/// Bytes that a group uses, without the page cache, which is given back before anything is killed.
pub(super) fn used_bytes(dir: &Path) -> Option<u64> {
    let number = |file: &str| fs::read_to_string(dir.join(file)).ok()?.trim().parse::<u64>().ok();
    let stat = fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let (used, cache) = match number("memory.current") {
        Some(used) => (used, field(&stat, "file")),
        None => (number("memory.usage_in_bytes")?, field(&stat, "total_cache")),
    };
    Some(used.saturating_sub(cache.unwrap_or_default()))
}

fn limits_of(dir: &Path, is_v2: bool) -> Vec<(PathBuf, u64)> {
    let told = |file: &str, read: fn(&str) -> Option<u64>| {
        let path = dir.join(file);
        let bytes = read(&fs::read_to_string(&path).ok()?)?;
        Some((path, bytes))
    };
    let plain = |text: &str| text.trim().parse::<u64>().ok();
    if is_v2 {
        // "max" is no number, and no limit. Over `high` a group is not killed but slowed down until it stands still.
        return ["memory.max", "memory.high"].into_iter().filter_map(|file| told(file, plain)).collect();
    }
    // The second also tells of groups above that are not mounted here.
    let hierarchical = |text: &str| field(text, "hierarchical_memory_limit");
    let both = [told("memory.limit_in_bytes", plain), told("memory.stat", hierarchical)];
    both.into_iter().flatten().collect()
}

/// The number behind a name at the begin of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

/// The group of this process, out of lines `number:controllers:path`.
fn own_group(groups: &str, is_v2: bool) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let is_it = match is_v2 {
            true => number == "0" && controllers.is_empty(),
            false => controllers.split(',').any(|controller| controller == "memory"),
        };
        is_it.then_some(path)
    })
}

/// The path of a group beneath the group that is mounted. One that lies outside of what is mounted, as when the process was
/// moved after its namespace was made, is seen only by the mounted group.
fn inside<'g>(group: &'g str, mounted: &str) -> &'g str {
    let below = match mounted {
        "/" => group,
        mounted => {
            group.strip_prefix(mounted).filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or("")
        }
    };
    let below = below.trim_start_matches('/');
    if below.split('/').any(|part| part == "..") { "" } else { below }
}

/// Hierarchies out of lines `id parent device root mount-point options [tags] - type source super-options`.
fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let (mut place, mut kind) = (place.split(' ').skip(3), kind.split(' '));
        let (root, at) = (unescape(place.next()?), unescape(place.next()?));
        match (kind.next()?, kind.nth(1)) {
            ("cgroup2", _) => Some(Mount { is_v2: true, root, at }),
            ("cgroup", Some(options)) if options.split(',').any(|option| option == "memory") => {
                Some(Mount { is_v2: false, root, at })
            }
            _ => None,
        }
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Blanks and the like are written as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                out.extend_from_slice(part.get(3..).unwrap_or_default().as_bytes());
            }
            None => {
                out.push(b'\\');
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    /// Mounts as Debian 12 and systemd have them.
    const V2: &str = "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    /// Both versions, memory with the first one.
    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
    /// A container of version 1 without a namespace: it sees its own part of the tree.
    const DOCKER_V1: &str =
        "1041 1040 0:28 /docker/ab12 /sys/fs/cgroup/memory ro,nosuid master:15 - cgroup cgroup rw,memory\n";
    const UNLIMITED_V1: &str = "9223372036854771712\n";

    fn limits_in(cgroup: &str, mountinfo: &str, files: &[(&str, &str)]) -> Vec<(String, u64)> {
        let root = tempfile::tempdir().unwrap();
        let own = [("proc/self/cgroup", cgroup), ("proc/self/mountinfo", mountinfo)];
        for (path, text) in own.iter().chain(files) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let name = |path: PathBuf| path.strip_prefix(root.path()).unwrap().display().to_string();
        limits(root.path()).into_iter().map(|(path, bytes)| (name(path), bytes)).collect()
    }

    fn named(found: &[(&str, u64)]) -> Vec<(String, u64)> {
        found.iter().map(|(path, bytes)| ((*path).to_owned(), *bytes)).collect()
    }

    #[test]
    fn version_2_with_all_that_enclose_it() {
        let found = limits_in(
            "0::/system.slice/node.service/worker\n",
            V2,
            &[
                ("sys/fs/cgroup/memory.stat", "anon 1\n"),
                ("sys/fs/cgroup/system.slice/memory.max", "2147483648\n"),
                ("sys/fs/cgroup/system.slice/node.service/memory.max", "max\n"),
                ("sys/fs/cgroup/system.slice/node.service/memory.high", "1073741824\n"),
                ("sys/fs/cgroup/system.slice/node.service/worker/memory.max", "536870912\n"),
                ("sys/fs/cgroup/system.slice/other/memory.max", "1\n"),
            ],
        );
        let want = [
            ("sys/fs/cgroup/system.slice/memory.max", 2 << 30),
            ("sys/fs/cgroup/system.slice/node.service/memory.high", 1 << 30),
            ("sys/fs/cgroup/system.slice/node.service/worker/memory.max", 512 << 20),
        ];
        assert_eq!(found, named(&want));
    }

    #[test]
    fn version_1_beside_version_2() {
        let stat = "cache 1\nhierarchical_memory_limit 1048576\nhierarchical_memsw_limit 5\n";
        let found = limits_in(
            "4:memory:/jobs/one\n3:cpuset:/\n1:name=systemd:/\n0::/\n",
            HYBRID,
            &[
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", UNLIMITED_V1),
                ("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "1048576\n"),
                ("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", UNLIMITED_V1),
                ("sys/fs/cgroup/memory/jobs/one/memory.stat", stat),
            ],
        );
        let want = [
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", 9_223_372_036_854_771_712),
            ("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", 1 << 20),
            ("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", 9_223_372_036_854_771_712),
            ("sys/fs/cgroup/memory/jobs/one/memory.stat", 1 << 20),
        ];
        assert_eq!(found, named(&want));
    }

    #[test]
    fn controllers_that_are_mounted_together() {
        let mountinfo = "35 31 0:32 / /sys/fs/cgroup/cpu,memory rw - cgroup cgroup rw,cpu,memory\n";
        let file = ("sys/fs/cgroup/cpu,memory/a/memory.limit_in_bytes", "4096\n");
        let found = limits_in("2:cpu,memory:/a\n", mountinfo, &[file]);
        assert_eq!(found, named(&[("sys/fs/cgroup/cpu,memory/a/memory.limit_in_bytes", 4096)]));
    }

    #[test]
    fn containers_see_their_own_part() {
        let file = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
        let want = named(&[(file.0, 512 << 20)]);
        // The group has its whole name without a namespace; with one it is the root of what is seen.
        assert_eq!(limits_in("4:memory:/docker/ab12\n", DOCKER_V1, &[file]), want);
        assert_eq!(limits_in("4:memory:/\n", &DOCKER_V1.replace("/docker/ab12", "/"), &[file]), want);
        // A group of another name that begins the same is not beneath it.
        assert_eq!(limits_in("4:memory:/docker/ab123\n", DOCKER_V1, &[file]), want);
        // A process that was moved out of its namespace's root.
        assert_eq!(limits_in("4:memory:/../other\n", &DOCKER_V1.replace("/docker/ab12", "/"), &[file]), want);
        let file = ("sys/fs/cgroup/memory.max", "536870912\n");
        assert_eq!(limits_in("0::/\n", V2, &[file]), named(&[(file.0, 512 << 20)]));
    }

    #[test]
    fn files_that_are_missing_or_senseless_limit_nothing() {
        assert!(limits_in("", "", &[]).is_empty());
        assert!(limits_in("0::/a\n", V2, &[]).is_empty());
        assert!(limits_in("0::/a\n", V2, &[("sys/fs/cgroup/a/memory.max", "")]).is_empty());
        assert!(limits_in("0::/a\n", V2, &[("sys/fs/cgroup/a/memory.max", "-1\n")]).is_empty());
        assert!(limits_in("nonsense\n::\n4:memory\n", HYBRID, &[]).is_empty());
        assert!(limits_in("0::/a\n", "1 2 3\n - \n5 4 0:1 / - cgroup2\n", &[]).is_empty());
        assert!(limits(Path::new("/nowhere/at/all")).is_empty());
    }

    #[test]
    fn mount_points_are_unescaped() {
        let mountinfo = r"35 31 0:32 / /my\040groups rw - cgroup2 none rw";
        assert_eq!(
            limits_in("0::/\n", mountinfo, &[("my groups/memory.max", "7")]),
            named(&[("my groups/memory.max", 7)])
        );
        assert_eq!(unescape(r"a\134b\04"), r"a\b\04");
        assert_eq!(unescape(r"\é"), r"\é");
    }

    #[test]
    fn the_page_cache_is_not_in_use() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(used_bytes(dir.path()), None);
        fs::write(dir.path().join("memory.usage_in_bytes"), "100\n").unwrap();
        assert_eq!(used_bytes(dir.path()), Some(100));
        fs::write(dir.path().join("memory.stat"), "cache 5\ntotal_cache 60\n").unwrap();
        assert_eq!(used_bytes(dir.path()), Some(40));
    }
}
