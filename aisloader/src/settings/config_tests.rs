use super::*;
use crate::client::s3::Lookup;

fn config(line: &str, endpoint: Option<&str>) -> Result<Config, FlagError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let lookup = Lookup {
        variable: &|name| (name == "AIS_SKIP_VERIFY_CRT").then(|| "true".into()),
        ..Lookup::of_process()
    };
    Config::with_lookup(&Parsed::parse(&words).unwrap(), endpoint, 42, &lookup)
}

#[test]
fn certificates_matter_only_where_tls_is_spoken() {
    let with = |endpoint| {
        let lookup = Lookup {
            variable: &|name| (name == "AIS_CLIENT_CA").then(|| "/nowhere/ca.pem".into()),
            ..Lookup::of_process()
        };
        let flags = Parsed::parse(&["-cleanup=true"]).unwrap();
        Config::with_lookup(&flags, Some(endpoint), 42, &lookup)
    };
    assert!(with("http://h").is_ok());
    let error = with("https://h").unwrap_err();
    assert!(error.0.contains("AIS_CLIENT_CA=\"/nowhere/ca.pem\": No such file"), "{error}");
}

#[test]
fn defaults_are_those_of_aistore() {
    let config = config("-bucket=ais://b -cleanup=false", None).unwrap();
    assert_eq!(config.gateway, "localhost:8080");
    assert_eq!(config.workers, 10);
    assert_eq!((config.mix.pct_put, config.mix.pct_list), (0, 0));
    assert_eq!(config.mix.sizes.describe(), "1.00MiB to 1.00GiB");
    assert_eq!(config.bounds.duration, Some(Duration::from_secs(60)));
    assert_eq!(config.timeout, Some(Duration::from_secs(600)));
    assert_eq!(config.mix.seed, 42);
    assert_eq!(config.output.interval, Some(Duration::from_secs(10)));
    assert!(!config.is_bucket_random && !config.is_cleaned_up);
}

#[test]
fn duration_is_tri_state() {
    let bounded = config("-cleanup=true -pctput=100 -totalputsize=1G", None).unwrap();
    assert_eq!(bounded.bounds.duration, None);
    let both = config("-cleanup=true -pctput=100 -totalputsize=1G -duration=5s", None).unwrap();
    assert_eq!(both.bounds.duration, Some(Duration::from_secs(5)));
    assert_eq!(config("-cleanup=true -duration=0", None).unwrap().bounds.duration, None);
    // A bound of zero is no bound.
    let none = config("-cleanup=true -totalputsize=0", None).unwrap();
    assert_eq!(none.bounds.duration, Some(Duration::from_secs(60)));
}

#[test]
fn the_endpoint_comes_from_flags_or_from_the_environment() {
    let table = [
        ("", Some("http://10.0.0.5:51080"), "10.0.0.5:51080"),
        ("", Some("gateway"), "gateway:80"),
        ("", Some(""), "localhost:8080"),
        ("-ip=h -port=99", None, "h:99"),
        ("-ip=::1", None, "[::1]:8080"),
        ("-ip=http://h/", None, "h:8080"),
        ("", Some("https://10.0.0.5:51080/"), "https://10.0.0.5:51080"),
        ("", Some("https://gateway"), "https://gateway:443"),
        ("-ip=https://h -port=99", None, "https://h:99"),
        ("-ip=https://::1", None, "https://[::1]:8080"),
    ];
    for (line, endpoint, want) in table {
        let got = config(&format!("-cleanup=true {line}"), endpoint).unwrap();
        assert_eq!(got.gateway, want, "{line} {endpoint:?}");
    }
    let error = config("-cleanup=true", Some("ftp://x:1")).unwrap_err();
    assert!(error.0.contains("is not http:// or https://host:port"), "{error}");
    let error = config("-cleanup=true -ip=h", Some("http://x:1")).unwrap_err();
    assert!(error.0.contains("exclude each other"), "{error}");
}

#[test]
fn broken_rules_are_named() {
    let table = [
        ("-bucket=ais://b", "-cleanup must be given"),
        ("-cleanup=true -pctput=101", "-pctput: 101"),
        ("-cleanup=true -pctput=60 -pctlist=50", "more than 100"),
        ("-cleanup=true -minsize=2M -maxsize=1M", "-minsize"),
        ("-cleanup=true -numworkers=0", "-numworkers: 0"),
        ("-cleanup=true -skiplist -pctput=50", "-skiplist"),
        ("-cleanup=true -maxputs=5", "-maxputs=5"),
        ("-cleanup=true -cksum-type=crc16", "-cksum-type: \"crc16\""),
        ("-cleanup=true -readertype=tape", "-readertype: \"tape\""),
        ("-cleanup=true -drop -verifyhash", "-drop and -verifyhash exclude"),
        ("-cleanup=true -drop -verify=content", "-drop and -verify=content exclude"),
        ("-cleanup=true -arch.list -verify=checksum", "-arch.list and -verifyhash exclude"),
        ("-cleanup=true -readlen=1 -verifyhash", "-readlen excludes -verifyhash"),
        ("-cleanup=true -pctput=9 -verify=content -arch.pct=5", "do not work with shards"),
        ("-cleanup=true -pctput=9 -verify=content -readertype=tar", "do not work with shards"),
        ("-cleanup=true -pctput=9 -dedupe-pct=5 -readertype=file", "do not work with -readertype=file"),
        ("-cleanup=true -port=x", "-port: \"x\""),
        ("-cleanup=true -bucket=ais://a/b", "-bucket: \"ais://a/b\""),
    ];
    for (line, want) in table {
        let error = config(line, None).unwrap_err();
        assert!(error.0.contains(want), "{line}: {error}");
    }
}

#[test]
fn no_bucket_means_a_new_one() {
    let config = config("-cleanup=true", None).unwrap();
    assert!(config.is_bucket_random);
    assert!(config.bucket.uri().starts_with("ais://aisloader-"));
}

#[test]
fn a_run_without_time_only_cleans_up() {
    let is_cleanup_only = |line: &str| config(line, None).unwrap().is_cleanup_only;
    assert!(is_cleanup_only("-bucket=ais://abc -duration 0s -totalputsize=0 -cleanup=true"));
    for line in [
        "-bucket=ais://abc -cleanup=true",
        "-bucket=ais://abc -cleanup=false -duration=0",
        "-bucket=ais://abc -cleanup=true -duration=0 -stoppable",
        "-bucket=ais://abc -cleanup=true -duration=0 -pctput=100 -totalputsize=1K",
    ] {
        assert!(!is_cleanup_only(line), "{line}");
    }
}

#[test]
fn loaders_with_the_same_seed_make_other_decisions() {
    let loader =
        |id: u64| config(&format!("-cleanup=true -seed=9 -loadernum=3 -loaderid={id}"), None).unwrap();
    let seeds: std::collections::BTreeSet<u64> = (0..3).map(|id| loader(id).mix.own_seed).collect();
    assert_eq!(seeds.len(), 3);
    // The first of several loaders decides like one loader alone.
    assert_eq!((loader(0).mix.own_seed, loader(2).mix.seed), (9, 9));
    assert_eq!(loader(0).bucket, loader(1).bucket);
}
