//! Clients that leave: whatever they asked that needs a model, its texts are withdrawn.

use std::{
    io::Write,
    net::TcpStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use vinedb::{
    Options,
    embed::{Caller, Embed, Error as EmbeddingError, HashEmbedder, Identity, Pending, Purpose},
    http::{Timeouts, serve},
};
use vinedb_tests::wait_for;

use super::App;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(120);

/// A model that, once it is told to be patient, is done with no text before whoever asked has left.
struct Patient {
    model: HashEmbedder,
    patient: AtomicBool,
    /// How many texts have come, and how many of them were withdrawn.
    seen: Mutex<Sender<(&'static str, usize)>>,
}

impl Patient {
    fn says(&self, what: &'static str, texts: usize) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.send((what, texts)).unwrap();
    }
}

impl Embed for Patient {
    fn identity(&self) -> &Identity {
        self.model.identity()
    }

    fn room(&self) -> usize {
        self.model.room()
    }

    fn tokens(&self, text: &str) -> Result<Vec<usize>, EmbeddingError> {
        self.model.tokens(text)
    }

    fn submit(&self, texts: Vec<String>, purpose: Purpose) -> Result<Pending, EmbeddingError> {
        if !self.patient.load(Ordering::Acquire) {
            return self.model.submit(texts, purpose);
        }
        self.says("came", texts.len());
        wait_for("the client to leave", || {
            Caller::current().has_left().then_some(())
        });
        self.says("left", texts.len());
        Err(EmbeddingError::Withdrawn)
    }
}

/// A server in this process whose model is patient, and what that sees.
async fn start() -> (App, std::net::SocketAddr, Receiver<(&'static str, usize)>) {
    let (send, seen) = channel();
    let patient = Arc::new(Patient {
        model: HashEmbedder::new(64),
        patient: AtomicBool::new(false),
        seen: Mutex::new(send),
    });
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().embedder(patient.clone());
    let app = App::over(options.open(folder.path().join("db")).unwrap(), folder);
    app.put("/collections/wines", &json!({})).await.is(201);
    let wines = json!([{"key": "a", "text": "red cherry and tar"}]);
    app.post("/collections/wines/documents", &wines)
        .await
        .is(200);
    patient.patient.store(true, Ordering::Release);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let never = std::future::pending();
    tokio::spawn(serve(
        listener,
        app.router.clone(),
        never,
        Timeouts::default(),
    ));
    (app, addr, seen)
}

fn ask(addr: std::net::SocketAddr, path: &str, content_type: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream
}

/// Asks, leaves while the texts wait, and says how many texts were withdrawn for that.
fn leave(
    addr: std::net::SocketAddr,
    seen: &Receiver<(&'static str, usize)>,
    request: (&str, &str, String),
) -> usize {
    let (path, content_type, body) = request;
    let stream = ask(addr, path, content_type, &body);
    let (what, came) = seen.recv_timeout(LONG).unwrap();
    assert_eq!(what, "came", "{path}");
    drop(stream);
    assert_eq!(seen.recv_timeout(LONG).unwrap(), ("left", came), "{path}");
    came
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_of_a_client_that_leaves_are_withdrawn() {
    let (app, addr, seen) = start().await;
    let model = HashEmbedder::new(64).identity().name.clone();
    let many: Vec<String> = (0..2_000).map(|number| format!("wine {number}")).collect();
    let documents: Value = (0..3)
        .map(|key| json!({"key": key, "text": format!("white {key}")}))
        .collect();
    let lines: String = (0..3)
        .map(|key| format!("{}\n", json!({"key": key, "text": format!("rosé {key}")})))
        .collect();
    let json = "application/json";
    let requests = [
        (
            "/v1/embeddings",
            json,
            json!({"model": model, "input": many}).to_string(),
            2_000,
        ),
        (
            "/collections/wines/search",
            json,
            json!({"text": "red"}).to_string(),
            1,
        ),
        (
            "/collections/wines/search/batch",
            json,
            json!([{"text": "red"}, {"text": "white"}]).to_string(),
            2,
        ),
        (
            "/collections/wines/documents",
            json,
            documents.to_string(),
            3,
        ),
        (
            "/collections/wines/documents",
            "application/x-ndjson",
            lines,
            3,
        ),
    ];
    let withdrawn = tokio::task::spawn_blocking(move || {
        requests.map(|(path, content_type, body, texts)| {
            (leave(addr, &seen, (path, content_type, body)), texts)
        })
    });
    for (withdrawn, texts) in withdrawn.await.unwrap() {
        assert_eq!(withdrawn, texts);
    }
    assert_eq!(app.keys("wines").await, json!(["a"]), "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_that_leaves_takes_no_other_along() {
    let (_app, addr, seen) = start().await;
    let first = ask(
        addr,
        "/collections/wines/search",
        "application/json",
        "{\"text\": \"red\"}",
    );
    let second = ask(
        addr,
        "/collections/wines/search",
        "application/json",
        "{\"text\": \"white\"}",
    );
    let counted = tokio::task::spawn_blocking(move || {
        assert_eq!(seen.recv_timeout(LONG).unwrap(), ("came", 1));
        assert_eq!(seen.recv_timeout(LONG).unwrap(), ("came", 1));
        drop(first);
        assert_eq!(seen.recv_timeout(LONG).unwrap(), ("left", 1));
        let stays = seen.try_recv().is_err();
        drop(second);
        assert_eq!(seen.recv_timeout(LONG).unwrap(), ("left", 1));
        stays
    });
    assert!(counted.await.unwrap(), "one client's leaving is no other's");
}
