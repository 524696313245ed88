use super::archives::archives;
use super::bucket_props::bucket_props;
use super::naming::naming;
use super::range::range;
use super::*;
use crate::flags::Parsed;
use std::io::Write as _;

fn flags(words: &[&str]) -> Parsed {
    Parsed::parse(words).unwrap()
}

/// Words, and the number and bits that they come to.
type Row = (&'static [&'static str], Option<(u64, u32)>);

#[test]
fn loaders_are_numbered_or_named() {
    let table: [Row; 9] = [
        (&[], Some((0, 0))),
        (&["-loaderid=10"], Some((10, 0))),
        (&["-loaderid=11", "-loadernum=20"], Some((11, 8))),
        (&["-loaderid=15", "-loadernum=16"], Some((15, 4))),
        // AIStore lets this one pass, and then two loaders write the same names.
        (&["-loaderid=20", "-loadernum=20"], None),
        (&["-loaderid=loaderstring"], None),
        (&["-loaderid=loaderstring", "-loaderidhashlen=8"], Some((0xdb, 8))),
        (&["-loaderid=x", "-loaderidhashlen=64"], None),
        (&["-loaderid=x", "-loaderidhashlen=8", "-loadernum=5"], None),
    ];
    for (words, want) in table {
        let got = loader_id(&flags(words)).ok().map(|got| (got.id, got.bits));
        assert_eq!(got, want, "{words:?}");
    }
}

#[test]
fn numbered_loaders_write_numbered_names() {
    assert!(naming(&flags(&[])).unwrap().is_random);
    assert!(!naming(&flags(&["-loadernum=2"])).unwrap().is_random);
    assert!(!naming(&flags(&["-randomname=false"])).unwrap().is_random);
    assert!(naming(&flags(&["-num-subdirs=100000"])).is_err());
}

#[test]
fn ranges_need_what_they_are_made_of() {
    let of = |words: &[&str]| range(&flags(words)).map(|range| range.map(|r| (r.offset_bytes, r.len_bytes)));
    assert_eq!(of(&[]).unwrap(), None);
    assert_eq!(of(&["-readoff=1K", "-readlen=4K"]).unwrap(), Some((1024, Some(4096))));
    assert_eq!(of(&["-readlen=4K"]).unwrap(), Some((0, Some(4096))));
    // AIStore's loader forgets an offset without a length; here it means to the end.
    assert_eq!(of(&["-readoff=1K"]).unwrap(), Some((1024, None)));
    for bad in [["-range-mode=random", "-readoff=1"], ["-range-mode=sideways", "-readlen=1"]] {
        assert!(of(&bad).is_err(), "{bad:?}");
    }
    assert!(of(&["-range-mode=aligned", "-readlen=1", "-pctupdate=1"]).is_err());
}

#[test]
fn sections_of_a_bucket() {
    let of = |text: &str| bucket_props(&flags(&["-bprops", text]));
    assert!(bucket_props(&flags(&[])).unwrap().is_none());
    let good = r#"{"mirror": {"copies": 2, "enabled": true}, "ec": {"enabled": true, "data_slices": 2}}"#;
    assert_eq!(of(good).unwrap().unwrap()["mirror"]["copies"], 2);
    assert_eq!(of(r#"{"read_cache": false}"#).unwrap().unwrap()["read_cache"], false);
    for bad in [
        "{",
        "[]",
        r#"{"lru": {}}"#,
        r#"{"mirror": {"copies": 3, "enabled": true}}"#,
        r#"{"ec": {"enabled": true, "parity_slices": 33}}"#,
    ] {
        assert!(of(bad).is_err(), "{bad}");
    }
}

#[test]
fn tokens_come_from_json_or_from_text() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    let of = || token(&flags(&["-tokenfile", &path]));
    assert!(of().is_err());
    file.write_all(b" abc.def\n").unwrap();
    assert_eq!(of().unwrap().as_deref(), Some("abc.def"));
    std::fs::write(&path, r#"{"token": "x.y", "expires": "never"}"#).unwrap();
    assert_eq!(of().unwrap().as_deref(), Some("x.y"));
    std::fs::write(&path, "a\r\nX-Other: b").unwrap();
    assert!(of().is_err());
    assert!(token(&flags(&["-tokenfile=/no/such/file"])).is_err());
}

#[test]
fn archives_are_tars() {
    let of = |words: &[&str]| archives(&flags(words));
    assert_eq!((of(&[]).unwrap().pct, of(&["-readertype=tar"]).unwrap().pct), (0, 100));
    let all = of(&["-arch.pct=30", "-arch.num-files=7", "-arch.maxsize=4K", "-arch.format=tar"]).unwrap();
    assert_eq!((all.pct, all.files, all.file_bytes, all.extension), (30, 7, Some((1024, 4096)), ".tar"));
    let long = format!("-arch.prefix={}", "x".repeat(200));
    for bad in [
        &["-arch.format=.tgz"] as &[&str],
        &["-arch.pct=101"],
        &["-arch.num-files=-1"],
        &["-arch.minsize=2K", "-arch.maxsize=1K"],
        &["-arch.prefix=../"],
        &[&long],
        &["-arch.list", "-readlen=5"],
        &["-arch.list", "-pctdel=5"],
    ] {
        assert!(of(bad).is_err(), "{bad:?}");
    }
}
