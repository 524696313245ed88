//! `store rebuild-index`.

use crate::damage::{Victim, attribute};
use crate::run::*;
use crate::support::{Bucket, Client, Site, files_beneath};
use serde_json::Value;
use std::fs;

/// A listing with all that the index knows.
fn listing(client: &mut Client, bucket: Bucket) -> Value {
    let value = serde_json::json!({ "props": "name,size,checksum,version,custom", "pagesize": 10_000 });
    let message = serde_json::json!({ "action": "list", "value": value });
    let reply = bucket.action(client, "GET", &message.to_string());
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["entries"].clone()
}

#[test]
fn a_rebuilt_index_says_the_same() {
    let mut site = Site::new("tools-rebuild");
    populate(&mut site, false);
    let node = site.start();
    let before = [B, OTHER].map(|bucket| listing(&mut node.client(), bucket));
    assert!(before[0].as_array().unwrap().len() > 80 && before[0].to_string().contains("color"));
    assert_eq!(tool(&site, &["rebuild-index"]).code, 2, "the node runs");
    node.stop();
    let index = files_beneath(&site.mountpath.join(".straightline/lanes"));
    let run = index.iter().find(|path| path.to_string_lossy().contains("run-")).unwrap();
    fs::write(run, b"damaged").unwrap();
    findings(&site, "a damaged run");
    let ran = tool(&site, &["rebuild-index"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains("rebuilt 16 indexes"), "{}", ran.text());
    assert_clean(&site, "rebuilt");
    let node = site.start();
    assert_eq!([B, OTHER].map(|bucket| listing(&mut node.client(), bucket)), before);
    node.stop();
}

/// One damaged file keeps neither the tool nor the node from the others.
#[test]
fn damaged_metadata_cost_one_object() {
    let mut site = Site::new("tools-rebuild-damage");
    populate(&mut site, false);
    let file = site.object_file(B.0, "l/1048576");
    let victim = Victim::Attribute(file.clone(), attribute(&file).len() / 2);
    victim.flip(3);
    let ran = tool(&site, &["rebuild-index"]);
    assert_eq!(ran.code, 1, "{}", ran.text());
    assert!(ran.text().contains("unusable 1,"), "{}", ran.text());
    let found = findings(&site, "damaged metadata");
    assert_eq!(found.len(), 1, "{found:?}");
    let node = site.start();
    let names = B.list(&mut node.client());
    assert!(names.len() > 70 && !names.contains(&"l/1048576".to_owned()), "{names:?}");
    node.stop();
    victim.flip(3);
    assert_eq!(tool(&site, &["rebuild-index"]).code, 0);
    assert_clean(&site, "as it was");
    let node = site.start();
    assert_eq!(B.list(&mut node.client()).len(), names.len() + 1);
    node.stop();
}
