//! With the feature `faiss`: compiles the C++ shim (`shim/`) against the headers of the FAISS that `faiss-sys` built, and
//! tells `src/cpu.rs` which parts of the processor the compiler was allowed to use.

fn main() {
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "faiss")]
    shim::compile();
}

#[cfg(feature = "faiss")]
mod shim {
    use std::path::PathBuf;

    const SOURCES: [&str; 15] = [
        "shim/add.cpp",
        "shim/build_hnsw.cpp",
        "shim/check.cpp",
        "shim/distances.cpp",
        "shim/handle.cpp",
        "shim/io.cpp",
        "shim/join_hnsw.cpp",
        "shim/kernels.cpp",
        "shim/kinds.cpp",
        "shim/levels.cpp",
        "shim/nsg.cpp",
        "shim/remove.cpp",
        "shim/scan.cpp",
        "shim/search.cpp",
        "shim/train.cpp",
    ];

    pub(super) fn compile() {
        let root = std::env::var_os("DEP_FAISS_C_ROOT")
            .map(PathBuf::from)
            .expect("faiss-sys with its feature `static` names the folder it installed FAISS in");
        let mut shim = cc::Build::new();
        shim.cpp(true)
            .std("c++17")
            .flag("-fopenmp")
            .opt_level(3)
            .include(root.join("include"))
            .files(SOURCES);
        println!("cargo:rustc-env=VINEDB_COMPILED_FOR={}", macros(&shim));
        println!("cargo:rustc-env=VINEDB_MARCH={}", march(&shim));
        println!("cargo:rustc-env=VINEDB_FAISS={}", root.display());
        sanitize(&mut shim);
        shim.compile("vinedb_faiss_shim");
    }

    /// The macros that the compiler predefines as 1 under the flags in force, `CXXFLAGS` included; among them is one for each
    /// part of the instruction set that it may use, `__AVX2__` and the like.
    fn macros(shim: &cc::Build) -> String {
        let mut compiler = shim.get_compiler().to_command();
        let output = compiler
            .args(["-dM", "-E", "-x", "c++", "/dev/null"])
            .output()
            .expect("the C++ compiler runs");
        assert!(output.status.success(), "the C++ compiler lists its macros");
        let listing = String::from_utf8_lossy(&output.stdout);
        let names = listing
            .lines()
            .filter_map(|line| line.strip_prefix("#define ")?.strip_suffix(" 1"));
        names.collect::<Vec<_>>().join(" ")
    }

    /// The instruction set that the compiler was asked for; its last word counts.
    fn march(shim: &cc::Build) -> String {
        let compiler = shim.get_compiler();
        let arguments = compiler.args().iter().rev();
        let named = arguments.map(|argument| argument.to_string_lossy());
        let mut marches = named.filter(|argument| argument.starts_with("-march="));
        marches
            .next()
            .map_or("-march=x86-64".to_owned(), Into::into)
    }

    /// More flags for the shim alone, for `tests/sanitize/run.sh undefined`.
    fn sanitize(shim: &mut cc::Build) {
        println!("cargo:rerun-if-env-changed=VINEDB_SHIM_FLAGS");
        let flags = std::env::var("VINEDB_SHIM_FLAGS").unwrap_or_default();
        for flag in flags.split_whitespace() {
            shim.flag(flag);
        }
        if flags.contains("-fsanitize=undefined") {
            println!("cargo:rustc-link-lib=ubsan");
        }
    }
}
