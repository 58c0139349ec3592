//! Whether this processor has what FAISS and the shim were compiled for. The C++ compiler said what that is when the shim
//! was built: x86-64-v3 in this repository, all that the machine at hand has under `-march=native`.
//!
//! FAISS's static constructors are compiled for it too, and would die of an illegal instruction before `main`. So the check
//! runs ahead of them (`backend/faiss/startup.rs`), and is Rust, which is compiled for every x86-64.

use std::io::Write;

/// What a program exits with on a processor that lacks something: `EX_CONFIG` of sysexits.h.
const EXIT_CODE: i32 = 78;

/// The macros that the C++ compiler predefined, separated by spaces.
const COMPILED_FOR: &str = env!("VINEDB_COMPILED_FOR");

/// Its `-march=…`.
const MARCH: &str = env!("VINEDB_MARCH");

/// Ends the process with one sentence on standard error where something is missing. An error could not be returned to
/// anyone: this runs while the program, or the library that has it inside, is being loaded.
pub(crate) fn require() {
    let missing = missing(COMPILED_FOR, &features());
    if !missing.is_empty() {
        // Without a standard error, the exit code has to do.
        let _ = writeln!(std::io::stderr(), "{}", refusal(&missing));
        std::process::exit(EXIT_CODE);
    }
}

fn refusal(missing: &str) -> String {
    format!(
        "error: this processor lacks {missing}, which FAISS in this program was compiled for ({MARCH}): run it on a newer processor, or build it on this one with CXXFLAGS=-march=native (`make native`)"
    )
}

/// A part of the instruction set: the compiler's macro for it, its name, and whether this processor has it.
type Feature = (&'static str, &'static str, bool);

fn missing(compiled_for: &str, features: &[Feature]) -> String {
    let wanted = |name: &str| compiled_for.split(' ').any(|one| one == name);
    let missing: Vec<&str> = features
        .iter()
        .filter(|(macro_name, _, present)| !present && wanted(macro_name))
        .map(|(_, name, _)| *name)
        .collect();
    missing.join(", ")
}

/// What compilers use of their own accord and FAISS by hand, oldest first.
#[rustfmt::skip]
fn features() -> [Feature; 27] {
    [
        ("__SSE3__", "SSE3", is_x86_feature_detected!("sse3")),
        ("__SSSE3__", "SSSE3", is_x86_feature_detected!("ssse3")),
        ("__SSE4_1__", "SSE4.1", is_x86_feature_detected!("sse4.1")),
        ("__SSE4_2__", "SSE4.2", is_x86_feature_detected!("sse4.2")),
        ("__SSE4A__", "SSE4a", is_x86_feature_detected!("sse4a")),
        ("__POPCNT__", "POPCNT", is_x86_feature_detected!("popcnt")),
        ("__AVX__", "AVX", is_x86_feature_detected!("avx")),
        ("__AVX2__", "AVX2", is_x86_feature_detected!("avx2")),
        ("__FMA__", "FMA", is_x86_feature_detected!("fma")),
        ("__F16C__", "F16C", is_x86_feature_detected!("f16c")),
        ("__BMI__", "BMI1", is_x86_feature_detected!("bmi1")),
        ("__BMI2__", "BMI2", is_x86_feature_detected!("bmi2")),
        ("__LZCNT__", "LZCNT", is_x86_feature_detected!("lzcnt")),
        ("__MOVBE__", "MOVBE", is_x86_feature_detected!("movbe")),
        ("__GFNI__", "GFNI", is_x86_feature_detected!("gfni")),
        ("__AVX512F__", "AVX-512F", is_x86_feature_detected!("avx512f")),
        ("__AVX512CD__", "AVX-512CD", is_x86_feature_detected!("avx512cd")),
        ("__AVX512BW__", "AVX-512BW", is_x86_feature_detected!("avx512bw")),
        ("__AVX512DQ__", "AVX-512DQ", is_x86_feature_detected!("avx512dq")),
        ("__AVX512VL__", "AVX-512VL", is_x86_feature_detected!("avx512vl")),
        ("__AVX512IFMA__", "AVX-512IFMA", is_x86_feature_detected!("avx512ifma")),
        ("__AVX512VBMI__", "AVX-512VBMI", is_x86_feature_detected!("avx512vbmi")),
        ("__AVX512VBMI2__", "AVX-512VBMI2", is_x86_feature_detected!("avx512vbmi2")),
        ("__AVX512VNNI__", "AVX-512VNNI", is_x86_feature_detected!("avx512vnni")),
        ("__AVX512BITALG__", "AVX-512BITALG", is_x86_feature_detected!("avx512bitalg")),
        ("__AVX512VPOPCNTDQ__", "AVX-512VPOPCNTDQ", is_x86_feature_detected!("avx512vpopcntdq")),
        ("__AVX512BF16__", "AVX-512BF16", is_x86_feature_detected!("avx512bf16")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_what_was_compiled_for_and_is_not_there() {
        let features = [
            ("__AVX2__", "AVX2", true),
            ("__FMA__", "FMA", false),
            ("__AVX512F__", "AVX-512F", false),
        ];
        assert_eq!(missing("__unix__ __AVX2__ __FMA__", &features), "FMA");
        assert_eq!(
            missing("__AVX2__ __FMA__ __AVX512F__", &features),
            "FMA, AVX-512F"
        );
        assert_eq!(missing("__AVX2__ __AVX512FP16__", &features), "");
    }

    /// The repository asks the compiler for AVX2 and FMA, or for more.
    #[test]
    fn the_build_says_what_it_was_compiled_for() {
        let nothing_there = features().map(|(macro_name, name, _)| (macro_name, name, false));
        let wanted = missing(COMPILED_FOR, &nothing_there);
        for name in ["SSE4.2", "AVX2", "FMA", "F16C", "BMI2", "LZCNT"] {
            assert!(
                wanted.split(", ").any(|one| one == name),
                "{name} is not in: {wanted}"
            );
        }
        assert!(MARCH.starts_with("-march="), "{MARCH}");
    }
}
