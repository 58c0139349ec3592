//! `vinedb serve`: the HTTP server, until it is told to stop.

use std::{future::Future, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use tokio::{net::TcpListener, signal::unix::SignalKind};
use vinedb::{
    Database, Options,
    http::{AppState, router_with},
};

use super::{Outcome, args};

/// How long requests that are being answered may still take once the server was told to stop.
const GRACE: Duration = Duration::from_secs(30);

/// Runs the command.
pub(crate) fn run(args: args::Serve, home: PathBuf) -> Result<Outcome> {
    let db = Options::default()
        .home(home)
        .create(!args.read_only)
        .read_only(args.read_only)
        .open(&args.dir)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the server's threads")?;
    runtime.block_on(serve(db, args.addr))?;
    runtime.shutdown_timeout(GRACE);
    Ok(Outcome::Done)
}

async fn serve(db: Database, addr: std::net::SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(addr)
        .await
        .with_context(|| format!("cannot listen on {addr}: choose another address with --addr, such as 127.0.0.1:0 for any free port"))?;
    let state = AppState::new(db.clone());
    state.set_ready(false);
    let warm = tokio::task::spawn_blocking({
        let state = state.clone();
        move || {
            warm_up(&db);
            state.set_ready(true);
        }
    });
    tracing::info!(target: "vinedb::cli", "serving on http://{}", listener.local_addr()?);
    let stop = stop_signal()?;
    let stopping = state.clone();
    let (told, wait_told) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, router_with(state)).with_graceful_shutdown(async move {
        stop.await;
        stopping.set_ready(false);
        tracing::info!(target: "vinedb::cli", "stopping: requests that are being answered are finished first");
        let _ = told.send(());
    });
    let deadline = async move {
        let _ = wait_told.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = server => served.context("the server failed")?,
        () = deadline => tracing::warn!("some requests took longer than {} s and were cut off", GRACE.as_secs()),
    }
    warm.await.context("opening the collections failed")
}

/// Opens every collection and its model, so that the first request does not wait for that.
fn warm_up(db: &Database) {
    for name in db.collections().unwrap_or_default() {
        let opened = db
            .collection(&name)
            .and_then(|collection| collection.load_model());
        if let Err(error) = opened {
            tracing::warn!("collection {name}: {error}");
        }
    }
}

/// Resolves at SIGINT or SIGTERM.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut interrupt =
        tokio::signal::unix::signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())
        .context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
