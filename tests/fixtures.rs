//! What the tests share: the real binary, the real model's folder, and a brute force to compare with.
//!
//! Nothing here skips: where the model or the runtime is missing the test fails and says how to get them.

pub mod fashion;
pub mod measure;
pub mod sets;

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A kind of index that is a graph, of those that this build has.
pub const GRAPH: &str = if cfg!(feature = "faiss") {
    "HNSW8"
} else {
    "hnsw_rs(m=8,ef_construction=40)"
};

/// The cache folder with ONNX Runtime and the default model.
///
/// # Panics
/// When it lacks them; `make setup` fetches them.
#[must_use]
pub fn home() -> PathBuf {
    let home = vinedb::models::default_home();
    let model = home
        .join("models")
        .join(vinedb::models::DEFAULT_MODEL)
        .join("model.onnx");
    assert!(
        model.is_file(),
        "{} is missing: run `make setup`",
        model.display()
    );
    home
}

/// The `vinedb` binary of the profile that the tests run in, built if need be.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build("vinedb"))
}

/// The `sommelier` binary, as [`binary`].
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn sommelier() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build("sommelier"))
}

/// Tests in one package cannot name the binaries of another, so Cargo is asked to build it into the same folder; of the whole
/// workspace, since for one package alone it would choose other features of the dependencies and compile them again.
fn build(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("a test lies in TARGET/PROFILE/deps")
        .to_owned();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--locked", "--workspace", "--bin", name])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if cfg!(not(feature = "faiss")) {
        cargo.arg("--no-default-features");
    }
    cargo.env(
        "CARGO_TARGET_DIR",
        folder.parent().expect("a profile lies in a target folder"),
    );
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "cargo build --bin {name} failed");
    folder.join(name)
}

/// How a command ended.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; -1 after a signal.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Run {
    /// The JSON value on standard output.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Itself, when the command succeeded.
    ///
    /// # Panics
    /// When it failed.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The one line on standard error of a command that failed with exit code 1.
    ///
    /// # Panics
    /// When it did not fail like that.
    #[must_use]
    pub fn error(&self) -> &str {
        assert_eq!(self.code, 1, "{self:?}");
        let line = self.stderr.trim_end();
        assert!(
            line.starts_with("error: ") && !line.contains('\n'),
            "one sentence was expected: {self:?}"
        );
        line
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs `vinedb` with these arguments.
///
/// # Panics
/// When it cannot be started.
pub fn vinedb<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    command(args)
        .output()
        .expect("the binary can be started")
        .into()
}

/// `vinedb` with these arguments, to be started by the caller.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .env("VINEDB_HOME", home())
        .env_remove("VINEDB_LOG");
    command
}

/// A folder of a test's own with a database `db` in it, and files beside that. It goes with this value.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// A new folder, without a database yet.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder for temporary files"),
        }
    }

    /// The path of something in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("a file can be written");
    }

    /// `vinedb VERB db ARGS` within the folder, to be started by the caller. A verb may be of two words.
    #[must_use]
    pub fn command(&self, verb: &str, args: &[&str]) -> Command {
        let mut command = command(verb.split(' ').chain(["db"]));
        command
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts an import into `collection` whose rows, JSON Lines, are what is written into the file that comes back. By then
    /// the import has begun: it holds the database's lock.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn import_from_pipe(&self, collection: &str) -> (Child, File) {
        let pipe = self.path("pipe.jsonl");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo can be started").success());
        let mut import = self.command("import", &[collection, "pipe.jsonl"]);
        import.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = import.spawn().expect("the binary can be started");
        // Whoever opens a pipe to write waits for the one who reads it.
        let rows = OpenOptions::new().write(true).open(&pipe);
        (child, rows.expect("a pipe can be opened"))
    }

    /// Runs `vinedb VERB db ARGS` within the folder.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, verb: &str, args: &[&str]) -> Run {
        self.command(verb, args)
            .output()
            .expect("the binary can be started")
            .into()
    }

    /// What `vinedb VERB db ARGS --json` answers: one line with one JSON value.
    ///
    /// # Panics
    /// When the command fails or prints anything else on standard output.
    pub fn json(&self, verb: &str, args: &[&str]) -> Value {
        let run = self
            .command(verb, args)
            .arg("--json")
            .output()
            .expect("the binary can be started");
        let run = Run::from(run).ok();
        assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
        run.json()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits until `ready` gives something.
///
/// # Panics
/// When that takes longer than two minutes.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "{what}: waited for two minutes in vain"
        );
        std::thread::yield_now();
    }
}

/// Sends a signal, such as `INT`, to a process.
///
/// # Panics
/// When there is no such process.
pub fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status();
    assert!(
        sent.expect("a shell").success(),
        "no signal {name} for process {}",
        child.id()
    );
}

/// Cosine of two vectors, in f64.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum::<f64>()
    };
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt()).max(f64::MIN_POSITIVE)
}

/// Squared Euclidean distance of two vectors, in f64.
#[must_use]
pub fn squared_l2(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum()
}
