//! Listens, serves until Ctrl-C or SIGTERM, and lets requests that are under way finish.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use axum::Router;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// How long requests may go on after the signal to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// An address that is taken; requests wait until it is served.
pub(crate) struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    pub(crate) fn bind(addr: &str) -> Result<Self> {
        let socket = TcpListener::bind(addr).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => anyhow!("the address {addr} is in use: stop the program that has it, or give another, such as --addr 127.0.0.1:0 for a free port"),
            ErrorKind::InvalidInput => anyhow!("--addr {addr:?} is not an address: give host and port, such as 127.0.0.1:8080"),
            _ => anyhow!("cannot listen at {addr}: {error}; give another address with --addr, such as 127.0.0.1:8080"),
        })?;
        let addr = socket.local_addr()?;
        Ok(Self { socket, addr })
    }

    /// Where a browser finds it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    /// Serves until the process is asked to stop.
    pub(crate) fn serve(self, app: Router) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the server")?;
        let served = runtime.block_on(self.serve_until(app, asked_to_stop()));
        runtime.shutdown_timeout(PATIENCE);
        served
    }

    async fn serve_until(
        self,
        app: Router,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        self.socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpListener::from_std(self.socket)?;
        let (stopping, stopped) = oneshot::channel();
        let server = axum::serve(socket, app).with_graceful_shutdown(async move {
            stop.await;
            let _ = stopping.send(());
        });
        tokio::select! {
            served = server.into_future() => served.context("the server failed"),
            () = out_of_patience(stopped) => Ok(()),
        }
    }
}

async fn out_of_patience(stopped: oneshot::Receiver<()>) {
    if stopped.await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(PATIENCE).await;
}

async fn asked_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_had_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap().to_string();
        let sentence = Listener::bind(&addr).err().unwrap().to_string();
        assert!(
            sentence.contains(&addr) && sentence.contains("in use") && sentence.contains("--addr"),
            "{sentence}"
        );
        let sentence = Listener::bind("8080").err().unwrap().to_string();
        assert!(
            sentence.contains("8080") && sentence.contains("127.0.0.1:8080"),
            "{sentence}"
        );
    }

    #[tokio::test]
    async fn it_stops_when_it_is_asked_to() {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        listener
            .serve_until(Router::new(), std::future::ready(()))
            .await
            .unwrap();
    }
}
