//! The rules of the house, as a test: who may import what, how long things may be, where `unsafe` may stand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod circles;

use std::fs;
use std::path::{Path, PathBuf};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;

/// (crate or module, the paths that may name it; tests and examples apart).
const IMPORTS: [(&str, &[&str]); 9] = [
    ("async_task", &["server/uring/src/executor/"]),
    ("io_uring", &["server/uring/"]),
    ("libc", &["server/uring/"]),
    ("tokio", &["server/src/cluster/", "server/src/backend/"]),
    ("aisnode", &["server/"]),
    ("link", &["server/src/", "aisloader/"]),
    ("quick_xml", &["server/wire/src/s3/xml/", "aisloader/src/report/html/"]),
    ("rustls", &["server/link/", "aisloader/src/client/http.rs", "server/src/front/"]),
    ("mimalloc", &["server/src/main.rs", "aisloader/src/main.rs"]),
];

/// (room, what it must not reach up to). Each room has a row.
const LAYERS: [(&str, &[&str]); 18] = [
    ("server/src/front/", &["crate::boot", "crate::tools", "crate::store"]),
    ("server/src/tools/", &["crate::front", "crate::native", "crate::object", "crate::shard"]),
    (
        "server/src/plan.rs",
        &["crate::shard", "crate::store", "crate::object", "crate::native", "std::fs", "std::time"],
    ),
    ("server/uring/src/", &["placement::", "wire::", "lsm::", "sysmem::"]),
    ("server/sysmem/src/", &["placement::", "wire::", "lsm::", "uring::"]),
    ("aisloader/src/", &["aisnode::", "lsm::"]),
    ("bench/src/", &["aisnode::"]),
    (
        "server/src/store/",
        &["crate::object", "crate::native", "crate::front", "crate::jobs", "crate::cluster", "crate::shard"],
    ),
    ("server/src/shard/", &["crate::object", "crate::native", "crate::front", "crate::plan", "crate::jobs"]),
    ("server/src/object/", &["crate::native", "crate::s3", "crate::front", "crate::jobs", "wire::api::lso"]),
    ("server/src/native/", &["crate::front", "crate::s3"]),
    ("server/src/reply.rs", &["crate::shard", "crate::object", "crate::native", "crate::front"]),
    ("server/src/cluster/", &["crate::object", "crate::native", "crate::shard", "crate::jobs"]),
    ("server/src/jobs/", &["crate::native", "crate::s3", "crate::front", "wire::api::lso"]),
    (
        "server/lsm/src/",
        &["placement::", "wire::api", "wire::lom", "wire::segment", "std::thread", "std::net::"],
    ),
    ("server/wire/src/", &["uring::", "std::net::TcpStream", "std::fs::"]),
    (
        "server/link/src/",
        &["placement::", "lsm::", "wire::api", "wire::lom", "wire::s3", "std::net::TcpStream"],
    ),
    ("placement/src/", &["wire::", "uring::", "std::fs::", "std::net::TcpStream", "std::time::"]),
];

struct Source {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut dirs: Vec<PathBuf> =
        ["placement", "server", "aisloader", "bench"].iter().map(|dir| root.join(dir)).collect();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push(Source { path: relative, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn is_test(path: &str) -> bool {
    ["/tests/", "/benches/", "/examples/", "/fuzz/"].iter().any(|part| path.contains(part))
}

/// Lines of code: without comments and string contents that could look like code.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

fn names(line: &str, krate: &str) -> bool {
    let path = format!("{krate}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn fail_unless_empty(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn crates_are_imported_where_they_belong() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        for (krate, allowed) in IMPORTS {
            if allowed.iter().any(|prefix| source.path.starts_with(prefix)) {
                continue;
            }
            let lines = code_lines(&source.text).filter(|(_, line)| names(line, krate));
            found.extend(lines.map(|(at, line)| format!("{}:{at}: {}", source.path, line.trim())));
        }
    }
    fail_unless_empty("imports out of place", found);
}

#[test]
fn layers_only_look_down() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        for (layer, forbidden) in LAYERS.iter().filter(|(layer, _)| source.path.starts_with(layer)) {
            for word in *forbidden {
                let lines = code_lines(&source.text).filter(|(_, line)| line.contains(word));
                found.extend(
                    lines.map(|(at, _)| format!("{}:{at}: {layer} must not use {word}", source.path)),
                );
            }
        }
    }
    fail_unless_empty("layers that look up", found);
}

#[test]
fn every_room_has_a_row() {
    let dirs = |dir: &str| {
        let entries = fs::read_dir(root().join(dir)).unwrap().map(|entry| entry.unwrap());
        let dirs = entries.filter(|entry| entry.path().is_dir());
        let dir = dir.to_owned();
        dirs.map(move |entry| format!("{dir}/{}/", entry.file_name().to_string_lossy())).collect::<Vec<_>>()
    };
    let crates = sources().into_iter().filter_map(|source| {
        let (krate, _) = source.path.split_once("/src/")?;
        Some(format!("{krate}/src/"))
    });
    let rooms = dirs("server/src").into_iter().chain(crates.filter(|krate| krate != "server/src/"));
    let mut found: Vec<String> =
        rooms.filter(|room| !LAYERS.iter().any(|(layer, _)| layer == room)).collect();
    found.sort();
    found.dedup();
    fail_unless_empty("rooms without a row", found);
}

#[test]
fn no_circle_spans_more_than_two_files() {
    let sources = sources();
    let mut crates: Vec<&str> =
        sources.iter().filter_map(|source| source.path.split_once("/src/").map(|(krate, _)| krate)).collect();
    crates.sort_unstable();
    crates.dedup();
    let mut found = Vec::new();
    for krate in crates {
        let src = format!("{krate}/src/");
        let files =
            sources.iter().filter_map(|source| Some((source.path.strip_prefix(&src)?, &*source.text)));
        let circles = circles::too_large(files);
        found.extend(circles.into_iter().map(|circle| format!("{krate}: {}", circle.join(", "))));
    }
    fail_unless_empty("files that all need each other", found);
}

#[test]
fn unsafe_stands_in_uring_only() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !source.path.starts_with("server/uring/")) {
        let lines = code_lines(&source.text).filter(|(_, line)| {
            line.contains("unsafe ") && !line.contains('"') && !line.contains("unsafe_code")
        });
        found.extend(lines.map(|(at, line)| format!("{}:{at}: {}", source.path, line.trim())));
    }
    fail_unless_empty("unsafe outside server/uring", found);
}

#[test]
fn files_hold_one_idea() {
    let long = |source: &Source| source.text.lines().count() > FILE_LINES_MAX;
    let found = sources().into_iter().filter(long).map(|source| source.path).collect();
    fail_unless_empty("files over 500 lines", found);
}

#[test]
fn functions_fit_a_screen() {
    let mut found = Vec::new();
    for source in sources() {
        for (name, at, length) in functions(&source.text) {
            if length > FUNCTION_LINES_MAX {
                found.push(format!("{}:{at}: {name} has {length} lines", source.path));
            }
        }
    }
    fail_unless_empty("functions over 70 lines", found);
}

/// (name, first line, number of lines) of each function; rustfmt puts the closing brace under the first column.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let Some(name) = function_name(code) else { continue };
        let end = lines[at..].iter().position(|l| l.strip_prefix(indent) == Some("}"));
        let one_line = line.trim_end().ends_with('}') || line.trim_end().ends_with(';');
        if let Some(end) = end.filter(|_| !one_line) {
            found.push((name, at + 1, end + 1));
        }
    }
    found
}

fn function_name(code: &str) -> Option<String> {
    let words = ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe ", "extern \"C\" "];
    let mut rest = code;
    while let Some(next) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = next;
    }
    let name: String =
        rest.strip_prefix("fn ")?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some(name)
}

#[test]
fn nothing_is_left_for_later() {
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[", "ignore"), concat!("unimplemented", "!(")];
    let mut found = Vec::new();
    for source in sources() {
        for word in words {
            let lines = source.text.lines().enumerate().filter(|(_, line)| line.contains(word));
            found.extend(lines.map(|(at, _)| format!("{}:{}: {word}", source.path, at + 1)));
        }
    }
    fail_unless_empty("left for later", found);
}

#[test]
fn the_rules_can_be_broken() {
    let long = format!("    pub(crate) async fn long() {{\n{}    }}\n", "        work();\n".repeat(80));
    assert_eq!(functions(&long), [("long".to_owned(), 1, 82)]);
    assert!(names("use async_task::Task;", "async_task") && names("x(io_uring::y)", "io_uring"));
    assert!(!names("my_async_task::x", "async_task") && !names("crate::tokio::x", "tokio"));
}
