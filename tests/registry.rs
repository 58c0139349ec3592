//! A hub and a package index of the tests' own: a small server that answers as Hugging Face's and PyPI's do, and misbehaves on
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

pub(crate) const REPOSITORY: &str = "tests/bert-cls";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const BIG: &str = "model.onnx";

/// How the hub behaves.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    Well,
    /// Every answer with the model's file ends within it, until so many were given.
    Breaks(usize),
    /// The model's file is not the one that its hash is of.
    Lies,
    /// Late.
    Slow,
    /// The index's pages are in HTML.
    Html,
    Answers(u16),
}

pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    mood: Mood,
    /// Path and first byte of each request for a file's content.
    read: Vec<(String, usize)>,
    pub(crate) tokens: Vec<String>,
}

pub(crate) struct Hub {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) url: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Hub {
    pub(crate) fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
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
    pub(crate) fn with_onnx() -> Self {
        Self::new(files_in(&models().join("bert-cls")))
    }

    pub(crate) fn set(&self, mood: Mood) {
        let mut state = self.state.lock().unwrap();
        state.mood = mood;
        state.read.clear();
    }

    pub(crate) fn read(&self) -> Vec<(String, usize)> {
        self.state.lock().unwrap().read.clone()
    }

    pub(crate) fn model(&self, name: &str) -> PathBuf {
        self.folder.path().join("models").join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = command(args);
        command
            .env("VINEDB_HOME", self.folder.path())
            .env("HF_ENDPOINT", &self.url)
            .env("PIP_INDEX_URL", format!("{}/simple", self.url))
            .env_remove("PIP_CERT")
            .env_remove("SSL_CERT_FILE")
            .env_remove("HF_TOKEN")
            .env_remove("HF_HUB_OFFLINE");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.command(args).output().unwrap().into()
    }

    pub(crate) fn pull(&self, more: &[&str]) -> Run {
        let args = [&["models", "pull", REPOSITORY, "--json"][..], more].concat();
        self.run(&args)
    }

    /// No model is there, and none is listed.
    pub(crate) fn assert_nothing(&self) {
        assert!(!self.model("bert-cls").exists());
        let list = self.run(&["models", "--json"]).ok().json();
        assert_eq!(list["models"], json!([]));
    }
}

pub(crate) fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../embedder/tests/models")
}

/// All files in a folder, by their paths within it.
pub(crate) fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
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
    if path.starts_with("/simple/") {
        return send(stream, 200, "", page(state, &path).as_bytes(), 0);
    }
    let prefix = format!("/{REPOSITORY}/resolve/{COMMIT}/");
    let file = path
        .strip_prefix(&prefix)
        .or_else(|| path.strip_prefix("/files/"))
        .unwrap_or_default()
        .to_owned();
    let content = state.lock().unwrap().files.get(&file).cloned();
    match content {
        None => send(stream, 404, "", b"", 0),
        Some(content) => send_file(stream, state, &file, content, range.as_deref()),
    }
}

/// What the index says of a package: its wheels, at addresses that are relative to the page's.
fn page(state: &Mutex<State>, path: &str) -> String {
    let state = state.lock().unwrap();
    let package = path.trim_start_matches("/simple/").trim_end_matches('/');
    let of_package = |file: &&String| file.starts_with(&package.replace('-', "_"));
    let files: Vec<&String> = state.files.keys().filter(of_package).collect();
    if state.mood == Mood::Html {
        let link =
            |file: &&String| format!("<a href=\"../../files/{file}#sha256=0\">{file}</a><br>");
        return files.iter().map(link).collect();
    }
    let listed = |file: &&String| json!({"filename": file, "url": format!("../../files/{file}")});
    json!({"meta": {"api-version": "1.0"}, "files": files.iter().map(listed).collect::<Vec<_>>()})
        .to_string()
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
            Mood::Breaks(times) if times > 0 && is_big(file) => {
                state.mood = Mood::Breaks(times - 1);
                missing = (end - first).div_ceil(2);
            }
            Mood::Lies if is_big(file) => content[7] ^= 1,
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

fn is_big(file: &str) -> bool {
    file == BIG || file.ends_with(".whl")
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
pub(crate) fn assert_embeds(hub: &Hub, name: &str, least: f64) {
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
