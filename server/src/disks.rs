//! The mountpaths that this node has, known by the identity that is written on them, and where they were last.
//!
//! Names are placed by the identity of a mountpath, so it does not matter at which path it is found or in which order the
//! paths are given. `mountpaths.json` in the data directory says which identities there are: it is written when they have
//! been formatted and before `cluster.json`, so before the first object can be stored. One that it names and that is
//! missing is an error, and nothing is formatted in its place.

use crate::durable::write_json;
use crate::store::{MountpathIdentity, holds_objects, identity_at};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(crate) const FILE: &str = "mountpaths.json";

/// A path that is to be a mountpath, as the settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) path: PathBuf,
    /// AIStore's label; without one the last one stays.
    pub(crate) label: Option<String>,
}

/// A mountpath that this node has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) id: String,
    /// Where it was last.
    pub(crate) path: PathBuf,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) label: String,
}

impl fmt::Display for Known {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "mountpath {} (last at {})", self.id, self.path.display())
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    mountpaths: Vec<Known>,
}

/// The mountpaths that a data directory knows; `None` before the first start has come so far. `made_later` is a file that
/// no data directory has without them.
///
/// # Errors
/// When they are damaged, or gone.
pub(crate) fn read(data_dir: &Path, made_later: &str) -> io::Result<Option<Vec<Known>>> {
    let file = data_dir.join(FILE);
    let refuse = |why: String| io::Error::other(format!("{}: {why}", file.display()));
    match fs::read(&file) {
        Ok(bytes) => {
            let saved: Saved =
                serde_json::from_slice(&bytes).map_err(|e| refuse(format!("it is damaged: {e}")))?;
            Ok(Some(saved.mountpaths))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => match data_dir.join(made_later).try_exists()? {
            false => Ok(None),
            true => Err(refuse(format!(
                "it is gone and {made_later} is there: restore it, it says which mountpaths the node has"
            ))),
        },
        Err(e) => Err(refuse(e.to_string())),
    }
}

/// Remembers the mountpaths durably.
pub(crate) fn remember(data_dir: &Path, mountpaths: Vec<Known>) -> io::Result<()> {
    write_json(&data_dir.join(FILE), &Saved { mountpaths })
}

/// The state in which a path is found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The path without links, as far as it exists.
    pub(crate) path: PathBuf,
    /// Device and inode, if the directory is there.
    directory: Option<(u64, u64)>,
    pub(crate) identity: Option<MountpathIdentity>,
}

impl Found {
    /// Looks, and changes nothing.
    ///
    /// # Errors
    /// Something that cannot be a mountpath is there; the text names the path.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let refuse = |e: io::Error| io::Error::new(e.kind(), format!("mountpath {}: {e}", path.display()));
        let path = resolve(path).map_err(refuse)?;
        let directory = match fs::metadata(&path) {
            Ok(found) if found.is_dir() => Some((found.dev(), found.ino())),
            Ok(_) => return Err(refuse(io::Error::other("it is a file and no directory"))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(refuse(e)),
        };
        let identity = identity_at(&path).map_err(refuse)?;
        Ok(Self { path, directory, identity })
    }

    /// In words.
    fn state(&self) -> String {
        match (&self.identity, self.directory) {
            (Some(identity), _) => format!("which holds mountpath {} now", identity.mountpath_id),
            (None, Some(_)) => "which is empty now (is its disk mounted?)".to_owned(),
            (None, None) => "where there is nothing now".to_owned(),
        }
    }
}

/// The path without links. One that does not exist yet is resolved as far as it does.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                return Err(io::Error::other("it is a link that leads nowhere"));
            }
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            let name = path.file_name().ok_or(e)?;
            Ok(resolve(above.unwrap_or(Path::new(".")))?.join(name))
        }
        other => other,
    }
}

/// Whose mountpaths may be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'o> {
    pub(crate) target_id: &'o str,
    pub(crate) cluster_id: &'o str,
}

/// Decides which mountpath is opened where, in an order that does not depend on the order of the paths. A new one has
/// no identity in [`Known`]'s place yet: `new_id` makes one.
///
/// # Errors
/// When a known mountpath is missing, one is another's, given twice or inside another one, or is new beside one that holds
/// objects. Nothing has been changed then.
pub(crate) fn plan(
    wanted: &[Wanted],
    known: Option<&[Known]>,
    owner: Owner<'_>,
    file: &Path,
    new_id: &dyn Fn() -> String,
) -> io::Result<Vec<Known>> {
    let found: Vec<Found> = wanted.iter().map(|wanted| Found::at(&wanted.path)).collect::<io::Result<_>>()?;
    refuse_overlaps(&found)?;
    refuse_twins(&found)?;
    found.iter().try_for_each(|found| refuse_foreign(found, owner))?;
    let before = known.unwrap_or_default();
    refuse_missing(before, &found, file)?;
    if known.is_some() {
        refuse_growth(before, &found)?;
    }
    let mut plan: Vec<Known> = before.to_vec();
    for (found, wanted) in found.iter().zip(wanted) {
        let id = found.identity.as_ref().map(|identity| identity.mountpath_id.clone());
        let at = plan.iter().position(|known| Some(&known.id) == id.as_ref());
        let label = wanted.label.clone();
        match at.and_then(|at| plan.get_mut(at)) {
            Some(known) => {
                known.path.clone_from(&found.path);
                label.into_iter().for_each(|label| known.label = label);
            }
            None => plan.push(Known {
                id: id.unwrap_or_else(new_id),
                path: found.path.clone(),
                label: label.unwrap_or_default(),
            }),
        }
    }
    Ok(plan)
}

/// Two paths to one directory, or one mountpath inside another: what one removes may be the other's.
fn refuse_overlaps(found: &[Found]) -> io::Result<()> {
    for (at, one) in found.iter().enumerate() {
        for (other_at, other) in found.iter().enumerate().filter(|(other_at, _)| *other_at != at) {
            let is_same =
                one.path == other.path || (one.directory.is_some() && one.directory == other.directory);
            if is_same && at < other_at {
                return Err(refused(&one.path, format!("{} is the same directory", other.path.display())));
            }
            if !is_same && one.path.starts_with(&other.path) {
                return Err(refused(&one.path, format!("it lies inside mountpath {}", other.path.display())));
            }
        }
    }
    Ok(())
}

/// A copy of a mountpath beside the mountpath itself.
pub(crate) fn refuse_twins(found: &[Found]) -> io::Result<()> {
    let mut seen: HashMap<&str, &Path> = HashMap::new();
    for one in found {
        let Some(identity) = &one.identity else { continue };
        if let Some(other) = seen.insert(&identity.mountpath_id, &one.path) {
            let why = format!("it is mountpath {}, and so is {}", identity.mountpath_id, other.display());
            return Err(refused(&one.path, why));
        }
    }
    Ok(())
}

fn refuse_foreign(found: &Found, owner: Owner<'_>) -> io::Result<()> {
    let Some(identity) = &found.identity else { return Ok(()) };
    if identity.target_id != owner.target_id {
        let why = format!("it belongs to target {}, not to {}", identity.target_id, owner.target_id);
        return Err(refused(&found.path, why));
    }
    if identity.cluster_id != owner.cluster_id {
        let why = format!("it belongs to cluster {}, not to {}", identity.cluster_id, owner.cluster_id);
        return Err(refused(&found.path, why));
    }
    Ok(())
}

fn refuse_missing(known: &[Known], found: &[Found], file: &Path) -> io::Result<()> {
    let missing = missing(known, found);
    if missing.is_empty() {
        return Ok(());
    }
    let each = missing.iter().map(|known| {
        let state = found.iter().find(|found| found.path == known.path).map(Found::state);
        let state = state.unwrap_or_else(|| "which is not among the mountpaths given".to_owned());
        format!("mountpath {} is missing: it was at {}, {state}", known.id, known.path.display())
    });
    Err(io::Error::other(format!(
        "{}; nothing has been changed: bring it back, or take it out of {} to give up the objects on it",
        each.collect::<Vec<_>>().join("; "),
        file.display()
    )))
}

/// The mountpaths that are known and not found.
pub(crate) fn missing<'k>(known: &'k [Known], found: &[Found]) -> Vec<&'k Known> {
    let is_there = |known: &&Known| {
        found
            .iter()
            .filter_map(|found| found.identity.as_ref())
            .any(|identity| identity.mountpath_id == known.id)
    };
    known.iter().filter(|known| !is_there(known)).collect()
}

/// Refuses a new mountpath beside one that holds objects: names would hash to the new one, and what lies on the old one
/// would no longer be found.
fn refuse_growth(known: &[Known], found: &[Found]) -> io::Result<()> {
    let is_known = |found: &&Found| {
        let id = found.identity.as_ref().map(|identity| &identity.mountpath_id);
        known.iter().any(|known| Some(&known.id) == id)
    };
    let new = found.iter().find(|found| !is_known(found));
    let used = found.iter().find(|found| holds_objects(&found.path));
    let (Some(new), Some(used)) = (new, used) else { return Ok(()) };
    let what = if new.identity.is_some() { "not one that this node has" } else { "new" };
    Err(io::Error::other(format!(
        "mountpath {} is {what}, but {} holds objects, and moving objects to a new mountpath is not implemented: start without it",
        new.path.display(),
        used.path.display()
    )))
}

fn refused(path: &Path, why: String) -> io::Error {
    io::Error::other(format!("mountpath {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FormatRequest, Mountpath};
    use std::cell::Cell;

    const OWNER: Owner<'static> = Owner { target_id: "t1", cluster_id: "c1" };

    /// Directories of a node, and what it knows of them.
    struct World {
        dir: tempfile::TempDir,
        known: Option<Vec<Known>>,
        ids: Cell<u32>,
    }

    impl World {
        /// Two mountpaths, the first of which holds an object.
        fn new() -> Self {
            // The test's own binary lies on a disk that can do direct I/O; a temporary directory need not.
            let beside = std::env::current_exe().unwrap();
            let dir = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
            let mut world = Self { dir, known: None, ids: Cell::new(0) };
            assert_eq!(world.start(&["p", "q"]).unwrap().len(), 2);
            fs::write(world.path("p").join(".straightline/lanes/03/0000000000000001.tar"), b"").unwrap();
            world
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().canonicalize().unwrap().join(name)
        }

        fn plan(&self, names: &[&str]) -> io::Result<Vec<Known>> {
            let wanted: Vec<Wanted> =
                names.iter().map(|name| Wanted { path: self.path(name), label: None }).collect();
            let new_id = || {
                self.ids.set(self.ids.get() + 1);
                format!("id{}", self.ids.get())
            };
            plan(&wanted, self.known.as_deref(), OWNER, Path::new("mountpaths.json"), &new_id)
        }

        fn start(&mut self, names: &[&str]) -> io::Result<Vec<Known>> {
            let plan = self.plan(names)?;
            for known in &plan {
                let request = FormatRequest {
                    mountpath_id: known.id.clone(),
                    target_id: OWNER.target_id,
                    cluster_id: OWNER.cluster_id,
                    lanes: 16,
                };
                Mountpath::open(&known.path, &request)?;
            }
            self.known = Some(plan.clone());
            Ok(plan)
        }

        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.path(from), self.path(to)).unwrap();
        }

        fn refusal(&self, names: &[&str]) -> String {
            self.plan(names).unwrap_err().to_string()
        }
    }

    fn ids(plan: &[Known]) -> Vec<(&str, &str)> {
        plan.iter()
            .map(|known| (known.id.as_str(), known.path.file_name().unwrap().to_str().unwrap()))
            .collect()
    }

    #[test]
    fn order_and_path_do_not_matter() {
        let mut world = World::new();
        assert_eq!(ids(&world.plan(&["q", "p"]).unwrap()), [("id1", "p"), ("id2", "q")]);
        world.rename("p", "aside");
        world.rename("q", "p");
        world.rename("aside", "q");
        assert_eq!(ids(&world.start(&["p", "q"]).unwrap()), [("id1", "q"), ("id2", "p")]);
        world.rename("q", "elsewhere");
        assert_eq!(ids(&world.start(&["p", "elsewhere"]).unwrap()), [("id1", "elsewhere"), ("id2", "p")]);
        std::os::unix::fs::symlink(world.path("elsewhere"), world.path("link")).unwrap();
        assert_eq!(ids(&world.plan(&["link", "p"]).unwrap()), [("id1", "elsewhere"), ("id2", "p")]);
    }

    #[test]
    fn a_known_mountpath_that_is_missing_is_named() {
        let world = World::new();
        let said = world.refusal(&["p"]);
        assert!(said.contains("id2 is missing") && said.contains("not among the mountpaths given"), "{said}");
        world.rename("q", "away");
        assert!(world.refusal(&["p", "q"]).contains("where there is nothing now"));
        fs::create_dir(world.path("q")).unwrap();
        let said = world.refusal(&["p", "q"]);
        assert!(said.contains("/q, which is empty now"), "{said}");
        assert!(fs::read_dir(world.path("q")).unwrap().next().is_none(), "it was formatted");
        world.rename("p", "too");
        let said = world.refusal(&["p", "q"]);
        assert!(said.contains("id1 is missing") && said.contains("id2 is missing"), "{said}");
    }

    #[test]
    fn overlaps_copies_and_strangers_are_refused() {
        let world = World::new();
        assert!(world.refusal(&["p", "q", "p/below"]).contains("lies inside mountpath"));
        std::os::unix::fs::symlink(world.path("q"), world.path("link")).unwrap();
        assert!(world.refusal(&["p", "q", "link"]).contains("is the same directory"));
        fs::create_dir_all(world.path("copy/.straightline")).unwrap();
        let identity = ".straightline/mountpath.json";
        let text = fs::read_to_string(world.path("p").join(identity)).unwrap();
        fs::write(world.path("copy").join(identity), &text).unwrap();
        let said = world.refusal(&["p", "q", "copy"]);
        assert!(said.contains("it is mountpath id1, and so is"), "{said}");
        fs::write(world.path("copy").join(identity), text.replace("t1", "t2")).unwrap();
        assert!(world.refusal(&["q", "copy"]).contains("belongs to target t2, not to t1"));
        std::os::unix::fs::symlink(world.path("nowhere"), world.path("dangling")).unwrap();
        assert!(world.refusal(&["p", "q", "dangling"]).contains("a link that leads nowhere"));
        fs::write(world.path("file"), b"").unwrap();
        assert!(world.refusal(&["p", "q", "file"]).contains("a file and no directory"));
    }

    #[test]
    fn a_new_mountpath_beside_one_with_objects_is_refused() {
        let mut world = World::new();
        let said = world.refusal(&["p", "q", "new"]);
        assert!(said.contains("new is new") && !world.path("new").exists(), "{said}");
        fs::remove_file(world.path("p").join(".straightline/lanes/03/0000000000000001.tar")).unwrap();
        assert_eq!(world.start(&["new", "p", "q"]).unwrap().len(), 3);
        // A mountpath that was given up does not come back by itself.
        world.known.as_mut().unwrap().pop();
        fs::write(world.path("p").join(".straightline/lanes/03/0000000000000001.tar"), b"").unwrap();
        assert!(world.refusal(&["new", "p", "q"]).contains("not one that this node has"));
        assert_eq!(world.plan(&["p", "q"]).unwrap().len(), 2);
    }

    #[test]
    fn what_is_known_is_kept_and_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path(), "later").unwrap(), None);
        let known = Known { id: "a".to_owned(), path: "/mnt/0".into(), label: "fast".to_owned() };
        remember(dir.path(), vec![known.clone()]).unwrap();
        assert_eq!(read(dir.path(), "later").unwrap(), Some(vec![known]));
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(read(dir.path(), "later").unwrap_err().to_string().contains("damaged"));
        fs::remove_file(dir.path().join(FILE)).unwrap();
        fs::write(dir.path().join("later"), "").unwrap();
        assert!(read(dir.path(), "later").unwrap_err().to_string().contains("mountpaths.json: it is gone"));
    }
}
