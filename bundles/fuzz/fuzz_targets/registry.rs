//! What registries and pull secrets say: challenges and `dockerconfigjson` of any bytes.
#![no_main]

use bundles::registry::{Keychain, challenge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(challenge::Challenge::Bearer { realm, .. }) = challenge::parse(text)
    {
        assert!(!realm.is_empty());
    }
    if let Ok(keychain) = Keychain::anonymous().with_secret(data) {
        for image in ["r.example/a", "r.example:5000/team/x"] {
            let _ = keychain.find(&image.parse().expect("a reference"));
        }
    }
});
