//! Compiles the C++ shim (`shim/`) against the headers of the FAISS that `faiss-sys` built.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-changed=build.rs");
    let root = std::env::var_os("DEP_FAISS_C_ROOT")
        .map(PathBuf::from)
        .expect("faiss-sys with its feature `static` names the folder it installed FAISS in");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .flag("-fopenmp")
        .opt_level(3)
        .include(root.join("include"))
        .files(["shim/search.cpp", "shim/growth.cpp", "shim/handle.cpp"])
        .compile("vinedb_faiss_shim");
}
