//! `vinedb models add`: a folder of the user's own, as bare as exports are, becomes a model of the cache folder.

use std::{collections::BTreeMap, fs};

use crate::registry::{Hub, assert_embeds, files_in, models};

/// What `bert-cls` has in files that a bare export lacks.
const SETTINGS: [&str; 6] = [
    "--pooling",
    "cls",
    "--max-length",
    "24",
    "--normalize",
    "true",
];

/// A cache folder without models and, beside it, an ONNX file with a tokenizer and nothing else.
fn export() -> (Hub, tempfile::TempDir, BTreeMap<String, Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let bare = folder.path().join("bare");
    fs::create_dir(&bare).unwrap();
    for file in ["model.onnx", "tokenizer.json"] {
        fs::copy(models().join("bert-cls").join(file), bare.join(file)).unwrap();
    }
    let files = files_in(&bare);
    (Hub::new(BTreeMap::new()), folder, files)
}

#[test]
fn a_folder_is_copied_or_linked_completed_and_used() {
    let (hub, folder, files) = export();
    let bare = folder.path().join("bare");
    let source = bare.to_str().unwrap();
    let add = ["models", "add", source, "--json"];
    let added = hub.run(&[&add[..], &SETTINGS].concat()).ok().json();
    assert_eq!(added["name"], "bare");
    assert_embeds(&hub, "bare", 0.99999);
    let linked = [&add[..], &["--link", "--name", "linked"], &SETTINGS].concat();
    assert_eq!(hub.run(&linked).ok().json()["hash"], added["hash"]);
    assert_eq!(
        files_in(&bare),
        files,
        "the user's own folder stays as it is"
    );
    fs::remove_dir_all(&bare).unwrap();
    assert_embeds(&hub, "bare", 0.99999);
}

#[test]
fn what_cannot_be_run_is_refused_and_leaves_nothing() {
    let (hub, folder, files) = export();
    let bare = folder.path().join("bare");
    let source = bare.to_str().unwrap();
    let damaged = folder.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    for (file, content) in &files {
        let part = if file == "model.onnx" {
            content.len() / 2
        } else {
            content.len()
        };
        fs::write(damaged.join(file), &content[..part]).unwrap();
    }
    for (args, named) in [
        (vec![source], "give --max-length"),
        (vec![source, "--max-length", "24"], "give --pooling"),
        (
            vec![source, "--max-length", "1", "--pooling", "cls"],
            "give --max-length",
        ),
        (
            [&[source, "--output", "none"][..], &SETTINGS].concat(),
            "give --output",
        ),
        (vec![source, "--name", "a/b"], "a/b"),
        (
            [&[damaged.to_str().unwrap()][..], &SETTINGS].concat(),
            "damaged",
        ),
        (vec!["/nowhere/bare"], "/nowhere/bare"),
    ] {
        let run = hub.run(&[&["models", "add"][..], &args].concat());
        assert!(run.error().contains(named), "{args:?}: {run:?}");
        let left = fs::read_dir(hub.model("")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{args:?}");
    }
    assert_eq!(files_in(&bare), files);
}
