//! Histories of commands with crashes in between: what the node does leads to what the state says.

use super::*;
use crate::cluster::local::Note;
use crate::cluster::replica::{Entry, Replica};
use crate::cluster::state::{ClusterState, Command};
use crate::cluster::{Journal, View, read_state};
use placement::smap::NetInfo;
use placement::{NodeLayout, Smap};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use wire::api::bprops::BpropsToSet;

const NODE: &str = "tBBBBBBB";

#[derive(Clone, Debug)]
enum Step {
    /// As a client of this node asks for it, or as another node has let it through.
    Create(u8, bool),
    Destroy(u8),
    Close(u8),
    Open(u8),
    /// An object of the bucket gets a name in the bucket's directory.
    Write(u8),
    CarryOut(prop::sample::Index),
    /// One that has been carried out before.
    Repeat(prop::sample::Index),
    /// The directories are moved, and the node fails before it has noted that.
    HalfBury(prop::sample::Index),
    Crash,
}

/// A node with a journal of its own. Its mountpath is a map: whose objects lie in the directory of a name.
struct Node {
    dir: tempfile::TempDir,
    journal: Journal,
    replica: Replica,
    disk: BTreeMap<String, BTreeSet<u64>>,
    written: BTreeSet<u64>,
    frozen: BTreeSet<u64>,
    pending: Vec<Action>,
    done: Vec<Action>,
}

fn name(number: u8) -> String {
    format!("b{}", number % 3)
}

impl Node {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let net = NetInfo::http("127.0.0.1", 51080);
        let smap = Smap::single_node("Uuid123456", "now", "pAAAAAAA", NODE, &net);
        let replica = Replica::new(ClusterState::new(smap, "now".to_owned()));
        let journal = Journal::create(dir.path(), &replica).unwrap();
        Self {
            dir,
            journal,
            replica,
            disk: BTreeMap::new(),
            written: BTreeSet::new(),
            frozen: BTreeSet::new(),
            pending: Vec::new(),
            done: Vec::new(),
        }
    }

    /// False when it is refused.
    fn take(&mut self, entry: Entry, admit: bool) -> bool {
        if admit && self.replica.admit(&entry).is_err() {
            return false;
        }
        let (before, line) = (self.replica.clone(), serde_json::to_string(&entry).unwrap());
        let Ok(actions) = self.replica.apply(entry) else { return false };
        self.journal.append(&[line], &before).unwrap();
        self.pending.extend(actions);
        true
    }

    fn view(&self) -> View {
        View::new(&self.replica, &Arc::new(NodeLayout::default()))
    }

    fn id(&self, number: u8) -> u64 {
        self.replica.cluster.bmd.get(&name(number)).map_or(0, |view| view.bucket.id)
    }

    fn write(&mut self, number: u8) {
        let view = self.view();
        let Some(bucket) = view.bucket(&name(number)) else { return };
        let id = bucket.bucket.id;
        if !view.is_waiting(bucket) && !bucket.is_closed() && !self.frozen.contains(&id) {
            self.disk.entry(name(number)).or_default().insert(id);
            self.written.insert(id);
        }
    }

    fn carry_out(&mut self, action: &Action, notes: bool) {
        let view = self.view();
        match action {
            Action::Forget(bucket) => drop(self.frozen.remove(&bucket.id)),
            Action::Bury(bucket) if view.is_doomed(bucket) => {
                self.disk.remove(&bucket.name);
                if notes {
                    self.take(Entry::Note(Note::BucketBuried { id: bucket.id }), true);
                }
            }
            Action::Bury(_) => {}
            Action::Close(bucket) | Action::Open(bucket) if view.is_closed(bucket) => {
                self.frozen.insert(bucket.id);
            }
            Action::Close(bucket) | Action::Open(bucket) => drop(self.frozen.remove(&bucket.id)),
        }
    }

    /// All is gone that is not in the journal or on the disk.
    fn crash(&mut self) {
        let found = read_state(self.dir.path()).unwrap().unwrap();
        self.journal = Journal::open(self.dir.path(), &found).unwrap();
        self.replica = found.replica;
        self.pending.clear();
        self.done.clear();
        self.frozen.clear();
        let closed: Vec<_> =
            self.replica.cluster.bmd.all().filter(|view| view.is_closed()).cloned().collect();
        for view in closed {
            assert_eq!(view.closed_by(), Some(NODE));
            let (name, id) = (view.bucket.name.clone(), view.bucket.id);
            assert!(self.take(Entry::Command(Command::OpenBucket { name, id }), true));
        }
        self.pending = self.replica.at_start();
    }

    fn step(&mut self, step: &Step) {
        let command = match *step {
            Step::Create(number, _) => {
                Command::CreateBucket { name: name(number), change: BpropsToSet::default(), now_ns: 1 }
            }
            Step::Destroy(number) => Command::DestroyBucket { name: name(number), id: None },
            Step::Close(number) => {
                Command::CloseBucket { name: name(number), id: self.id(number), by: NODE.to_owned() }
            }
            Step::Open(number) => Command::OpenBucket { name: name(number), id: self.id(number) },
            Step::Write(number) => return self.write(number),
            Step::CarryOut(at) if !self.pending.is_empty() => {
                let action = self.pending.remove(at.index(self.pending.len()));
                self.carry_out(&action, true);
                return self.done.push(action);
            }
            Step::HalfBury(at) if !self.pending.is_empty() => {
                let action = self.pending.get(at.index(self.pending.len())).cloned().unwrap();
                return self.carry_out(&action, false);
            }
            Step::Repeat(at) if !self.done.is_empty() => {
                let action = self.done.get(at.index(self.done.len())).cloned().unwrap();
                return self.carry_out(&action, true);
            }
            Step::Crash => return self.crash(),
            Step::CarryOut(_) | Step::HalfBury(_) | Step::Repeat(_) => return,
        };
        let admit = !matches!(step, Step::Create(_, false));
        self.take(Entry::Command(command), admit);
    }

    /// No directory is shared, and what was written into a bucket that is there still is there too.
    fn check(&self) {
        assert!(self.disk.values().all(|ids| ids.len() == 1), "{:?}", self.disk);
        for view in self.replica.cluster.bmd.all().filter(|view| self.written.contains(&view.bucket.id)) {
            let there = self.disk.get(&view.bucket.name);
            assert!(there.is_some_and(|ids| ids.contains(&view.bucket.id)), "{view:?}: {:?}", self.disk);
        }
    }

    /// Everything has been carried out.
    fn check_end(&self) {
        for (name, ids) in &self.disk {
            let live = self.replica.cluster.bmd.get(name).map(|view| view.bucket.id);
            assert!(ids.iter().copied().eq(live), "{name} is not out of the way");
        }
        let closed = self.replica.cluster.bmd.all().filter(|view| view.is_closed());
        assert_eq!(closed.map(|view| view.bucket.id).collect::<BTreeSet<_>>(), self.frozen);
        assert!(self.replica.local.doomed().next().is_none());
    }
}

fn step() -> impl Strategy<Value = Step> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        3 => (any::<u8>(), any::<bool>()).prop_map(|(number, admit)| Step::Create(number, admit)),
        2 => any::<u8>().prop_map(Step::Destroy),
        1 => any::<u8>().prop_map(Step::Close),
        1 => any::<u8>().prop_map(Step::Open),
        3 => any::<u8>().prop_map(Step::Write),
        4 => at().prop_map(Step::CarryOut),
        1 => at().prop_map(Step::Repeat),
        1 => at().prop_map(Step::HalfBury),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn actions_lead_to_what_the_state_says(steps in prop::collection::vec(step(), 1..60)) {
        let mut node = Node::new();
        for step in &steps {
            node.step(step);
            node.check();
        }
        while !node.pending.is_empty() {
            let action = node.pending.remove(0);
            node.carry_out(&action, true);
            node.check();
            node.done.push(action);
        }
        node.check_end();
        for action in node.done.clone() {
            node.carry_out(&action, true);
        }
        node.check();
        node.check_end();
    }
}

#[test]
fn a_name_is_refused_until_its_directories_are_out_of_the_way() {
    let mut node = Node::new();
    let create = || {
        let command = Command::CreateBucket { name: name(0), change: BpropsToSet::default(), now_ns: 1 };
        Entry::Command(command)
    };
    node.step(&Step::Create(0, true));
    node.step(&Step::Write(0));
    node.step(&Step::Destroy(0));
    let refused = node.replica.admit(&create()).unwrap_err();
    assert_eq!((refused.status(), refused.text.contains("still being destroyed")), (409, true));
    // Another node has let it through: then it waits here.
    assert!(node.take(create(), false));
    let view = node.view();
    assert!(view.is_waiting(view.bucket(&name(0)).unwrap()));
    for action in std::mem::take(&mut node.pending) {
        node.carry_out(&action, true);
    }
    let view = node.view();
    assert!(!view.is_waiting(view.bucket(&name(0)).unwrap()));
    assert!(node.disk.is_empty());
}

#[test]
fn only_what_differs_is_done() {
    let mut map = BucketMap::new("Uu".to_owned());
    let props = |bid| wire::api::bprops::Bprops { bid, ..wire::api::bprops::Bprops::default() };
    map.insert("same", props(1));
    map.insert("gone", props(2));
    map.insert("anew", props(3));
    map.insert("closed", props(4));
    let mut after = map.clone();
    after.remove("gone");
    after.remove("anew");
    after.insert("anew", props(5));
    after.insert("new", props(6));
    after.set_closed("closed", Some("t1".to_owned()));
    let bucket = |map: &BucketMap, name: &str| Arc::clone(&map.get(name).unwrap().bucket);
    let names = ["same", "gone", "anew", "closed", "new", "never"];
    let [gone, anew, closed] = ["gone", "anew", "closed"].map(|name| bucket(&map, name));
    let want = [
        Action::Forget(Arc::clone(&gone)),
        Action::Bury(gone),
        Action::Forget(Arc::clone(&anew)),
        Action::Bury(anew),
        Action::Close(Arc::clone(&closed)),
    ];
    assert_eq!(reconcile(&map, &after, names), want);
    assert_eq!(reconcile(&map, &map, names), []);
    assert_eq!(reconcile(&after, &map, ["closed"]), [Action::Open(closed)]);
}
