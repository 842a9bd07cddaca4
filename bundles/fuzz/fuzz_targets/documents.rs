//! Manifests, indexes, configurations and PAX records of any bytes.
#![no_main]

use bundles::config;
use bundles::layer::pax::Pax;
use bundles::limits::Limits;
use bundles::source::documents::{self, Document};
use bundles::tree::Tree;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Pax::parse(data);
    match documents::parse(data, None) {
        Ok(Document::Index(index)) => drop(documents::choose(&index)),
        Ok(Document::Manifest(manifest)) => drop(documents::check_manifest(&manifest, 10)),
        Err(_) => {}
    }
    if let Ok(image) = documents::parse_config(data) {
        let tree = Tree::new(&std::env::temp_dir(), &Limits::default()).expect("a tree");
        if let Ok(spec) = config::derive(&image, &tree) {
            config::to_json(&spec).expect("JSON");
        }
    }
});
