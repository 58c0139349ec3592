//! The `vinedb` binary.
fn main() {}
