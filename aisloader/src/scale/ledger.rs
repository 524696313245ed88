//! A written record of all that this run has taken from the machine, so that it can be given back: on errors, on
//! Ctrl-C, and by the next run when this one was killed.

use super::failure::{Failure, Result, at};
use super::process::{is_alive, stop};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

const FILE: &str = "taken.json";
/// Control groups and loop devices take a moment to become free after their last user has gone.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(50);

/// One thing that must be given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Thing {
    /// A process, with its start time: numbers are used again.
    Process { pid: u32, born: u64 },
    /// A loop device and the file behind it.
    Loop { device: PathBuf, image: PathBuf },
    /// A mounted file system.
    Mount { point: PathBuf },
    /// A control group's directory.
    Group { dir: PathBuf },
    /// A limit of a group: the file, and the device's number.
    ReadLimit { file: PathBuf, number: String },
}

/// Whose things they are.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    pid: u32,
    born: u64,
    things: Vec<Thing>,
}

/// The open record of this run, in a directory that goes with it.
#[derive(Debug)]
pub(super) struct Ledger {
    /// This run's directory.
    pub(super) dir: PathBuf,
    record: RefCell<Record>,
}

/// Things in the order in which they were taken; given back in the opposite order.
#[derive(Debug)]
pub(super) struct Taken {
    ledger: Rc<Ledger>,
    things: Vec<Thing>,
}

impl Ledger {
    /// Gives back what dead runs beneath `root` have left, and begins a record for this one.
    pub(super) fn open(root: &Path) -> Result<Rc<Self>> {
        fs::create_dir_all(root).map_err(at(root))?;
        for entry in fs::read_dir(root).map_err(at(root))?.flatten() {
            clear_dead(&entry.path())?;
        }
        let pid = std::process::id();
        let dir = root.join(format!("run-{pid}"));
        fs::create_dir_all(&dir).map_err(at(&dir))?;
        let born = super::process::birth(pid).unwrap_or(0);
        let ledger = Self { dir, record: RefCell::new(Record { pid, born, things: Vec::new() }) };
        ledger.save()?;
        Ok(Rc::new(ledger))
    }

    fn save(&self) -> Result<()> {
        let file = self.dir.join(FILE);
        let text = serde_json::to_vec(&*self.record.borrow()).map_err(|e| Failure(e.to_string()))?;
        fs::write(&file, text).map_err(at(&file))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Things that are still on the record could not be given back: the next run tries again.
        if self.record.borrow().things.is_empty() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

impl Taken {
    pub(super) fn new(ledger: &Rc<Ledger>) -> Self {
        Self { ledger: Rc::clone(ledger), things: Vec::new() }
    }

    /// Writes down one thing more.
    pub(super) fn add(&mut self, thing: Thing) -> Result<()> {
        self.things.push(thing.clone());
        self.ledger.record.borrow_mut().things.push(thing);
        self.ledger.save()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        while let Some(thing) = self.things.pop() {
            match give_back(&thing) {
                Ok(()) => self.ledger.record.borrow_mut().things.retain(|other| *other != thing),
                Err(e) => eprintln!("aisloader scale: left behind: {thing:?}: {e}"),
            }
        }
        if let Err(e) = self.ledger.save() {
            eprintln!("aisloader scale: {e}");
        }
    }
}

/// Clears up after one other run, if it is dead.
fn clear_dead(dir: &Path) -> Result<()> {
    let Ok(text) = fs::read(dir.join(FILE)) else { return Ok(()) };
    let Ok(record) = serde_json::from_slice::<Record>(&text) else {
        return Err(Failure(format!("{}: the record of an earlier run is damaged", dir.display())));
    };
    if is_alive(record.pid, record.born) {
        return Ok(());
    }
    eprintln!("aisloader scale: clearing up after run {}, which has died", record.pid);
    for thing in record.things.iter().rev() {
        give_back(thing).map_err(|e| Failure(format!("left by run {}: {thing:?}: {e}", record.pid)))?;
    }
    fs::remove_dir_all(dir).map_err(at(dir))
}

/// Gives one thing back; one that is gone already is fine.
fn give_back(thing: &Thing) -> Result<()> {
    match thing {
        Thing::Process { pid, born } => stop(*pid, *born),
        Thing::Loop { device, image } => detach(device, image),
        Thing::Mount { point } => unmount(point),
        Thing::Group { dir } => remove_group(dir),
        Thing::ReadLimit { file, number } => fs::write(file, format!("{number} 0")).map_err(at(file)),
    }
}

fn detach(device: &Path, image: &Path) -> Result<()> {
    // Somebody else's by now: the number is used again.
    if backing_file(device).as_deref() != Some(image) {
        return Ok(());
    }
    tool(Command::new("losetup").arg("--detach").arg(device))?;
    patiently(|| {
        (backing_file(device).as_deref() != Some(image))
            .then_some(())
            .ok_or_else(|| Failure("it is still busy".to_owned()))
    })
}

/// The file behind a loop device, as the kernel has it.
pub(super) fn backing_file(device: &Path) -> Option<PathBuf> {
    let name = device.file_name()?.to_str()?;
    let text = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok()?;
    Some(PathBuf::from(text.trim_end_matches('\n')))
}

fn unmount(point: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let is_mounted =
        mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|at| Path::new(at) == point));
    if !is_mounted {
        return Ok(());
    }
    tool(Command::new("umount").arg(point)).or_else(|_| tool(Command::new("umount").arg("--lazy").arg(point)))
}

fn remove_group(dir: &Path) -> Result<()> {
    patiently(|| match fs::remove_dir(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(at(dir)(e)),
        _ => Ok(()),
    })
}

fn patiently(mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
    let begin = Instant::now();
    loop {
        match attempt() {
            Err(_) if begin.elapsed() < PATIENCE => std::thread::sleep(LOOK),
            outcome => return outcome,
        }
    }
}

fn tool(command: &mut Command) -> Result<()> {
    super::process::run(command, Duration::from_secs(30), None).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("scale-ledger-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn things_are_given_back_in_the_opposite_order_and_the_record_goes() {
        let root = scratch("order");
        let ledger = Ledger::open(&root).unwrap();
        let inner = root.join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let mut taken = Taken::new(&ledger);
        // Directories stand for groups: the outer one can only go after the inner one.
        taken.add(Thing::Group { dir: root.join("a") }).unwrap();
        taken.add(Thing::Group { dir: inner }).unwrap();
        let file = fs::read_to_string(ledger.dir.join(FILE)).unwrap();
        assert_eq!(file.matches("group").count(), 2, "{file}");
        drop(taken);
        assert!(!root.join("a").exists());
        drop(ledger);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_dead_run_is_cleared_up_after_and_a_living_one_is_left_alone() {
        let root = scratch("dead");
        let group = root.join("group");
        for (name, pid, born) in [
            ("run-dead", u32::MAX, 1),
            ("run-mine", std::process::id(), super::super::process::birth(std::process::id()).unwrap()),
        ] {
            fs::create_dir_all(root.join(name)).unwrap();
            let things = vec![Thing::Group { dir: group.clone() }];
            fs::write(root.join(name).join(FILE), serde_json::to_vec(&Record { pid, born, things }).unwrap())
                .unwrap();
        }
        fs::create_dir_all(&group).unwrap();
        let ledger = Ledger::open(&root).unwrap();
        assert!(!group.exists() && !root.join("run-dead").exists() && root.join("run-mine").exists());
        drop(ledger);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_not_ours_any_more_is_not_touched() {
        assert!(detach(Path::new("/dev/loop-none"), Path::new("/nowhere.img")).is_ok());
        assert!(unmount(Path::new("/nowhere/at/all")).is_ok());
        assert!(remove_group(Path::new("/sys/fs/cgroup/blkio/nobody-has-this")).is_ok());
    }
}
