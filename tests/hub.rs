//! `vinedb models pull OWNER/NAME` from a hub of the tests' own.

use std::fs;

use serde_json::{Value, json};
use vinedb_tests::Run;

use crate::registry::{BIG, COMMIT, Hub, Mood, REPOSITORY, assert_embeds, files_in, models};

#[test]
fn a_model_is_pulled_shown_used_and_removed() {
    let hub = Hub::with_onnx();
    let pulled = hub.pull(&["--quantize", "none"]).ok().json();
    assert_eq!(pulled["name"], "bert-cls");
    assert_eq!(
        pulled["origin"],
        json!({"source": format!("{}/{REPOSITORY}", hub.url), "revision": COMMIT})
    );
    assert_eq!(
        fs::read(hub.model("bert-cls").join(BIG)).unwrap(),
        fs::read(models().join("bert-cls").join(BIG)).unwrap()
    );
    assert_eq!(
        hub.run(&["models", "info", "bert-cls", "--json"])
            .ok()
            .json(),
        pulled
    );
    assert_eq!(
        hub.run(&["models", "list", "--json"]).ok().json()["models"],
        json!([pulled])
    );
    assert_embeds(&hub, "bert-cls", 0.99999);
    let taken = hub.pull(&[]);
    assert!(
        taken.error().contains("\"bert-cls\"") || taken.error().contains("bert-cls"),
        "{taken:?}"
    );
    drop(hub.run(&["models", "remove", "bert-cls"]).ok());
    hub.assert_nothing();
    assert!(
        hub.run(&["models", "remove", "bert-cls"])
            .error()
            .contains("bert-cls")
    );
}

#[test]
fn by_default_it_computes_in_8_bits() {
    let hub = Hub::with_onnx();
    let whole = hub
        .pull(&["--quantize", "none", "--name", "whole"])
        .ok()
        .json();
    let pulled = hub.pull(&["--name", "fast"]).ok().json();
    assert_ne!(whole["hash"], pulled["hash"]);
    assert_embeds(&hub, "fast", 0.98);
    let names = files_in(&hub.model("fast"));
    assert!(
        names.keys().all(|name| !name.contains("tmp")),
        "{:?}",
        names.keys()
    );
}

#[test]
fn a_repository_of_weights_alone_gets_a_model_made_of_them() {
    let tiny = models().join("../../golden/tiny/bert");
    let mut files = files_in(&tiny);
    files.insert(
        "tokenizer.json".to_owned(),
        fs::read(models().join("bert-cls/tokenizer.json")).unwrap(),
    );
    let settings = json!({"max_seq_length": 24}).to_string();
    files.insert("sentence_bert_config.json".to_owned(), settings.into());
    let modules = fs::read(models().join("bert-cls/modules.json")).unwrap();
    files.insert("modules.json".to_owned(), modules);
    let pooling = json!({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": true});
    let pooling = pooling.to_string().into_bytes();
    files.insert("1_Pooling/config.json".to_owned(), pooling);
    let hub = Hub::new(files);
    let pulled = hub.pull(&["--quantize", "none"]).ok().json();
    let config: Value =
        serde_json::from_slice(&fs::read(tiny.join("config.json")).unwrap()).unwrap();
    assert_eq!(pulled["dimension"], config["hidden_size"]);
    let names = files_in(&hub.model("bert-cls"));
    assert!(
        names.contains_key(BIG) && !names.contains_key("model.safetensors"),
        "{:?}",
        names.keys()
    );
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let hub = Hub::with_onnx();
    let whole = hub.state.lock().unwrap().files[BIG].len();
    hub.set(Mood::Breaks(1));
    drop(hub.pull(&["--quantize", "none"]).ok());
    let of_model: Vec<usize> = hub
        .read()
        .into_iter()
        .filter(|(file, _)| file == BIG)
        .map(|(_, first)| first)
        .collect();
    assert_eq!(of_model, [0, whole / 2]);
}

#[test]
fn a_pull_that_failed_goes_on_where_it_stopped() {
    let hub = Hub::with_onnx();
    hub.set(Mood::Breaks(4));
    let failed = hub.pull(&[]);
    assert!(failed.error().contains("pull it again"), "{failed:?}");
    hub.assert_nothing();
    let before = hub.read();
    hub.set(Mood::Well);
    drop(hub.pull(&[]).ok());
    let after = hub.read();
    let of_model = after.iter().find(|(file, _)| file == BIG).unwrap();
    assert!(of_model.1 > 0, "{after:?}");
    for (file, _) in before.iter().filter(|(file, _)| file != BIG) {
        assert!(
            !after.iter().any(|(again, _)| again == file),
            "{file} is read twice"
        );
    }
}

#[test]
fn a_file_that_is_not_what_its_hash_says_is_refused() {
    let hub = Hub::with_onnx();
    hub.set(Mood::Lies);
    let refused = hub.pull(&[]);
    for word in [BIG, "hash", "pull it again"] {
        assert!(refused.error().contains(word), "{refused:?}");
    }
    hub.assert_nothing();
    hub.set(Mood::Well);
    drop(hub.pull(&[]).ok());
}

#[test]
fn a_slow_hub_is_waited_for() {
    let hub = Hub::with_onnx();
    hub.set(Mood::Slow);
    drop(hub.pull(&[]).ok());
}

#[test]
fn what_the_hub_refuses_is_said_with_what_to_do() {
    let hub = Hub::with_onnx();
    for (code, words) in [
        (401, "HF_TOKEN"),
        (403, "HF_TOKEN"),
        (404, "check name"),
        (503, "later"),
    ] {
        hub.set(Mood::Answers(code));
        let refused = hub.pull(&[]);
        assert!(
            refused.error().contains(words) && refused.error().contains(REPOSITORY),
            "{refused:?}"
        );
    }
    hub.set(Mood::Well);
    let with_token = hub
        .command(&["models", "pull", REPOSITORY])
        .env("HF_TOKEN", "hf_secret")
        .output()
        .unwrap();
    drop(Run::from(with_token).ok());
    assert!(
        hub.state
            .lock()
            .unwrap()
            .tokens
            .iter()
            .any(|token| token == "Bearer hf_secret")
    );
}

#[test]
fn without_a_hub_the_files_to_put_there_are_named() {
    let hub = Hub::with_onnx();
    let pull = || hub.command(&["models", "pull", REPOSITORY]);
    let offline = Run::from(pull().env("HF_HUB_OFFLINE", "1").output().unwrap());
    let nobody = Run::from(
        pull()
            .env("HF_ENDPOINT", "http://127.0.0.1:9")
            .output()
            .unwrap(),
    );
    let folder = hub.model("NAME");
    for run in [offline, nobody] {
        for word in ["tokenizer.json", folder.to_str().unwrap()] {
            assert!(run.error().contains(word), "{word}: {run:?}");
        }
    }
    assert!(hub.read().is_empty());
    hub.assert_nothing();
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let hub = Hub::with_onnx();
    for repository in ["bert-cls", "a/b/c", "../b", "a/..", "/b", "a/ b"] {
        let refused = hub.run(&["models", "pull", repository]);
        assert!(refused.error().contains("owner/name"), "{refused:?}");
    }
    let name = hub.pull(&["--name", "../x"]);
    assert!(name.error().contains("\"../x\""), "{name:?}");
    for verb in ["info", "remove"] {
        assert!(hub.run(&["models", verb, ".."]).error().contains(".."));
    }
    assert!(hub.read().is_empty());
}
