//! A node on damaged data.

use crate::damage::{Victim, files_by_kind};
use crate::run::*;
use crate::support::{Bucket, Client, Reply, Site};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// Bits turned over before the node is started on them.
const AT_ONCE: usize = 8;

type Objects = BTreeMap<String, Vec<u8>>;

fn objects(client: &mut Client, bucket: Bucket) -> Objects {
    let names = bucket.list(client);
    let read = |name: &String| {
        let reply = client.get(&bucket.object(name));
        assert_eq!((reply.status, reply.complete), (200, true), "{name}");
        (bucket.object(name), reply.body)
    };
    names.iter().map(read).collect()
}

/// The right bytes, or an error. Returns whether they were the bytes.
fn right_or_refused(reply: &Reply, path: &str, right: &[u8], what: &str) -> bool {
    match reply.status {
        200 | 206 if reply.complete => {
            assert!(reply.body == right, "{what}: {path} has other bytes");
            true
        }
        // Damage behind what has been sent already cuts the answer short.
        200 | 206 => {
            assert!(right.starts_with(&reply.body), "{what}: {path} has other bytes before the cut");
            false
        }
        // An index that is found damaged is being made anew.
        404 | 500 | 503 => false,
        status => panic!("{what}: {path}: {status} {}", reply.text()),
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

#[test]
fn flipped_bits_are_never_served() {
    let mut site = Site::new("tools-served");
    populate(&mut site, true);
    let node = site.start();
    let mut client = node.client();
    let right: Objects = [B, OTHER].into_iter().flat_map(|bucket| objects(&mut client, bucket)).collect();
    node.stop();
    let aside = site.root().join("whole");
    copy(&site.mountpath, &aside);
    let mut dice = Dice(0xb17);
    let (mut served, mut refused) = (0, 0);
    for first in (0..flips() / 2).step_by(AT_ONCE) {
        let kinds = files_by_kind(&site);
        let victims: Vec<Victim> =
            (first..first + AT_ONCE).map(|turn| Victim::pick(&kinds, turn, &mut dice)).collect();
        for victim in &victims {
            victim.flip(dice.roll(8) as u8);
        }
        let what = format!("{victims:?}");
        let node = site.start();
        let mut client = node.client();
        for (path, bytes) in &right {
            let whole = client.get(path);
            let ok = right_or_refused(&whole, path, bytes, &what);
            *(if ok { &mut served } else { &mut refused }) += 1;
            if bytes.len() > 1 {
                let begin = dice.roll(bytes.len() - 1);
                let end = begin + dice.roll(bytes.len() - begin);
                let part = client.call("GET", path, &[("Range", &format!("bytes={begin}-{end}"))], b"");
                right_or_refused(&part, path, &bytes[begin..=end], &what);
            }
        }
        node.stop();
        fs::remove_dir_all(&site.mountpath).unwrap();
        copy(&aside, &site.mountpath);
    }
    eprintln!("{served} reads were right, {refused} were refused");
    assert!(served > 0 && refused > 0, "{served} right, {refused} refused");
}
