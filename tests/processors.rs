//! The binaries on other processors than this machine's, which QEMU plays: a Westmere has no AVX, a Haswell has AVX2 and
//! neither AVX-512 nor VNNI.

use std::process::Command;

use serde_json::{Value, json};
use vinedb_tests::{Run, Scratch, command};

use super::cli::{cellar, keys, points};

const QEMU: &str = "qemu-x86_64-static";

/// The same command on a processor of this name.
fn on(processor: &str, command: &Command) -> Run {
    let mut emulated = Command::new(QEMU);
    emulated
        .args(["-cpu", processor])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => emulated.env(name, value),
            None => emulated.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        emulated.current_dir(folder);
    }
    let output = emulated.output().unwrap_or_else(|error| {
        panic!(
            "{QEMU} cannot be started ({error}): run `make setup TOOLS=--test`, or install it, such as by `apt-get install qemu-user-static`"
        )
    });
    let mut run = Run::from(output);
    // QEMU tells on the same standard error which features of the processor it does not play.
    let said = run.stderr.lines().filter(|line| !line.starts_with(QEMU));
    run.stderr = said.map(|line| format!("{line}\n")).collect();
    run
}

fn json_on(processor: &str, scratch: &Scratch, verb: &str, args: &[&str]) -> Value {
    let mut command = scratch.command(verb, args);
    on(processor, command.arg("--json")).ok().json()
}

/// The points' nearest to (3, 3) is the one that lies there.
fn finds_points_on(processor: &str) {
    let scratch = points("auto");
    scratch.write("query.json", "[3, 3]");
    let args = ["points", "--vector-file", "query.json", "-k", "1"];
    let answer = json_on(processor, &scratch, "search", &args);
    assert_eq!(keys(&answer[0]), [json!(4)], "{answer}");
}

#[test]
#[cfg(feature = "faiss")]
fn a_processor_without_avx2_gets_one_sentence() {
    let sommelier = Command::new(vinedb_tests::sommelier());
    let scratch = Scratch::new();
    for command in [
        command(["--version"]),
        command(["--help"]),
        scratch.command("list", &[]),
        sommelier,
    ] {
        let run = on("Westmere", &command);
        assert_eq!((run.code, run.stdout.as_str()), (78, ""), "{run:?}");
        let said = run.stderr.trim_end();
        for part in ["error: ", " AVX2,", "-march=", "make native"] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn avx2_is_enough() {
    assert!(
        on("Haswell", &command(["--version"]))
            .ok()
            .stdout
            .starts_with("vinedb ")
    );
    finds_points_on("Haswell");
    let name = "Adega do Leitoal Bairrada Baga 2015";
    let got = cellar().json("get", &["wines", name]);
    let text = got["documents"][0]["text"].as_str().unwrap();
    let answer = json_on("Haswell", &cellar(), "search", &["wines", text, "-k", "3"]);
    assert_eq!(keys(&answer)[0], name, "{answer}");
}
