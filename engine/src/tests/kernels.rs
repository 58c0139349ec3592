//! The shim's distances as other flags have them compiled than this build's: for the oldest x86-64, for x86-64-v3, for
//! x86-64-v4. Their program is `kernels.cpp`.

use std::path::Path;
use std::process::Command;

/// Compiles the program with these flags and runs it. FAISS is that of this build.
fn compiled_and_run(flags: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kernels");
    let (tests, faiss) = (Path::new("src/tests"), Path::new(env!("VINEDB_FAISS")));
    let compiled = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "-std=c++17",
            "-O2",
            "-Wno-psabi",
            "-fopenmp",
            "-Ishim",
            "-I",
        ])
        .arg(faiss.join("include"))
        .args(flags)
        .args([
            &tests.join("kernels.cpp"),
            Path::new("shim/kernels.cpp"),
            Path::new("shim/kinds.cpp"),
        ])
        .arg("-L")
        .arg(faiss.join("lib"))
        .args(["-lfaiss", "-lopenblas", "-llapack", "-o"])
        .arg(&program)
        .status();
    assert!(compiled.unwrap().success(), "{flags:?}: not compiled");
    let output = Command::new(program).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{flags:?}: {said} {}",
        output.status
    );
    assert!(said.ends_with("distances\n"), "{flags:?}: {said}");
}

#[test]
fn distances_of_the_oldest_processors_are_right() {
    compiled_and_run(&["-march=x86-64"]);
}

#[test]
fn distances_of_avx2_are_right() {
    compiled_and_run(&["-march=x86-64-v3"]);
}

/// Where the processor lacks AVX-512, what it would do of it is done in plain C++; what is made of that is the same.
#[test]
fn distances_of_avx512_are_right() {
    let avx512 = ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"];
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let has = |flag: &&str| processor.split_whitespace().any(|word| word == *flag);
    if avx512.iter().all(has) {
        compiled_and_run(&["-march=x86-64-v4"]);
    }
    compiled_and_run(&["-march=x86-64-v3", "-include", "src/tests/plain_avx512.h"]);
}
