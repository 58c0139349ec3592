//! `kill -9` at seeded moments: what was acknowledged is there afterwards, what was not is there wholly or not at all.
//!
//! The victim is the real binary: a server that is written to over HTTP, so that its answer is the acknowledgement; `vinedb
//! compact`; `vinedb import` with the real model.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use vinedb::{Collection, Key, Metric, Query};
use vinedb_tests::{GRAPH, command, vinedb};

use crate::sample::{
    Rng, at, config, document, documents, eventually, names, reader, seed_of, vector, writer,
};

const NAME: &str = "c";
/// Documents that may be there.
const KEYS: u64 = 6_000;

/// Starts `vinedb serve` on a free port.
pub(crate) fn serve(dir: &Path) -> Child {
    command([
        "serve".as_ref(),
        dir.as_os_str(),
        "--addr".as_ref(),
        "127.0.0.1:0".as_ref(),
    ])
    .stderr(Stdio::piped())
    .stdout(Stdio::null())
    .spawn()
    .unwrap()
}

/// The server's address, once it says that it listens.
pub(crate) fn ready(server: &mut Child) -> String {
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the server ended");
        if let Some((_, address)) = line.trim().split_once("http://") {
            let address = address.to_owned();
            // Read on, so that the server never waits for room in the pipe.
            thread::spawn(move || io::copy(&mut log, &mut io::sink()));
            return address;
        }
    }
}

/// Posts JSON and gives the answer's body; an error when the server dies before it has answered.
fn post(address: &str, path: &str, body: &Value) -> io::Result<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).map_err(io::Error::other)
}

fn run<const N: usize>(args: [&OsStr; N]) {
    assert_eq!(vinedb(args).code, 0);
}

/// What documents there are, in which versions; the key is that of `sample::document`.
type Versions = BTreeMap<u64, u64>;

#[derive(Debug, Clone)]
enum Change {
    Upsert(Versions),
    Delete(Vec<u64>),
}

impl Change {
    /// Mostly upserts of new and old keys, at times a large one, at times deletions.
    fn any(rng: &mut Rng, version: u64) -> Self {
        match rng.below(10) {
            0..=1 => Self::Delete((0..rng.below(60)).map(|_| rng.below(KEYS)).collect()),
            2 => Self::Upsert((0..1_500).map(|_| (rng.below(KEYS), version)).collect()),
            _ => Self::Upsert(
                (0..=rng.below(80))
                    .map(|_| (rng.below(KEYS), version))
                    .collect(),
            ),
        }
    }

    fn apply(&self, to: &mut Versions) {
        match self {
            Self::Upsert(new) => to.extend(new),
            Self::Delete(keys) => to.retain(|key, _| !keys.contains(key)),
        }
    }

    fn send(&self, address: &str) -> io::Result<()> {
        let documents = format!("/collections/{NAME}/documents");
        let answer = match self {
            Self::Upsert(new) => {
                let body: Vec<_> = new
                    .iter()
                    .map(|(key, version)| document(*key, *version))
                    .collect();
                post(address, &documents, &json!(body))?
            }
            Self::Delete(keys) => {
                let keys: Vec<String> = keys.iter().map(|key| format!("d{key}")).collect();
                post(
                    address,
                    &format!("{documents}/delete"),
                    &json!({"keys": keys}),
                )?
            }
        };
        assert!(answer.is_object(), "{answer}");
        Ok(())
    }
}

/// Writes until the server is killed, which happens a while after the write `last` was sent. Gives the state that was
/// acknowledged and the write that was not.
fn write_until_killed(
    dir: &Path,
    rng: &mut Rng,
    acknowledged: &mut Versions,
    round: u64,
) -> Change {
    let mut server = serve(dir);
    let address = ready(&mut server);
    let last = 1 + rng.place(25);
    let delay = Duration::from_micros(rng.below(12_000));
    let sent = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            eventually("the last write", || sent.load(Ordering::Acquire) >= last);
            at(Instant::now() + delay);
            server.kill().unwrap();
            server.wait().unwrap();
        });
        for version in round * 1_000.. {
            let write = Change::any(rng, version);
            sent.fetch_add(1, Ordering::Release);
            match write.send(&address) {
                Ok(()) => write.apply(acknowledged),
                Err(_) => return write,
            }
        }
        unreachable!("a server is killed in the end")
    })
}

/// The state of a collection, checked: every document is whole, and is found by its own vector.
fn state(collection: &Collection) -> Versions {
    let all: Vec<Key> = (0..KEYS).map(|key| format!("d{key}").into()).collect();
    let there = collection.get_with_vectors(&all).unwrap();
    assert_eq!(collection.count(None).unwrap(), there.len() as u64);
    let mut versions = Versions::new();
    for found in &there {
        let (key, version) = (
            number(&found.metadata["key"]),
            number(&found.metadata["version"]),
        );
        assert_eq!(*found, document(key, version));
        versions.insert(key, version);
    }
    let queries: Vec<Query> = there
        .iter()
        .map(|found| Query::vector(found.vector.clone().unwrap()).top_k(1))
        .collect();
    for (answer, document) in collection
        .search_batch(&queries)
        .unwrap()
        .iter()
        .zip(&there)
    {
        assert_eq!(answer.matches[0].key, document.key);
    }
    versions
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// There are so many rows from the start that every round has its compactions too.
#[test]
fn what_a_killed_server_acknowledged_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let collection = writer(dir.path())
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    let mut acknowledged: Versions = (0..KEYS).map(|key| (key, 0)).collect();
    collection.upsert(documents(0..KEYS, 0)).unwrap();
    drop(collection);
    let mut rng = Rng(7);
    for round in 1..=8 {
        let lost = write_until_killed(dir.path(), &mut rng, &mut acknowledged, round);
        let db = writer(dir.path());
        let collection = db.collection(NAME).unwrap();
        let state = state(&collection);
        let mut with_lost = acknowledged.clone();
        lost.apply(&mut with_lost);
        assert!(
            state == acknowledged || state == with_lost,
            "round {round}: neither without nor with the write in flight\n{}",
            difference(&acknowledged, &state)
        );
        acknowledged = state;
        eventually("the index is sealed", || {
            collection
                .stats()
                .unwrap()
                .local
                .expect("the index is in this process")
                .sealed
                > 0
        });
    }
}

fn difference(expected: &Versions, found: &Versions) -> String {
    let mut text = String::new();
    for key in expected.keys().chain(found.keys()) {
        if expected.get(key) != found.get(key) {
            writeln!(
                text,
                "d{key}: {:?} is {:?}",
                expected.get(key),
                found.get(key)
            )
            .unwrap();
        }
    }
    text
}

/// The moments spread over the time that one whole compaction takes.
#[test]
fn a_compaction_killed_at_any_moment_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let collection = writer(dir.path())
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    let write = |version: u64| {
        let db = writer(dir.path());
        let collection = db.collection(NAME).unwrap();
        collection
            .upsert(documents(version * 40..version * 40 + 400, version))
            .unwrap();
        collection
            .delete((0..20).map(|key| format!("d{}", version * 40 + key * 19)))
            .unwrap();
    };
    collection.upsert(documents(0..3_000, 0)).unwrap();
    drop(collection);
    assert!(
        vinedb_tests::binary().is_file(),
        "built before the time is taken"
    );
    let begun = Instant::now();
    run(["compact".as_ref(), dir.path().as_os_str(), NAME.as_ref()]);
    let whole = begun.elapsed();
    let mut rng = Rng(3);
    for version in 1..=8 {
        write(version);
        let before = state(&reader(dir.path()).collection(NAME).unwrap());
        let moment = Instant::now() + whole.mul_f64(rng.below(1_000) as f64 / 1_000.0);
        let mut victim = command(["compact".as_ref(), dir.path().as_os_str(), NAME.as_ref()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        at(moment);
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert_eq!(state(&reader(dir.path()).collection(NAME).unwrap()), before);
        let db = writer(dir.path());
        let collection = db.collection(NAME).unwrap();
        assert_eq!(state(&collection), before);
        let left = names(&dir.path().join(NAME));
        let indexes = left.iter().filter(|name| name.contains("index-")).count();
        assert!(
            indexes <= 1,
            "half-written and old index files are cleared: {left:?}"
        );
    }
}

/// What a killed import committed stays, and the same command again embeds the rest, once.
#[test]
fn a_killed_import_goes_on_where_it_was() {
    const ROWS: usize = 1_400;
    let work = tempfile::tempdir().unwrap();
    let (dir, file) = (work.path().join("db"), work.path().join("rows.jsonl"));
    let mut lines = String::new();
    for row in 0..ROWS {
        writeln!(
            lines,
            "{}",
            json!({"id": row, "text": format!("wine number {row}"), "price": row % 50})
        )
        .unwrap();
    }
    fs::write(&file, lines).unwrap();
    run(["create".as_ref(), dir.as_os_str(), NAME.as_ref()]);
    let import = || {
        command([
            "import".as_ref(),
            dir.as_os_str(),
            NAME.as_ref(),
            file.as_os_str(),
            "--json".as_ref(),
        ])
    };
    let mut committed = 0;
    for least in [1, ROWS as u64 / 2] {
        let mut victim = import()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ended = AtomicBool::new(false);
        let read = reader(&dir).collection(NAME).unwrap();
        eventually("some rows are committed", || {
            ended.store(victim.try_wait().unwrap().is_some(), Ordering::Relaxed);
            ended.load(Ordering::Relaxed) || read.count(None).unwrap() >= least
        });
        victim.kill().unwrap();
        victim.wait().unwrap();
        let now = usize::try_from(read.count(None).unwrap()).unwrap();
        assert!(
            !ended.load(Ordering::Relaxed) && now >= committed,
            "{now} after {committed}"
        );
        committed = now;
    }
    let run = vinedb_tests::Run::from(import().output().unwrap()).ok();
    let summary = run.json();
    assert_eq!(summary["embedded"], ROWS - committed, "{summary}");
    assert_eq!(
        (&summary["unchanged"], &summary["added"]),
        (&json!(committed), &json!(ROWS - committed))
    );
    let collection = reader(&dir).collection(NAME).unwrap();
    assert_eq!(collection.count(None).unwrap(), ROWS as u64);
    for row in (0..ROWS).step_by(97) {
        let like = Query::like(i64::try_from(row).unwrap()).top_k(1);
        assert_eq!(collection.search(&like).unwrap().matches.len(), 1);
    }
    let again = vinedb_tests::Run::from(import().output().unwrap())
        .ok()
        .json();
    assert_eq!(
        (&again["embedded"], &again["unchanged"]),
        (&json!(0), &json!(ROWS))
    );
}

/// The seeds that the tests rely on give every version its own vector.
#[test]
fn versions_have_vectors_of_their_own() {
    assert_ne!(vector(seed_of(1, 1)), vector(seed_of(1, 2)));
}
