use super::*;
use proptest::prelude::*;

const PAGE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix>
<KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<NextContinuationToken>a&amp;b==</NextContinuationToken>
<Contents><Key>d/a+b%2B%C3%A9</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;f&quot;</ETag>
<Size>434234</Size><Owner><ID>x</ID></Owner></Contents><Contents><Key>z</Key></Contents>
</ListBucketResult>"#;
const ERROR: &str = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message><RequestId>1</RequestId></Error>";
const STARTED: &str = "<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>u&lt;1</UploadId></InitiateMultipartUploadResult>";
const COMPLETE: &str = "<CompleteMultipartUploadResult><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>";
const DELETED: &str = "<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code><Message>no</Message></Error><Error><Key>l</Key></Error></DeleteResult>";

#[test]
fn pages() {
    let page = read_page(PAGE.as_bytes()).unwrap();
    let entry = |key: &str, size_bytes| Entry { key: key.into(), size_bytes, ..Entry::default() };
    let first = |key| Entry {
        etag: "\"f\"".into(),
        modified_unix_ms: crate::s3::unix_ms_from_iso("2009-10-12T17:50:30.000Z"),
        ..entry(key, 434_234)
    };
    let page_of = |key, next: &str| Page {
        objects: vec![first(key), entry("z", 0)],
        prefixes: vec![],
        next: next.into(),
    };
    assert_eq!(page, page_of("d/a b+é", "a&b=="));
    let count = count_page(PAGE.as_bytes()).unwrap();
    assert_eq!(count, PageSummary { names: 2, next: "a&b==".into() });
    // Without an announcement, names stand as they are; without truncation, a token says nothing.
    let plain = PAGE.replace("<EncodingType>url</EncodingType>", "").replace(">true<", ">false<");
    let page = read_page(plain.as_bytes()).unwrap();
    assert_eq!(page, page_of("d/a+b%2B%C3%A9", ""));
    let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    assert_eq!(read_page(empty.as_bytes()).unwrap(), Page::default());
    let pageless = PAGE.replace("a&amp;b==", "");
    assert!(read_page(pageless.as_bytes()).unwrap_err().to_string().contains("without a token"));
}

#[test]
fn errors() {
    let error = read_error(ERROR.as_bytes()).unwrap();
    assert_eq!(error.to_string(), "SlowDown: Please reduce your request rate.");
    let moved = "<?xml version='1.0'?><Error><Code>PermanentRedirect</Code><Endpoint>e</Endpoint><Region>r</Region></Error>";
    let moved = read_error(moved.as_bytes()).unwrap();
    assert_eq!((moved.endpoint.as_str(), moved.region.as_str()), ("e", "r"));
    for other in [PAGE, "", "<html><body>Bad gateway</body></html>", "busy"] {
        assert_eq!(read_error(other.as_bytes()), None, "{other}");
    }
    // An error in the place of another document is told as what it is.
    let told = [
        read_page(ERROR.as_bytes()).unwrap_err(),
        read_upload_id(ERROR.as_bytes()).unwrap_err(),
        read_completion(ERROR.as_bytes()).unwrap_err(),
        read_delete_result(ERROR.as_bytes()).unwrap_err(),
    ];
    assert!(told.iter().all(|error| error.to_string().starts_with("SlowDown")), "{told:?}");
    assert!(read_page(STARTED.as_bytes()).unwrap_err().to_string().contains("no ListBucketResult"));
}

#[test]
fn uploads_and_deletions() {
    assert_eq!(read_upload_id(STARTED.as_bytes()).unwrap(), "u<1");
    read_completion(COMPLETE.as_bytes()).unwrap();
    read_completion(b"<CompleteMultipartUploadResult/>").unwrap();
    let failed = read_delete_result(DELETED.as_bytes()).unwrap();
    assert_eq!((failed.len(), failed[0].key.as_str(), failed[0].code.as_str()), (2, "k", "AccessDenied"));
    assert!(read_delete_result(b"<DeleteResult/>").unwrap().is_empty());
    assert_eq!(
        completion(&["\"a\"".into(), "b&".into()]),
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part><Part><PartNumber>2</PartNumber><ETag>b&amp;</ETag></Part></CompleteMultipartUpload>"
    );
    assert_eq!(
        deletion(&["a<b", "c"]),
        "<Delete><Quiet>true</Quiet><Object><Key>a&lt;b</Key></Object><Object><Key>c</Key></Object></Delete>"
    );
    assert_eq!(creation("us-east-1"), "");
    assert!(creation("eu-1").contains("<LocationConstraint>eu-1</LocationConstraint>"));
}

#[test]
fn hostile_documents_end_in_errors() {
    let deep = "<Error>".to_owned() + &"<x>".repeat(200_000);
    let wide = format!("<ListBucketResult>{}</ListBucketResult>", "<Contents/>".repeat(200_000));
    let entities = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><Error><Code>&b;</Code></Error>";
    for text in
        [deep.as_str(), entities, "<Error><Code>&#0;</Code>", "<Error", "<Error></Erro>", "<a></a><b></b>"]
    {
        assert_eq!(read_error(text.as_bytes()), None, "{:.40}", text);
    }
    // A counted entry takes no memory, so many of them are only counted.
    assert_eq!(count_page(wide.as_bytes()).unwrap().names, 200_000);
    assert!(read_page(wide.as_bytes()).is_err());
    let long = vec![b' '; DOCUMENT_BYTES_MAX + 1];
    assert!(read_page(&long).unwrap_err().to_string().contains("too long"));
}

/// Every reader, for what it may not do: panic.
fn read_all(bytes: &[u8]) {
    let _ =
        (read_page(bytes), count_page(bytes), read_error(bytes), read_upload_id(bytes), read_buckets(bytes));
    let _ = (read_completion(bytes), read_delete_result(bytes), read_deletion(bytes));
    let _ = (read_completed_parts(bytes), read_creation(bytes));
}

/// As AWS's CLI, the SDK for Java, s3cmd and MinIO's client write it.
const COMPLETIONS: [&str; 4] = [
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  <Part>\n    <ETag>a</ETag>\n    <PartNumber>1</PartNumber>\n    <ChecksumCRC64NVME>AA==</ChecksumCRC64NVME>\n  </Part>\n</CompleteMultipartUpload>\n",
    "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><ETag>&quot;a&quot;</ETag><ChecksumCRC64NVME>AA==</ChecksumCRC64NVME><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag><ChecksumCRC64NVME>AA==</ChecksumCRC64NVME></Part></CompleteMultipartUpload>",
    "<s3:CompleteMultipartUpload xmlns:s3=\"x\"><s3:Part><s3:ETag>&#34;a&#34;</s3:ETag><s3:PartNumber>1</s3:PartNumber><s3:ChecksumCRC64NVME><![CDATA[AA==]]></s3:ChecksumCRC64NVME></s3:Part></s3:CompleteMultipartUpload>",
];

#[test]
fn completions_as_clients_write_them() {
    let want = Part { number: 1, etag: "a".into(), checksums: vec![("crc64nvme".into(), "AA==".into())] };
    for text in COMPLETIONS {
        let parts = read_completed_parts(text.as_bytes()).unwrap();
        assert_eq!(parts, std::slice::from_ref(&want), "{text}");
    }
    let mine = read_completed_parts(completion(&["\"x\"".into(), "y".into()]).as_bytes()).unwrap();
    assert_eq!(
        mine.iter().map(|part| (part.number, part.etag.as_str())).collect::<Vec<_>>(),
        [(1, "x"), (2, "y")]
    );
    let part = |number: &str, etag: &str| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    };
    let whole = |parts: &str| format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let many = part("1", "a").repeat(10_001);
    for bad in [
        String::new(),
        part("0", "a"),
        part("10001", "a"),
        part("-1", "a"),
        part("1", ""),
        "<Part/>".into(),
        many,
    ] {
        assert!(read_completed_parts(whole(&bad).as_bytes()).is_err(), "{bad:.80}");
    }
}

#[test]
fn deletions_as_clients_write_them() {
    let text = "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n<Object><Key> a&amp;b </Key></Object><Object><Key>c</Key><VersionId>null</VersionId></Object>\n<Quiet>true</Quiet></Delete>";
    let read = read_deletion(text.as_bytes()).unwrap();
    assert_eq!(
        read.objects,
        [(" a&b ".into(), None), ("c".into(), Some("null".into()))],
        "white space is part of a name"
    );
    assert!(read.is_quiet);
    let object = "<Object><Key>a</Key></Object>";
    let of = |objects: &str| read_deletion(format!("<Delete>{objects}</Delete>").as_bytes());
    assert_eq!(of(&object.repeat(1000)).unwrap().objects.len(), 1000);
    for bad in
        [object.repeat(1001), String::new(), "<Object/>".into(), "<Quiet>maybe</Quiet>".to_owned() + object]
    {
        assert!(of(&bad).is_err(), "{bad:.60}");
    }
    let failed = ErrorText {
        key: "x<".into(),
        code: "AccessDenied".into(),
        message: "no".into(),
        ..ErrorText::default()
    };
    let answer = write_delete_result(["y"].into_iter(), std::slice::from_ref(&failed), false);
    assert!(answer.contains("<Deleted><Key>y</Key></Deleted>"), "{answer}");
    assert_eq!(read_delete_result(answer.as_bytes()).unwrap(), [failed]);
    assert!(!write_delete_result(["y"].into_iter(), &[], true).contains("Deleted"));
}

#[test]
fn the_other_documents() {
    let buckets = [Bucket { name: "b&c".into(), created_unix_ms: 5 }];
    assert_eq!(read_buckets(write_buckets("me", &buckets).as_bytes()).unwrap(), buckets);
    assert_eq!(read_creation(creation("eu-1").as_bytes()).unwrap().as_deref(), Some("eu-1"));
    assert_eq!(read_creation(b" \n").unwrap(), None);
    assert!(read_creation(b"<Other/>").is_err());
    assert!(write_location("us-east-1").ends_with("></LocationConstraint>"));
    assert!(write_location("eu-1").ends_with(">eu-1</LocationConstraint>"));
    assert!(write_versioning().ends_with("></VersioningConfiguration>"));
    assert_eq!(read_upload_id(write_upload_id("b", "k", "u&1").as_bytes()).unwrap(), "u&1");
    read_completion(write_completion("l", "b", "k", "\"e-1\"", &[("CRC32", "AA")]).as_bytes()).unwrap();
    assert!(write_copied(true, "\"e\"", 0, &[]).contains("<CopyPartResult xmlns="));
    let error = write_error("InvalidRange", "no", "/b/k", "1", &[("ActualObjectSize", "3")]);
    assert_eq!(read_error(error.as_bytes()).unwrap().code, "InvalidRange");
    assert!(error.contains("<ActualObjectSize>3</ActualObjectSize>"));
    let entry = Entry { etag: "\"e\"".into(), size_bytes: 7, ..Entry::default() };
    let lines = PartLines { bucket: "b", key: "k", upload_id: "u", marker: 0, max_parts: 1, next: Some(1) };
    let text = lines.write(&[(1, entry)]);
    assert!(
        text.contains("<NextPartNumberMarker>1</NextPartNumberMarker>") && text.contains("<Size>7</Size>"),
        "{text}"
    );
    let lines = UploadLines { bucket: "b", prefix: "", marker: ("", ""), max_uploads: 9, next: None };
    assert!(lines.write(&[("k", "u", 0)]).contains("<Key>k</Key><UploadId>u</UploadId><Initiated>1970-"));
}

#[test]
fn a_page_of_version_1_goes_on_behind_its_last_name() {
    let page = |rest: &str| {
        let text = format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents>{rest}</ListBucketResult>"
        );
        read_page(text.as_bytes()).map(|page| page.next)
    };
    assert_eq!(page("").unwrap(), "a");
    assert_eq!(page("<NextMarker>b/</NextMarker>").unwrap(), "b/");
    assert!(page("<KeyCount>1</KeyCount>").is_err(), "version 2 needs a token");
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[<>/&;\"'= !?a-cA-C\\[\\]-]{0,60}") {
        read_all(&bytes);
        read_all(text.as_bytes());
    }

    #[test]
    fn mutated_documents_do_no_harm(
        which in 0usize..9, at in any::<prop::sample::Index>(), byte in any::<u8>(), length in 0usize..40, again in any::<bool>()
    ) {
        let all = [&[PAGE, ERROR, STARTED, COMPLETE, DELETED][..], &COMPLETIONS[..]].concat();
        let document = all[which].as_bytes();
        let at = at.index(document.len());
        let end = (at + length).min(document.len());
        // A byte is changed, a part is cut out, and a part stands twice.
        let mut changed = document.to_vec();
        changed[at] = byte;
        read_all(&changed);
        let mut cut = document.to_vec();
        let part: Vec<u8> = cut.drain(at..end).collect();
        read_all(&cut);
        if again {
            let mut twice = document.to_vec();
            twice.splice(at..at, part);
            read_all(&twice);
        }
    }

    #[test]
    fn names_to_delete_survive(names in prop::collection::vec("[\\x01-~é€]{1,20}", 1..5)) {
        let refs: Vec<&str> = names.iter().map(String::as_str).collect();
        let read = read_deletion(deletion(&refs).as_bytes()).unwrap();
        prop_assert_eq!(read.objects.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), names);
    }

    #[test]
    fn pages_survive(
        keys in prop::collection::vec("[\\x01-~é€]{1,20}", 0..5), prefixes in prop::collection::vec("[ -~]{1,9}/", 0..3),
        next in proptest::option::of("[ -~]{1,9}"), is_encoded in any::<bool>(), is_version_2 in any::<bool>(), size_bytes in any::<u64>(),
    ) {
        let next = next.as_deref().filter(|next| next.trim() == *next);
        let place = if is_version_2 {
            Place::Token { token: None, start_after: Some("é"), next }
        } else {
            Place::Marker { marker: "", next }
        };
        let listing = Listing {
            name: "b", prefix: "", delimiter: "/", max_keys: 9, is_encoded, place, owner_id: Some("me"), storage_class: "STANDARD",
        };
        let entry = |key: &String| Entry { key: key.clone(), size_bytes, etag: "\"e\"".into(), modified_unix_ms: Some(7) };
        let objects: Vec<Entry> = keys.iter().map(entry).collect();
        let text = listing.write(&objects, &prefixes);
        let page = read_page(text.as_bytes()).unwrap();
        prop_assert_eq!(&page, &Page { objects, prefixes, next: next.unwrap_or_default().to_owned() });
        if is_version_2 {
            let count = count_page(text.as_bytes()).unwrap();
            prop_assert_eq!(count, PageSummary { names: keys.len() as u64, next: page.next });
        }
    }
}
