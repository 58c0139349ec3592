//! The listening loop: connections with time limits, and an end that lets requests finish.

use std::{future::Future, io::ErrorKind, pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};

/// How long a server waits for its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a request's head, and between requests on one connection. Default: 30 s.
    pub head: Duration,
    /// For requests that are being answered when the server is told to stop. Default: 30 s.
    pub grace: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let half_a_minute = Duration::from_secs(30);
        Self {
            head: half_a_minute,
            grace: half_a_minute,
        }
    }
}

/// How long to wait when no connection can be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves HTTP/1.1 until `stop` resolves; then no more connections are taken, and requests that are being answered may
/// finish. Says whether all of them did, in time.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()>,
    timeouts: Timeouts,
) -> bool {
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            stream = accept(&listener) => {
                let watcher = connections.watcher();
                tokio::spawn(converse(stream, app.clone(), timeouts.head, watcher));
            }
            () = &mut stop => break,
        }
    }
    drop(listener);
    tokio::time::timeout(timeouts.grace, connections.shutdown())
        .await
        .is_ok()
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client went away before its turn came.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!("no connection can be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, app: Router, head: Duration, watcher: Watcher) {
    // Without it an answer in two packets may wait for the client's acknowledgement of the first.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!("a connection ended: {error}");
    }
}
