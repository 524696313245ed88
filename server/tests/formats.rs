//! The largest names and the most metadata, as a client sends them: all of it comes back; one byte more is refused in words,
//! and leaves nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Bucket, Client, Site, content};

const B: Bucket = Bucket("formats");
const NAME_BYTES_MAX: usize = 4096;
/// Keys and values, and four bytes for each pair.
const CUSTOM_BYTES_MAX: usize = 2048;

/// A name as a client writes it into a path.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/';
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn longest_names() -> Vec<String> {
    let fill = |unit: &str| unit.repeat(NAME_BYTES_MAX / unit.len());
    let slashes = format!("a{}b", "/".repeat(NAME_BYTES_MAX - 2));
    let names = vec![fill("x"), fill("%"), fill("é"), fill("/z"), fill("\u{1F600}"), fill("\u{1}"), slashes];
    assert!(names.iter().all(|name| name.len() == NAME_BYTES_MAX));
    names
}

/// Header lines of as much metadata as fits, and some bytes more.
fn metadata(more: usize) -> Vec<String> {
    let pairs: Vec<String> =
        (0..8).map(|at| format!("key{at}={}", "v".repeat(CUSTOM_BYTES_MAX / 8 - 8))).collect();
    assert_eq!(pairs.iter().map(|pair| pair.len() - 1 + 4).sum::<usize>(), CUSTOM_BYTES_MAX);
    pairs
        .into_iter()
        .enumerate()
        .map(|(at, pair)| if at == 7 { pair + &"v".repeat(more) } else { pair })
        .collect()
}

fn put(client: &mut Client, name: &str, metadata: &[String], bytes: &[u8]) -> support::Reply {
    let headers: Vec<(&str, &str)> = metadata.iter().map(|pair| ("Ais-Custom-Md", pair.as_str())).collect();
    client.call("PUT", &B.object(&escaped(name)), &headers, bytes)
}

#[test]
fn the_largest_come_back_and_more_is_refused() {
    let mut site = Site::new("formats");
    site.settings = "lanes = 1\nsegment_bytes = 1048576".to_owned();
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let names = longest_names();
    let sizes = [100, 131_071, 131_072, 5 << 20];
    let bytes_of = |at: usize| content(at as u64, sizes[at % sizes.len()]);
    for (at, name) in names.iter().enumerate() {
        let reply = put(&mut client, name, &metadata(0), &bytes_of(at));
        assert_eq!(reply.status, 200, "{name:?}: {}", reply.text());
    }
    let refused = put(&mut client, "more", &metadata(1), b"x");
    assert!(
        refused.status == 400 && refused.text().contains("metadata"),
        "{} {}",
        refused.status,
        refused.text()
    );
    let longer = "x".repeat(NAME_BYTES_MAX + 1);
    let refused = put(&mut client, &longer, &[], b"x");
    assert!(
        refused.status == 400 && refused.text().contains(&NAME_BYTES_MAX.to_string()),
        "{} {}",
        refused.status,
        refused.text()
    );

    let look = |client: &mut Client| {
        let mut expected = names.clone();
        expected.sort();
        assert_eq!(B.list(client), expected);
        for (at, name) in names.iter().enumerate() {
            let reply = client.get(&B.object(&escaped(name)));
            assert!(reply.status == 200 && reply.body == bytes_of(at), "{name:?}: {}", reply.status);
            let head = client.head(&B.object(&escaped(name)));
            let fields = head.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case("Ais-Custom-Md"));
            let all: String = fields.map(|(_, value)| value.as_str()).collect();
            assert_eq!(all.matches("key").count(), 8, "{name:?}: {all}");
        }
    };
    look(&mut client);
    node.kill();
    let node = site.start();
    look(&mut node.client());
    node.stop();
    site.remove_indexes();
    let node = site.start();
    assert!(node.banner().contains("unusable 0"), "{}", node.banner());
    look(&mut node.client());
    for name in &names {
        assert_eq!(node.client().delete(&B.object(&escaped(name))).status, 200, "{name:?}");
    }
    node.kill();
    let node = site.start();
    assert_eq!(B.list(&mut node.client()), Vec::<String>::new());
    node.stop();
}
