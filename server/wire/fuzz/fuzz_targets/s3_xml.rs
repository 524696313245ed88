//! No document makes a reader panic; what is read of a deletion and written again is read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::s3::xml;

fuzz_target!(|data: &[u8]| {
    let _ = (xml::read_page(data), xml::count_page(data), xml::read_error(data), xml::read_buckets(data));
    let _ = (xml::read_upload_id(data), xml::read_completion(data), xml::read_delete_result(data));
    let _ = (xml::read_completed_parts(data), xml::read_creation(data));
    if let Ok(deletion) = xml::read_deletion(data) {
        let names: Vec<&str> = deletion.objects.iter().map(|(name, _)| name.as_str()).collect();
        let again = xml::read_deletion(xml::deletion(&names).as_bytes()).unwrap();
        assert!(again.objects.iter().map(|(name, _)| name.as_str()).eq(names));
    }
});
