//! The versions that our code mirrors. A test that fails here asks for a comparison of the new sources with what is named.

use std::fs;
use std::path::Path;

/// The crate, its version, and what depends on its insides.
const MIRRORED: [(&str, &str, &str); 3] = [
    (
        "faiss-sys",
        "0.7.0",
        "FAISS's classes and the format of its files: engine/shim, backend/faiss, spec/parse.rs (index_factory.cpp)",
    ),
    (
        "hnsw_rs",
        "0.3.5",
        "its dump, version 4 of hnswio.rs: backend/hnsw_rs/files.rs; Hnsw::search: backend/hnsw_rs/walk.rs",
    ),
    (
        "faiss",
        "0.13.0",
        "IndexImpl::inner_ptr, whose pointer is taken over: backend/faiss",
    ),
];

#[test]
fn what_is_mirrored_has_not_moved() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    for (name, version, mirror) in MIRRORED {
        let locked: Vec<&str> = lock
            .split("[[package]]")
            .filter(|package| package.contains(&format!("\nname = \"{name}\"\n")))
            .filter_map(|package| package.split("version = \"").nth(1)?.split('"').next())
            .collect();
        assert_eq!(locked, [version], "{name} moved: look over {mirror}");
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for pin in ["faiss-sys = { version = \"=0.7.0\"", "hnsw_rs = \"=0.3.5\""] {
        assert!(manifest.contains(pin), "no longer pinned: {pin}");
    }
}
