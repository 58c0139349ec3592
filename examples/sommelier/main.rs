//! The wine sommelier.
fn main() {}
