//! km.
fn main() {}
