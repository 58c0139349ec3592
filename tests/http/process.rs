//! The real `vinedb serve` with the real model, over TCP: from its first line to its last.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use vinedb_tests::{Run, Scratch, signal, wait_for};

/// A server that is stopped when this value goes.
pub(super) struct Server {
    child: Child,
    pub(super) url: String,
    /// Its lines on standard error.
    log: Receiver<String>,
}

impl Server {
    /// Starts `vinedb serve` on a free port and waits until it says where it listens.
    pub(super) fn start(scratch: &Scratch, args: &[&str]) -> Self {
        let mut command = scratch.command("serve", &["--addr", "127.0.0.1:0"]);
        let mut child = command
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| send.send(line))
        });
        let mut server = Self {
            child,
            url: String::new(),
            log,
        };
        let line = server.wait_for_line("serving on http://");
        server.url = line[line.find("http://").unwrap()..].to_owned();
        server
    }

    fn wait_for_line(&self, part: &str) -> String {
        loop {
            let line = self
                .log
                .recv_timeout(Duration::from_secs(120))
                .unwrap_or_else(|_| panic!("no line says {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Asks and gets the status with the answer.
    fn ask(&self, method: &str, path: &str, content_type: &str, body: &str) -> (u16, Value) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        let request = request
            .header("content-type", content_type)
            .body(body.to_owned())
            .unwrap();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true);
        let agent: ureq::Agent = config
            .timeout_global(Some(Duration::from_secs(120)))
            .build()
            .into();
        let mut response = agent.run(request).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (
            response.status().as_u16(),
            serde_json::from_str(&text).unwrap(),
        )
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "text/plain", "")
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.ask(method, path, "application/json", &body.to_string())
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        stream
    }

    /// Waits for the process to end by itself.
    fn exit_code(mut self) -> Option<i32> {
        wait_for("the server's end", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Begins an upload and returns once the server is reading it.
fn begin_upload(server: &Server, path: &str, length: usize) -> TcpStream {
    let mut stream = server.connect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&answer),
        String::from_utf8_lossy(expected)
    );
    stream
}

/// The rest of what a connection says, until it is closed.
fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Waits until a connection is closed without a word; by a reset where the server had not taken it yet.
fn assert_closed(mut stream: TcpStream) {
    match stream.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0, "it says something"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

const WINES: [(&str, &str); 4] = [
    (
        "barolo",
        "A stern red from Piedmont: tar, roses, black cherry, and tannins that want a roast.",
    ),
    (
        "muscadet",
        "A light dry white, salty and lemony, made for a plate of oysters.",
    ),
    (
        "sauternes",
        "A sweet golden wine of apricot and honey, to drink with blue cheese.",
    ),
    (
        "cava",
        "A sparkling wine of apple and fresh bread, for a toast.",
    ),
];

#[test]
fn a_server_from_its_first_line_to_its_last() {
    let scratch = Scratch::new();
    let made = scratch.run("create", &["wines"]);
    assert_eq!(made.code, 0, "{made:?}");
    let server = Server::start(&scratch, &[]);
    assert_eq!(server.get("/health").0, 200);
    let mut statuses = Vec::new();
    wait_for("readiness", || {
        statuses.push(server.get("/ready").0);
        (statuses.last() == Some(&200)).then_some(())
    });
    assert!(
        statuses.iter().rev().skip(1).all(|&status| status == 503),
        "{statuses:?}"
    );

    let documents: Value = WINES
        .iter()
        .map(|(key, text)| json!({"key": key, "text": text}))
        .collect();
    let (status, done) = server.json("POST", "/collections/wines/documents", &documents);
    assert_eq!(
        (status, &done["added"], &done["embedded"]),
        (200, &json!(4), &json!(4))
    );
    for (question, expected) in [
        ("something for oysters", "muscadet"),
        ("dessert wine", "sauternes"),
    ] {
        let (_, answer) = server.json(
            "POST",
            "/collections/wines/search",
            &json!({"text": question, "top_k": 1}),
        );
        let best = &answer["matches"][0];
        assert_eq!(best["key"], expected);
        assert!(best["score"].as_f64().unwrap() > 0.2, "{best}");
        let beside = scratch.json("search", &["wines", question, "-k", "1"]);
        // The command opens its model more quickly, which may round differently.
        let beside = &beside["matches"][0];
        assert_eq!(beside["document"], best["document"]);
        let score = |found: &Value| found["score"].as_f64().unwrap();
        assert!(
            (score(beside) - score(best)).abs() < 1e-5,
            "{beside} {best}"
        );
    }
    assert!(
        scratch
            .run("create", &["more"])
            .error()
            .contains(&format!("process {}", server.child.id()))
    );
    assert!(
        scratch
            .run("serve", &["--addr", "127.0.0.1:0"])
            .error()
            .contains("is being written by process")
    );

    let path = "/collections/wines/documents";
    let (first, second) = (
        json!({"key": "late1", "text": "A rosé."}),
        json!({"key": "late2", "text": "An amber wine."}),
    );
    let body = format!("{first}\n{second}\n");
    let mut upload = begin_upload(&server, path, body.len());
    upload.write_all(&body.as_bytes()[..40]).unwrap();
    let idle = server.connect();
    signal(&server.child, "TERM");
    server.wait_for_line("stopping");
    assert_closed(idle);
    upload.write_all(&body.as_bytes()[40..]).unwrap();
    let answer = rest(upload);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(r#""added":2"#),
        "{answer}"
    );
    assert_eq!(server.exit_code(), Some(0));
    assert_eq!(scratch.json("count", &["wines"]), json!({"count": 6}));
    assert_eq!(
        scratch.json("search", &["wines", "An amber wine.", "-k", "1"])["matches"][0]["key"],
        "late2"
    );
}

/// A database of given vectors, which needs no model.
fn points() -> Scratch {
    let scratch = Scratch::new();
    let made = scratch.run("create", &["points", "--dimension", "2"]);
    assert_eq!(made.code, 0, "{made:?}");
    scratch
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused: Run = points().run("serve", &["--addr", &address]);
    let sentence = refused.error();
    assert!(
        sentence.contains(&address) && sentence.contains("in use") && sentence.contains("--addr"),
        "{sentence}"
    );
}

#[test]
fn a_reader_serves_beside_a_writer() {
    let scratch = points();
    let (writer, reader) = (
        Server::start(&scratch, &[]),
        Server::start(&scratch, &["--read-only"]),
    );
    let documents = json!([{"key": 1, "vector": [1, 0]}, {"key": 2, "vector": [0, 1]}]);
    let (status, refused) = reader.json("POST", "/collections/points/documents", &documents);
    assert_eq!(
        (status, refused["error"]["code"].as_str()),
        (409, Some("read_only"))
    );
    assert_eq!(
        writer
            .json("POST", "/collections/points/documents", &documents)
            .0,
        200
    );
    let (_, found) = reader.json(
        "POST",
        "/collections/points/search",
        &json!({"vector": [0, 2], "top_k": 1}),
    );
    assert_eq!(found["matches"][0]["key"], 2);
    signal(&reader.child, "INT");
    assert_eq!(reader.exit_code(), Some(0));
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let scratch = points();
    let mut server = Server::start(&scratch, &[]);
    let documents = json!([{"key": "kept", "vector": [1, 0]}]);
    assert_eq!(
        server
            .json("POST", "/collections/points/documents", &documents)
            .0,
        200
    );
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = Server::start(&scratch, &[]);
    assert_eq!(
        server.get("/collections/points/documents/kept"),
        (200, json!({"key": "kept"}))
    );
}

#[test]
fn a_second_signal_does_not_wait_for_slow_clients() {
    let scratch = points();
    let server = Server::start(&scratch, &[]);
    let upload = begin_upload(&server, "/collections/points/documents", 1000);
    signal(&server.child, "TERM");
    server.wait_for_line("stopping");
    signal(&server.child, "TERM");
    server.wait_for_line("cut off");
    assert_eq!(server.exit_code(), Some(0));
    drop(upload);
}

#[test]
fn a_client_sees_why_its_large_body_is_refused() {
    let scratch = points();
    let server = Server::start(&scratch, &[]);
    let text = "x".repeat(100 * 1024 * 1024);
    let body = format!(r#"[{{"key": 1, "vector": [1, 0], "text": "{text}"}}]"#);
    let (status, refused) = server.ask(
        "POST",
        "/collections/points/documents",
        "application/json",
        &body,
    );
    assert_eq!(
        (status, refused["error"]["code"].as_str()),
        (413, Some("too_large"))
    );
    let (status, refused) = server.ask(
        "POST",
        "/collections/points/documents",
        "application/x-ndjson",
        &body,
    );
    assert_eq!(
        (status, refused["error"]["field"].as_str()),
        (413, Some("line 1"))
    );
    let (status, refused) = server.ask(
        "POST",
        "/collections/none/documents",
        "application/x-ndjson",
        &body,
    );
    assert_eq!(
        (status, refused["error"]["code"].as_str()),
        (404, Some("unknown_collection"))
    );
    assert_eq!(
        server.json("POST", "/collections/points/documents/count", &json!({})),
        (200, json!({"count": 0}))
    );
}
