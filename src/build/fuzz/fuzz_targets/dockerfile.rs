//! Dockerfiles of any text are planned or refused, and their words replaced.
#![no_main]

use std::collections::BTreeMap;

use build::plan::Plan;
use build::words::Expander;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Plan::new("Dockerfile", text, &BTreeMap::new(), None);
    let lookup = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    let expander = Expander { escape: '\\', lookup: &lookup };
    let _ = (expander.word(text), expander.words(text), expander.text(text));
    let _ = build::pattern::Patterns::of_ignore_file(text).map(|patterns| patterns.contains(b"a/b/c"));
});
