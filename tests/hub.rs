//! `vinedb models pull` from a hub of the tests' own: a small server that answers as Hugging Face's does, and misbehaves on
//! request. The models are real ones, tiny, with vectors that sentence-transformers made.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vinedb_tests::{Run, command, home};

const REPOSITORY: &str = "tests/bert-cls";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const BIG: &str = "model.onnx";

/// How the hub behaves.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// Every answer with the model's file ends within it, until so many were given.
    Breaks(usize),
    /// The model's file is not the one that its hash is of.
    Lies,
    /// A few bytes at a time.
    Slow,
    Answers(u16),
}

struct State {
    files: BTreeMap<String, Vec<u8>>,
    mood: Mood,
    /// Path and first byte of each request for a file's content.
    read: Vec<(String, usize)>,
    tokens: Vec<String>,
}

struct Hub {
    state: Arc<Mutex<State>>,
    url: String,
    folder: tempfile::TempDir,
}

impl Hub {
    fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        let state = State {
            files,
            mood: Mood::Well,
            read: Vec::new(),
            tokens: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that left is no failure of the hub's.
                thread::spawn(move || drop(answer(&stream, &state)));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let runtime = home().join("runtime");
        std::os::unix::fs::symlink(runtime, folder.path().join("runtime")).unwrap();
        Self { state, url, folder }
    }

    /// With a model of the embedder's tests.
    fn with_onnx() -> Self {
        Self::new(files_in(&models().join("bert-cls")))
    }

    fn set(&self, mood: Mood) {
        let mut state = self.state.lock().unwrap();
        state.mood = mood;
        state.read.clear();
    }

    fn read(&self) -> Vec<(String, usize)> {
        self.state.lock().unwrap().read.clone()
    }

    fn model(&self, name: &str) -> PathBuf {
        self.folder.path().join("models").join(name)
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = command(args);
        command
            .env("VINEDB_HOME", self.folder.path())
            .env("HF_ENDPOINT", &self.url)
            .env_remove("HF_TOKEN")
            .env_remove("HF_HUB_OFFLINE");
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        self.command(args).output().unwrap().into()
    }

    fn pull(&self, more: &[&str]) -> Run {
        let args = [&["models", "pull", REPOSITORY, "--json"][..], more].concat();
        self.run(&args)
    }

    /// No model is there, and none is listed.
    fn assert_nothing(&self) {
        assert!(!self.model("bert-cls").exists());
        assert_eq!(self.run(&["models", "--json"]).ok().json(), json!([]));
    }
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../embedder/tests/models")
}

/// All files in a folder, by their paths within it.
fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Reads one request and answers it.
fn answer(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut range = None;
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "range" => range = Some(value.trim_start_matches("bytes=").to_owned()),
            "authorization" => state.lock().unwrap().tokens.push(value.to_owned()),
            _ => {}
        }
    }
    let mood = state.lock().unwrap().mood;
    if let Mood::Answers(code) = mood {
        return send(stream, code, "", b"", 0);
    }
    if path == format!("/api/models/{REPOSITORY}/revision/main") {
        let files = state
            .lock()
            .unwrap()
            .files
            .keys()
            .cloned()
            .collect::<Vec<_>>();
        let siblings: Vec<Value> = files
            .iter()
            .map(|file| json!({"rfilename": file}))
            .collect();
        let info = json!({"sha": COMMIT, "siblings": siblings}).to_string();
        return send(stream, 200, "", info.as_bytes(), 0);
    }
    let prefix = format!("/{REPOSITORY}/resolve/{COMMIT}/");
    let file = path.strip_prefix(&prefix).unwrap_or_default().to_owned();
    let content = state.lock().unwrap().files.get(&file).cloned();
    match content {
        None => send(stream, 404, "", b"", 0),
        Some(content) => send_file(stream, state, &file, content, range.as_deref()),
    }
}

fn send_file(
    stream: &TcpStream,
    state: &Mutex<State>,
    file: &str,
    mut content: Vec<u8>,
    range: Option<&str>,
) -> std::io::Result<()> {
    let hash: String = Sha256::digest(&content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let (first, last) = range.unwrap_or("0-").split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    let end = last.parse().map_or(content.len(), |last: usize| last + 1);
    let mut missing = 0;
    if range != Some("0-0") {
        let mut state = state.lock().unwrap();
        state.read.push((file.to_owned(), first));
        match state.mood {
            Mood::Breaks(times) if times > 0 && file == BIG => {
                state.mood = Mood::Breaks(times - 1);
                missing = (end - first).div_ceil(2);
            }
            Mood::Lies if file == BIG => content[7] ^= 1,
            Mood::Slow => {
                drop(state);
                thread::sleep(Duration::from_millis(300));
            }
            _ => {}
        }
    }
    let headers = format!(
        "etag: \"{hash}\"\r\nx-repo-commit: {COMMIT}\r\ncontent-range: bytes {first}-{}/{}\r\n",
        end - 1,
        content.len()
    );
    send(stream, 206, &headers, &content[first..end], missing)
}

/// Sends an answer, without its last bytes where some are to be missing.
fn send(
    mut stream: &TcpStream,
    code: u16,
    headers: &str,
    body: &[u8],
    missing: usize,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {code} X\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body[..body.len() - missing])
}

/// What the model makes of a text, and what sentence-transformers made of it.
fn assert_embeds(hub: &Hub, name: &str, least: f64) {
    let known: Value =
        serde_json::from_slice(&fs::read(models().join("vectors.json")).unwrap()).unwrap();
    let all = known["models"].as_array().unwrap();
    let right = all
        .iter()
        .find(|model| model["folder"] == "bert-cls")
        .unwrap();
    let mut child = hub
        .command(&["embed", "--model", name])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let line = json!({"text": known["texts"][2]}).to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(line.as_bytes())
        .unwrap();
    let run = Run::from(child.wait_with_output().unwrap()).ok();
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    let numbers = |value: &Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
    let (found, right) = (
        numbers(&found["embedding"]),
        numbers(&right["documents"][2]),
    );
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let cosine = dot(&found, &right) / (dot(&found, &found) * dot(&right, &right)).sqrt();
    assert!(cosine >= least, "{name}: {cosine}");
}

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
        hub.run(&["models", "list", "--json"]).ok().json(),
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
