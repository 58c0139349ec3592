#!/usr/bin/env bash
# The engine's tests under a tool that watches memory:
# `bash tests/sanitize/run.sh address|thread|undefined|valgrind [test…]`.
#
#   address   AddressSanitizer over our Rust, the shim and FAISS: reads and writes out of bounds, after free; leaks.
#   thread    ThreadSanitizer over our Rust and the shim, one OpenMP thread each: gcc's OpenMP runtime synchronises in ways
#             that ThreadSanitizer does not see, and would be reported for every parallel loop. What is left to see, and the
#             point of it, is our own threads searching one index.
#   undefined UndefinedBehaviorSanitizer over the shim alone: overflow, misalignment, casts to the wrong class. It takes neither
#             a nightly Rust nor another FAISS.
#   valgrind  memcheck over what is built without any instrumentation, one test after the other. Takes tens of times longer.
#
# address and thread take a nightly Rust (`rustup toolchain install nightly --component rust-src`) and build FAISS anew, in
# folders of their own, in some minutes. More arguments for Cargo come from SANITIZE_CARGO.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mode=${1:?say which: address, thread, undefined or valgrind}
shift
target=$(rustc -vV | sed -n 's/^host: //p')
folder=$(cargo metadata --offline --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
flags=${CXXFLAGS:--march=x86-64-v3}
read -ra extra <<<"${SANITIZE_CARGO:-}"

sanitized() {
  CXXFLAGS="$flags -fsanitize=$mode -fno-omit-frame-pointer -g1" RUSTFLAGS="-Zsanitizer=$mode" \
    CARGO_TARGET_DIR="$folder/$mode" PROPTEST_CASES="${PROPTEST_CASES:-32}" \
    cargo +nightly test -p vinedb-engine --lib --target "$target" "${extra[@]}" "$@"
}

case $mode in
  address)
    # Rust's runtime is LLVM's and the C++ is gcc's: globals are laid out otherwise, so their order is not checked.
    LSAN_OPTIONS=suppressions=$PWD/tests/sanitize/leaks.supp:print_suppressions=0:${LSAN_OPTIONS:-} \
      ASAN_OPTIONS=check_initialization_order=0:detect_odr_violation=0:${ASAN_OPTIONS:-} sanitized -- "$@"
    ;;
  thread)
    extra+=(-Zbuild-std)
    OMP_NUM_THREADS=1 TSAN_OPTIONS=suppressions=$PWD/tests/sanitize/races.supp:${TSAN_OPTIONS:-} sanitized -- "$@"
    ;;
  undefined)
    VINEDB_SHIM_FLAGS="-fsanitize=undefined -fno-sanitize-recover=all" UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-} \
      PROPTEST_CASES="${PROPTEST_CASES:-32}" cargo test -p vinedb-engine --lib "${extra[@]}" -- "$@"
    ;;
  valgrind)
    export PROPTEST_CASES=${PROPTEST_CASES:-2} OMP_NUM_THREADS=2 OPENBLAS_CORETYPE=Haswell
    runner="valgrind --quiet --error-exitcode=99 --errors-for-leak-kinds=definite --leak-check=full"
    env "CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")_RUNNER=$runner" \
      cargo test -p vinedb-engine --lib "${extra[@]}" -- --test-threads=1 "$@"
    ;;
  *) echo "sanitize: $mode is none of address, thread, undefined, valgrind" >&2; exit 2 ;;
esac
