//! Control groups, version 1: what makes a loop device a disk of known speed, and what meters it.

use super::failure::{Failure, Result, at};
use super::ledger::{Ledger, Taken, Thing};
use super::process::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

/// Where the controllers' hierarchies are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Controllers {
    blkio: PathBuf,
    cpu: PathBuf,
    cpuacct: PathBuf,
}

/// A group of processes, in all three hierarchies.
#[derive(Debug)]
pub(super) struct Group {
    blkio: PathBuf,
    cpu: PathBuf,
    cpuacct: PathBuf,
    _taken: Taken,
}

/// Meters of a group at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct GroupSample {
    cpu_s: f64,
    periods: f64,
    held_periods: f64,
}

impl Controllers {
    /// Finds them.
    pub(super) fn find() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").map_err(at(Path::new("/proc/self/mounts")))?;
        parse_mounts(&mounts).ok_or_else(|| {
            Failure(
                "the control groups blkio, cpu and cpuacct of version 1 are not mounted: disks cannot be throttled. \
                 On a machine with version 2 only, boot with systemd.unified_cgroup_hierarchy=0 or use real disks"
                    .to_owned(),
            )
        })
    }

    /// The root group's limit of reads. It holds for everybody, so it is for devices that are only ours.
    pub(super) fn root_read_limit(&self) -> PathBuf {
        self.blkio.join("blkio.throttle.read_bps_device")
    }
}

/// The mount points by the options of `cgroup` lines.
fn parse_mounts(text: &str) -> Option<Controllers> {
    let find = |controller: &str| {
        text.lines().find_map(|line| {
            let mut words = line.split(' ');
            let (point, kind, options) = (words.nth(1)?, words.next()?, words.next()?);
            (kind == "cgroup" && options.split(',').any(|option| option == controller))
                .then(|| PathBuf::from(point))
        })
    };
    Some(Controllers { blkio: find("blkio")?, cpu: find("cpu")?, cpuacct: find("cpuacct")? })
}

impl Group {
    /// Makes a group; it goes when this is dropped.
    pub(super) fn create(controllers: &Controllers, ledger: &Rc<Ledger>, role: &str) -> Result<Self> {
        let name = format!("straightline-scale-{}-{role}", std::process::id());
        let [blkio, cpu, cpuacct] =
            [&controllers.blkio, &controllers.cpu, &controllers.cpuacct].map(|root| root.join(&name));
        let mut taken = Taken::new(ledger);
        for dir in [&blkio, &cpu, &cpuacct] {
            // `cpu` and `cpuacct` may be one hierarchy.
            if !dir.exists() {
                taken.add(Thing::Group { dir: dir.clone() })?;
                fs::create_dir(dir).map_err(at(dir))?;
            }
        }
        Ok(Self { blkio, cpu, cpuacct, _taken: taken })
    }

    /// Limits what the group reads from one device.
    pub(super) fn limit_reads(&self, number: &str, bytes_per_s: u64, iops: u64) -> Result<()> {
        for (file, value) in [("read_bps_device", bytes_per_s), ("read_iops_device", iops)] {
            let file = self.blkio.join(format!("blkio.throttle.{file}"));
            fs::write(&file, format!("{number} {value}")).map_err(at(&file))?;
        }
        Ok(())
    }

    /// Where its limits of reads are.
    pub(super) fn read_limit(&self) -> PathBuf {
        self.blkio.join("blkio.throttle.read_bps_device")
    }

    /// Limits the group's processor time, in processors.
    pub(super) fn limit_cpu(&self, processors: f64) -> Result<()> {
        let file = self.cpu.join("cpu.cfs_quota_us");
        fs::write(&file, format!("{:.0}", processors * 100_000.0)).map_err(at(&file))
    }

    /// A command that runs a program within the group, from its first instruction on.
    pub(super) fn command(&self, program: &Path) -> Command {
        enter(&[&self.blkio, &self.cpu, &self.cpuacct], program)
    }

    /// The same with the group's disks only, not with its processor limit and meter.
    pub(super) fn disk_command(&self, program: &Path) -> Command {
        enter(&[&self.blkio], program)
    }

    /// Bytes that the group has read from a device.
    pub(super) fn read_bytes(&self, number: &str) -> Result<f64> {
        let file = self.blkio.join("blkio.throttle.io_service_bytes");
        let text = fs::read_to_string(&file).map_err(at(&file))?;
        // A device that the group has not touched has no line.
        Ok(parse_service(&text, number).unwrap_or(0.0))
    }

    /// Processor meters, now.
    pub(super) fn sample(&self) -> Result<GroupSample> {
        let read = |file: PathBuf| fs::read_to_string(&file).map_err(at(&file));
        let usage = read(self.cpuacct.join("cpuacct.usage"))?;
        let (periods, held_periods) = parse_cpu_stat(&read(self.cpu.join("cpu.stat"))?);
        Ok(GroupSample { cpu_s: usage.trim().parse::<f64>().unwrap_or(0.0) / 1e9, periods, held_periods })
    }
}

impl GroupSample {
    /// Processor seconds since an earlier sample.
    pub(super) fn cpu_s_since(&self, earlier: &Self) -> f64 {
        self.cpu_s - earlier.cpu_s
    }

    /// Share of the scheduler's periods since then in which the quota held the group back.
    pub(super) fn held_since(&self, earlier: &Self) -> f64 {
        let periods = self.periods - earlier.periods;
        if periods > 0.0 { (self.held_periods - earlier.held_periods) / periods } else { 0.0 }
    }
}

fn enter(dirs: &[&Path], program: &Path) -> Command {
    let script =
        "while [ \"$1\" != -- ]; do echo $$ > \"$1/cgroup.procs\" || exit 1; shift; done; shift; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).args(dirs).arg("--").arg(program);
    command
}

/// Lines such as `7:0 Read 4096`.
fn parse_service(text: &str, number: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(number)?.strip_prefix(" Read ")?.parse().ok())
}

/// Periods, and those in which the group was held back.
fn parse_cpu_stat(text: &str) -> (f64, f64) {
    let of = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    };
    (of("nr_periods"), of("nr_throttled"))
}

/// Tools and rights that the experiment needs, or what is missing and what to do about it.
pub(super) fn require() -> Result<Controllers> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure("loop devices, mounts and control groups need root: run it as root".to_owned()));
    }
    for (tool, package) in
        [("fio", "fio"), ("mkfs.xfs", "xfsprogs"), ("losetup", "util-linux"), ("mount", "util-linux")]
    {
        let mut look = Command::new("sh");
        look.args(["-c", "command -v \"$1\"", "sh", tool]);
        if run(&mut look, Duration::from_secs(10), None).is_err() {
            return Err(Failure(format!("{tool} is not installed (Debian package {package})")));
        }
    }
    Controllers::find()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_alone_and_joined() {
        let apart = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                     cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n\
                     cgroup /sys/fs/cgroup/cpuacct cgroup rw,relatime,cpuacct 0 0\n\
                     cgroup /sys/fs/cgroup/blkio cgroup rw,relatime,blkio 0 0\n";
        let found = parse_mounts(apart).unwrap();
        assert_eq!(found.blkio, Path::new("/sys/fs/cgroup/blkio"));
        assert_eq!(found.cpu, Path::new("/sys/fs/cgroup/cpu"));
        let joined = "cgroup /c/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\ncgroup /c/blkio cgroup rw,blkio 0 0\n";
        let found = parse_mounts(joined).unwrap();
        assert_eq!(found.cpu, found.cpuacct);
        assert_eq!(parse_mounts("cgroup2 /sys/fs/cgroup cgroup2 rw,blkio 0 0\n"), None);
    }

    #[test]
    fn meters_are_read() {
        let text = "7:0 Read 4096\n7:0 Write 1\n7:0 Total 4097\n7:01 Read 9\nTotal 4097\n";
        assert_eq!(parse_service(text, "7:0"), Some(4096.0));
        assert_eq!(parse_service(text, "7:1"), None);
        assert_eq!(parse_cpu_stat("nr_periods 10\nnr_throttled 4\nthrottled_time 5\n"), (10.0, 4.0));
        assert_eq!(parse_cpu_stat(""), (0.0, 0.0));
        let (from, to) =
            (GroupSample::default(), GroupSample { cpu_s: 2.0, periods: 10.0, held_periods: 4.0 });
        assert_eq!((to.cpu_s_since(&from), to.held_since(&from)), (2.0, 0.4));
        assert_eq!(from.held_since(&from), 0.0);
    }
}
