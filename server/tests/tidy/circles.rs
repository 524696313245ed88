//! Import circles: files of a crate that need each other. One file can be read without another only where there is none.

use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

/// Two files may need each other; more is no order at all.
const FILES_MAX: usize = 2;

/// A file of a crate, as its module path.
type Module = Vec<String>;

/// Imports of one file.
#[derive(Default)]
struct File {
    /// Paths that it uses, beginning with `crate`, `self`, `super` or the name of a module beneath it.
    uses: Vec<Vec<String>>,
    /// Paths that it hands on, by the name under which it does.
    reexports: BTreeMap<String, Vec<String>>,
    /// Modules beneath it that are only there for tests.
    for_tests: Vec<String>,
}

impl File {
    fn read(text: &str) -> Self {
        let mut file = Self::default();
        file.visit_file(&syn::parse_file(text).unwrap());
        file
    }
}

impl<'a> Visit<'a> for File {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        } else if item.content.is_none() {
            self.for_tests.push(item.ident.to_string());
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let mut paths = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut paths);
        for (path, name) in paths {
            if matches!(item.vis, syn::Visibility::Inherited) {
                self.uses.push(path);
            } else {
                self.reexports.insert(name, path);
            }
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.uses.push(names);
        }
        visit::visit_path(self, path);
    }
}

fn is_for_tests(attrs: &[syn::Attribute]) -> bool {
    let is_test =
        |attr: &syn::Attribute| attr.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"));
    attrs.iter().any(|attr| attr.path().is_ident("cfg") && is_test(attr))
}

/// All paths of a use, each with the name that it gets.
fn flatten(tree: &syn::UseTree, before: &mut Vec<String>, paths: &mut Vec<(Vec<String>, String)>) {
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, paths);
            before.pop();
        }
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, paths)),
        syn::UseTree::Glob(_) => paths.push((before.clone(), "*".to_owned())),
        syn::UseTree::Name(name) if name.ident == "self" => {
            paths.push((before.clone(), before.last().cloned().unwrap_or_default()));
        }
        syn::UseTree::Name(name) => {
            paths.push(([&before[..], &[name.ident.to_string()]].concat(), name.ident.to_string()));
        }
        syn::UseTree::Rename(rename) => {
            paths.push(([&before[..], &[rename.ident.to_string()]].concat(), rename.rename.to_string()));
        }
    }
}

/// The files of a crate with what they import.
struct Graph {
    files: BTreeMap<Module, File>,
}

impl Graph {
    /// The imports of files by their paths beneath the crate's `src/`.
    fn new<'s>(sources: impl Iterator<Item = (&'s str, &'s str)>) -> Self {
        let mut files: BTreeMap<Module, File> =
            sources.map(|(path, text)| (module_of(path), File::read(text))).collect();
        let tests: BTreeSet<Module> = files
            .iter()
            .flat_map(|(module, file)| {
                file.for_tests.iter().map(|name| [&module[..], std::slice::from_ref(name)].concat())
            })
            .collect();
        files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        Self { files }
    }

    /// The file that a path of this one leads to.
    fn target(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut at = from.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => (at, rest) = (Vec::new(), &path[1..]),
            Some("self") => rest = &path[1..],
            Some("super") => {
                while rest.first().is_some_and(|name| name == "super") {
                    (at, rest) = (at[..at.len().saturating_sub(1)].to_vec(), &rest[1..]);
                }
            }
            Some(first) if !self.files.contains_key(&[&at[..], &[first.to_owned()]].concat()) => return None,
            _ => {}
        }
        self.follow(at, rest, 0)
    }

    fn follow(&self, mut at: Module, mut rest: &[String], depth: usize) -> Option<Module> {
        while let Some(below) = rest.first().map(|name| [&at[..], std::slice::from_ref(name)].concat())
            && self.files.contains_key(&below)
        {
            (at, rest) = (below, &rest[1..]);
        }
        let handed_on = rest.first().and_then(|name| self.files.get(&at)?.reexports.get(name));
        match handed_on.filter(|_| depth < 8) {
            Some(path) => self.target_at(&at, path, depth).or(Some(at)),
            None => self.files.contains_key(&at).then_some(at),
        }
    }

    fn target_at(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let relative = !matches!(path.first().map(String::as_str), Some("crate" | "self" | "super"));
        if relative { self.follow(from.clone(), path, depth + 1) } else { self.target(from, path) }
    }

    fn imports(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let of = |(module, file)| {
            let module: &Module = module;
            let file: &File = file;
            let targets = file.uses.iter().filter_map(|path| self.target(module, path));
            (module, targets.filter(|target| target != module).collect())
        };
        self.files.iter().map(of).collect()
    }

    /// Groups of files each of which needs all others.
    fn circles(&self) -> Vec<Vec<String>> {
        let imports = self.imports();
        let reach = |from: &Module| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = open.pop() {
                let next = imports.get(&module).into_iter().flatten().cloned();
                open.extend(next.filter(|module| seen.insert(module.clone())));
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> =
            imports.keys().map(|module| (*module, reach(module))).collect();
        let mut circles = BTreeSet::new();
        for (module, there) in &reached {
            let circle: Vec<String> = there
                .iter()
                .filter(|other| reached.get(other).is_some_and(|back| back.contains(*module)))
                .map(|other| other.join("::"))
                .collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }
}

fn module_of(path: &str) -> Module {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let mut parts: Module = path.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// Circles of a crate that are larger than they may be. `sources` are its files by their paths beneath `src/`.
pub(crate) fn too_large<'s>(sources: impl Iterator<Item = (&'s str, &'s str)>) -> Vec<Vec<String>> {
    let circles = Graph::new(sources).circles();
    circles.into_iter().filter(|circle| circle.len() > FILES_MAX).collect()
}

#[test]
fn a_circle_is_found_through_tables_of_contents() {
    let files = [
        ("main.rs", "mod room; mod top;"),
        ("top.rs", "use crate::room::Thing;"),
        ("room/mod.rs", "mod a; mod b; mod c; pub(crate) use a::Thing; pub(crate) use b::Other as Another;"),
        ("room/a.rs", "use super::Another; struct Thing;"),
        ("room/b.rs", "fn f() { crate::room::c::g() }"),
        ("room/c.rs", "#[cfg(test)] mod tests { use crate::top::X; } use crate::room::{Thing, d}; fn g() {}"),
    ];
    assert_eq!(too_large(files.into_iter()), [["room::a", "room::b", "room::c"].map(str::to_owned)]);
    let broken = files.map(|(path, text)| (path, if path == "room/c.rs" { "use std::fs;" } else { text }));
    assert!(too_large(broken.into_iter()).is_empty());
}
