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
    assert_eq!(
        page,
        Page { objects: vec![("d/a b+é".into(), 434_234), ("z".into(), 0)], next: "a&b==".into() }
    );
    let count = count_page(PAGE.as_bytes()).unwrap();
    assert_eq!(count, PageSummary { names: 2, next: "a&b==".into() });
    // Without an announcement, names stand as they are; without truncation, a token says nothing.
    let plain = PAGE.replace("<EncodingType>url</EncodingType>", "").replace(">true<", ">false<");
    let page = read_page(plain.as_bytes()).unwrap();
    assert_eq!(
        page,
        Page { objects: vec![("d/a+b%2B%C3%A9".into(), 434_234), ("z".into(), 0)], next: String::new() }
    );
    let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    assert_eq!(read_page(empty.as_bytes()).unwrap(), Page::default());
    let pageless = PAGE.replace("a&amp;b==", "");
    assert!(read_page(pageless.as_bytes()).unwrap_err().0.contains("without a token"));
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
        read_deletion(ERROR.as_bytes()).unwrap_err(),
    ];
    assert!(told.iter().all(|error| error.0.starts_with("SlowDown")), "{told:?}");
    assert!(read_page(STARTED.as_bytes()).unwrap_err().0.contains("no ListBucketResult"));
}

#[test]
fn uploads_and_deletions() {
    assert_eq!(read_upload_id(STARTED.as_bytes()).unwrap(), "u<1");
    read_completion(COMPLETE.as_bytes()).unwrap();
    read_completion(b"<CompleteMultipartUploadResult/>").unwrap();
    let failed = read_deletion(DELETED.as_bytes()).unwrap();
    assert_eq!((failed.len(), failed[0].key.as_str(), failed[0].code.as_str()), (2, "k", "AccessDenied"));
    assert!(read_deletion(b"<DeleteResult/>").unwrap().is_empty());
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
    assert!(read_page(&long).unwrap_err().0.contains("too long"));
}

/// Every reader, for what it may not do: panic.
fn read_all(bytes: &[u8]) {
    let _ = (read_page(bytes), count_page(bytes), read_error(bytes), read_upload_id(bytes));
    let _ = (read_completion(bytes), read_deletion(bytes));
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[<>/&;\"'= !?a-cA-C\\[\\]-]{0,60}") {
        read_all(&bytes);
        read_all(text.as_bytes());
    }

    #[test]
    fn mutated_documents_do_no_harm(
        which in 0usize..5, at in any::<prop::sample::Index>(), byte in any::<u8>(), length in 0usize..40, again in any::<bool>()
    ) {
        let document = [PAGE, ERROR, STARTED, COMPLETE, DELETED][which].as_bytes();
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
    fn names_survive_the_way_through_a_document(names in prop::collection::vec("[ -~é€]{1,20}", 0..5)) {
        let refs: Vec<&str> = names.iter().map(String::as_str).collect();
        let body = deletion(&refs).replace("Object>", "Contents>");
        let body = body.replace("<Delete>", "<ListBucketResult>").replace("</Delete>", "</ListBucketResult>");
        prop_assume!(!names.iter().any(|name| name.contains("Delete") || name.contains("Object")));
        // White space at a name's ends is the parser's to trim; listings are asked for with encoded names.
        prop_assume!(names.iter().all(|name| name.trim() == name));
        let objects = read_page(body.as_bytes()).unwrap().objects;
        prop_assert_eq!(objects.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), names);
    }
}
