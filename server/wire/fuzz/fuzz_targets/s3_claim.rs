//! No head makes reading or verifying its signature panic, and none is taken without the secret.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::http1::{HeadLimits, parse_request};
use wire::s3::{Claim, SigningKey};

fuzz_target!(|data: &[u8]| {
    let Ok(Some(head)) = parse_request(data, &HeadLimits::default()) else { return };
    let Ok(Some(claim)) = Claim::of(&head) else { return };
    let key = SigningKey::new("a secret that no input knows", &claim.day, &claim.region);
    assert!(claim.verify(&head, &key, claim.at.unix_s()).is_err());
});
