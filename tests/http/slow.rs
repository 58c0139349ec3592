//! Clients that send half a request and then nothing: they neither keep a connection nor hold up the end.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use vinedb::http::{Timeouts, serve};

use super::App;

const SHORT: Duration = Duration::from_millis(100);

/// A server in this process, with what stops it and whether all its requests finished.
struct Server {
    _app: App,
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<bool>,
}

async fn start(timeouts: Timeouts) -> Server {
    let app = App::with_points().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopped = async { stopped.await.unwrap() };
    let served = tokio::spawn(serve(listener, app.router.clone(), stopped, timeouts));
    Server {
        _app: app,
        addr,
        stop,
        served,
    }
}

/// Sends something and reads all that comes, until the server closes the connection.
async fn converse(addr: SocketAddr, request: &'static str) -> String {
    let talk = move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_head_does_not_keep_a_connection() {
    let server = start(Timeouts {
        head: SHORT,
        ..Timeouts::default()
    })
    .await;
    let answer = converse(
        server.addr,
        "GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
    )
    .await;
    assert!(!answer.contains("200 OK"), "{answer}");
    let answer = converse(
        server.addr,
        "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET /hea",
    )
    .await;
    assert_eq!(answer.matches("200 OK").count(), 1, "{answer}");
    server.stop.send(()).unwrap();
    assert!(server.served.await.unwrap(), "nothing was cut off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_never_comes_does_not_hold_up_the_end() {
    let server = start(Timeouts {
        grace: SHORT,
        ..Timeouts::default()
    })
    .await;
    let mut stream = TcpStream::connect(server.addr).unwrap();
    let head = "POST /collections/points/search HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut begun = [0; 25];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.stop.send(()).unwrap();
    assert!(!server.served.await.unwrap(), "a request was cut off");
}
