//! `vinedb serve`: the HTTP server, until it is told to stop.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
};
use vinedb::{
    Database, Options,
    embed::Options as EmbeddingOptions,
    http::{self, AppState, Timeouts},
};

use crate::{args, database::Writing, exit::Outcome};

/// How long work that nobody waits for may still take after the last answer.
const AFTER_GRACE: Duration = Duration::from_secs(5);

/// Runs the command.
pub(crate) fn run(args: args::Serve, home: PathBuf) -> Result<Outcome> {
    let embedding = EmbeddingOptions {
        sessions: args.sessions.unwrap_or(0),
        threads: args.threads,
        ..EmbeddingOptions::default()
    };
    let options = Options::default()
        .home(home)
        .embedding(embedding)
        .create(!args.read_only)
        .read_only(args.read_only)
        .mapped(args.mapped);
    let db = Writing::open(options, &args.dir)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the server's threads")?;
    runtime.block_on(serve(Database::clone(&db), args.addr))?;
    runtime.shutdown_timeout(AFTER_GRACE);
    Ok(Outcome::Done)
}

async fn serve(db: Database, addr: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(addr)
        .await
        .with_context(|| format!("cannot listen on {addr}: choose another address with --addr, such as 127.0.0.1:0 for any free port"))?;
    let (first, mut again) = (Stop::listen()?, Stop::listen()?);
    let state = AppState::new(db);
    state.set_ready(false);
    tracing::info!(target: "vinedb::cli", "serving on http://{}", listener.local_addr()?);
    let stop = run_until(first, state.clone());
    let timeouts = Timeouts::default();
    tokio::select! {
        finished = http::serve(listener, http::router_with(state), stop, timeouts) => if !finished {
            tracing::warn!("some requests took longer than {} s and were cut off", timeouts.grace.as_secs());
        },
        () = again.told_twice() => {
            tracing::warn!("told to stop again: requests that were being answered are cut off");
        }
    }
    Ok(())
}

/// Opens the collections, says that the server is ready, and takes that back when it is told to stop.
async fn run_until(mut stop: Stop, state: AppState) {
    let db = state.db().clone();
    tokio::select! {
        _ = spawn_blocking(move || warm_up(&db)) => {
            state.set_ready(true);
            tracing::info!(target: "vinedb::cli", "ready");
            stop.told().await;
        }
        () = stop.told() => {}
    }
    state.set_ready(false);
    tracing::info!(target: "vinedb::cli", "stopping: requests that are being answered are finished first");
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

/// Hears SIGINT and SIGTERM.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn told_twice(&mut self) {
        self.told().await;
        self.told().await;
    }
}
