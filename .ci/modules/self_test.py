"""Made-up packages, each with a known fault or none: a check that cannot fail would prove nothing."""
import tempfile
from pathlib import Path

from package import Package

# What it shows: (the package's name, its files, what must be found: words of each fault, in order).
CASES = {
    "one direction": ("p", {"lib.rs": "mod a; mod b;", "a.rs": "use crate::b::B;", "b.rs": "pub struct B;"}, []),
    "two files": (
        "p",
        {"lib.rs": "mod a; mod b;", "a.rs": "use crate::b::B;\npub struct A;", "b.rs": "pub struct B;\nfn f(_: crate::a::A) {}"},
        ["a cycle through a, b:\n    a.rs:1: crate::b::B\n    b.rs:2: crate::a::A"],
    ),
    "three files": (
        "p",
        {"lib.rs": "mod a; mod b; mod c;", "a.rs": "use super::b;\nfn f() { b::g() }", "b.rs": "use crate::c::*;\npub fn g() { h() }",
         "c.rs": "use crate::a::{self, f as k};\npub fn h() {}"},
        ["a cycle through a, b, c:"],
    ),
    "a name re-exported at the root": (
        "p",
        {"lib.rs": "mod a; mod b; pub use a::A;", "a.rs": "use crate::b::B;\npub struct A;", "b.rs": "use crate::A;\npub struct B;"},
        ["a.rs:1: crate::b::B\n    b.rs:1: crate::A"],
    ),
    "a name re-exported through a glob": (
        "p",
        {"lib.rs": "mod a; mod b; pub use a::*;", "a.rs": "use crate::b::B;\npub struct A;", "b.rs": "use crate::A;\npub struct B;"},
        ["a cycle through a, b"],
    ),
    "a parent that hands on is free": (
        "p",
        {"lib.rs": "mod a;", "a/mod.rs": "mod x; mod y; pub use x::X;", "a/x.rs": "use super::y::Y;\npub struct X;", "a/y.rs": "pub struct Y;"},
        [],
    ),
    "a parent that uses a child which uses it": (
        "p",
        {"lib.rs": "mod a;", "a/mod.rs": "mod x; pub use x::X;\npub struct A(X);", "a/x.rs": "use super::A;\npub struct X;"},
        ["p::a: a cycle through a/mod.rs, x:\n    a/mod.rs:2: X\n    a/x.rs:1: super::A"],
    ),
    "folders, where no two files import each other": (
        "p",
        {"lib.rs": "mod a; mod b;", "a/mod.rs": "pub mod x; pub mod y;", "b/mod.rs": "pub mod x; pub mod y;",
         "a/x.rs": "use crate::b::x::X;", "b/x.rs": "pub struct X;", "b/y.rs": "use crate::a::y::Y;", "a/y.rs": "pub struct Y;"},
        ["p: a cycle through a, b"],
    ),
    "comments, literals and tests do not count": (
        "p",
        {"lib.rs": "mod a; mod b; #[cfg(test)] mod tests;", "a.rs": "use crate::b::B;\npub struct A;",
         "b.rs": "// crate::a::A\n/* crate::a::A /* crate::a::A */ crate::a::A */\n/// [`crate::a::A`]\npub struct B;\n"
                 "const T: &str = \"crate::a::A\"; const R: &str = r#\"\" crate::a::A\"#; fn f<'a>(_: &'a str) { '\"'; 'x'; }\n"
                 "#[cfg(test)] mod tests { use crate::a::A; }\n#[cfg(test)]\nuse crate::a::{A, A as C};\n"
                 "#[cfg(all(test, feature = \"x\"))]\nfn g() { crate::a::A; }\n"},
        [],
    ),
    "code for a feature counts": (
        "p",
        {"lib.rs": "mod a; mod b;", "a.rs": "#[cfg(not(test))] use crate::b::B;\npub struct A;",
         "b.rs": "#[cfg(any(test, feature = \"x\"))]\nmod inner { use super::super::a::A; }\npub struct B;"},
        ["a cycle through a, b"],
    ),
    "a crate in the wrong package": (
        "vinedb-storage",
        {"lib.rs": "mod a; mod engine;", "a.rs": "use rusqlite::Row; use vinedb_storage::Key;\nuse faiss::Index;\nuse crate::engine;\nfn f() { engine::g(); }",
         "engine.rs": "pub fn g() { tokenizers::Tokenizer::new(); vinedb_engine::threads(); }"},
        ["a.rs:2: faiss::Index names the crate `faiss`", "engine.rs:1: tokenizers::Tokenizer::new", "engine.rs:1: vinedb_engine::threads"],
    ),
    "a crate of a module's name": (
        "vinedb-storage",
        {"lib.rs": "mod a; mod ort;", "a.rs": "use ::ort::Session; use crate::ort;\nfn f() { ::ort::f::<u8>(); ort::g(); Vec::<u8>::new(); }",
         "ort.rs": "pub fn g() {}"},
        ["a.rs:1: ::ort::Session names the crate `ort`", "a.rs:2: ::ort::f names"],
    ),
    "HTTP on the facade alone": (
        "vinedb",
        {"lib.rs": "mod a; pub mod open; pub mod http; pub use a::A;", "a.rs": "use engine::Index;\npub struct A;\npub fn f() { axum::serve(); }",
         "http/mod.rs": "mod routes;", "http/routes.rs": "use axum::Router;\nuse crate::a::A;\nuse crate::a::f;\nuse storage::Filter;\nuse crate::open::O;",
         "open.rs": "pub struct O;"},
        ["a.rs:3: axum::serve", "http/routes.rs:3: crate::a::f is private", "http/routes.rs:4: storage::Filter names the crate"],
    ),
}


def self_test():
    for what, (name, files, expected) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            for file, text in files.items():
                path = Path(folder, file)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            faults = [fault.replace(f"{folder}/", "") for fault in Package(name, [Path(folder, "lib.rs")]).faults]
        if len(faults) != len(expected) or not all(words in fault for words, fault in zip(expected, faults)):
            raise SystemExit(f"{what}: expected {expected}, found {faults}")
    print(f"{len(CASES)} made-up packages: each fault is found, and nothing else")
