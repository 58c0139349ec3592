//! OpenAI's own Python client against the real `vinedb serve` with the real model.

use std::{path::Path, process::Command};

use vinedb_tests::{Run, Scratch, home};

use super::process::Server;

#[test]
fn openais_own_client_gets_vectors_and_errors() {
    let python = home().join("test/openai/bin/python3");
    assert!(
        python.is_file(),
        "{} is missing: `make test` sets it up",
        python.display()
    );
    let scratch = Scratch::new();
    scratch.json("create", &["wines"]);
    let server = Server::start(&scratch, &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("http/openai_client.py");
    let mut client = Command::new(python);
    client
        .arg(script)
        .args([server.url.as_str(), vinedb::models::DEFAULT_MODEL])
        .env("NO_PROXY", "*");
    let run = Run::from(client.output().unwrap()).ok();
    assert!(run.stdout.contains("all as expected"), "{run:?}");
}
