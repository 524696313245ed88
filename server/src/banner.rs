//! The findings of a start, in a few lines for the operator.

use crate::boot::RunningNode;
use crate::store::{Mountpath, Reach};
use std::collections::HashMap;
use std::io::Write;

const GIB: f64 = (1u64 << 30) as f64;

/// Prints the lines to standard output; the last one says where to connect.
pub(crate) fn print(running: &RunningNode) {
    // Nobody may be reading; the node runs all the same.
    let _ = std::io::stdout().write_all(lines(running).as_bytes());
}

fn lines(running: &RunningNode) -> String {
    let node = &running.node;
    let features = running.features;
    let on = |has: bool| if has { "yes" } else { "no" };
    let mut lines = vec![
        format!("Straightline {} (AIStore {} API)", env!("CARGO_PKG_VERSION"), crate::node::AIS_VERSION),
        format!(
            "  cores       {}; io_uring: registered buffers {}, zero-copy send {}",
            running.config.cores,
            on(features.registered_buffers),
            on(features.send_zc)
        ),
        format!("  memory      {}", node.budget),
        format!("              {}", running.config.memory.reason),
    ];
    let warnings = running.config.memory.warning.iter().chain(&running.warnings);
    lines.extend(warnings.map(|warning| format!("  WARNING     {warning}")));
    lines.extend(features.missing().into_iter().map(|missing| format!("  missing     {missing}")));
    for mountpath in node.mountpaths.iter() {
        let fs = &mountpath.file_system;
        lines.push(format!(
            "  mountpath   {} ({} on {}:{}, {:.1} of {:.1} GiB free, {} lanes)",
            mountpath.path.display(),
            mountpath.ground.fs_type,
            rustix::fs::major(fs.device),
            rustix::fs::minor(fs.device),
            fs.available_bytes as f64 / GIB,
            fs.total_bytes as f64 / GIB,
            mountpath.lanes,
        ));
        lines.extend(promise(mountpath));
    }
    lines.extend(shared_disks(running));
    let found = &running.recovery;
    lines.push(format!(
        "  objects     {} in {:.2} GiB; replayed {}, rebuilt {} lanes, torn {} bytes, swept {}, unusable {}",
        found.objects,
        found.size_bytes as f64 / GIB,
        found.replayed,
        found.rebuilt,
        found.torn_bytes,
        found.swept,
        found.unusable
    ));
    lines.push("  durability  group (per bucket: group, always, none)".to_owned());
    lines.push(format!(
        "  node        p[{}] t[{}], data in {}",
        node.proxy_id,
        node.target_id,
        node.data_dir.display()
    ));
    lines.push(format!("  listening   {}", node.url));
    lines.join("\n") + "\n"
}

/// The flushes by which changes become durable on a mountpath, and the worth of that.
fn promise(mountpath: &Mountpath) -> Vec<String> {
    let ground = &mountpath.ground;
    let mut lines = vec![match ground.reach {
        Reach::OrderedJournal => "              durable by one flush for all (ordered journal)".to_owned(),
        Reach::WholeFileSystem => {
            "              durable by a flush for each file, then of the whole file system (no journal)"
                .to_owned()
        }
        Reach::EachFile => "              durable by a flush for each file (order not known)".to_owned(),
        Reach::Nothing => format!(
            "  WARNING     {} promises nothing: group and always are as none there",
            mountpath.path.display()
        ),
    }];
    lines.extend(ground.remarks.iter().map(|remark| format!("              {remark}")));
    if mountpath.abilities.attribute_bytes < wire::lom::MAX_ATTRIBUTE {
        let bytes = mountpath.abilities.attribute_bytes;
        lines.push(format!(
            "              attributes of {bytes} bytes: what does not fit lies in files beside"
        ));
    }
    if !mountpath.abilities.exchanges {
        lines.push(
            "              names cannot be exchanged: an overwrite that fails cannot be taken back"
                .to_owned(),
        );
    }
    lines
}

/// Mountpaths on one disk share its speed and its failure.
fn shared_disks(running: &RunningNode) -> Vec<String> {
    let mut by_device: HashMap<u64, Vec<String>> = HashMap::new();
    for mountpath in running.node.mountpaths.iter() {
        by_device.entry(mountpath.file_system.device).or_default().push(mountpath.path.display().to_string());
    }
    let shared = by_device.into_values().filter(|paths| paths.len() > 1);
    shared
        .map(|paths| {
            format!("  WARNING     {} share one file system: fine for development only", paths.join(", "))
        })
        .collect()
}
