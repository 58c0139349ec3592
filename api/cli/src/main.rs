//! The `vinedb` binary: one process, one command. Arguments, and one module per command that is more than a call of the
//! facade.
//!
//! Exit codes: 0 done, 1 failed (one sentence on standard error), 2 wrong usage, 130 interrupted.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod building;
mod cluster;
mod commands;
mod database;
mod embed;
mod exit;
mod format;
mod import;
mod index;
mod interrupt;
mod models;
mod npy_writer;
mod output;
mod params;
mod progress;
mod rows;
mod search;
mod serve;
mod vectors;

use std::{io, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
use exit::{INTERRUPTED, MISUSED, Outcome, Usage};
use output::Output;

/// Runs a command and turns its end into an exit code.
fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    let output = Output::new(cli.json);
    match execute(cli, &output) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Nothing) => ExitCode::FAILURE,
        Ok(Outcome::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            Output::error(&error);
            if error.is::<Usage>() {
                ExitCode::from(MISUSED)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn execute(cli: Cli, output: &Output) -> anyhow::Result<Outcome> {
    let home = cli.home.unwrap_or_else(::models::default_home);
    match cli.command {
        Command::Serve(args) => serve::run(args, home),
        Command::Create(args) => commands::create(args, home, output),
        Command::Import(args) => import::run(args, home, output),
        Command::Index(command) => index::run(command, home, output),
        Command::Search(args) => search::run(args, home, output),
        Command::Get(args) => commands::get(args, home, output),
        Command::Delete(args) => commands::delete(args, home, output),
        Command::Count(args) => commands::count(args, home, output),
        Command::Stats(args) => commands::stats(args, home, output),
        Command::Cluster(args) => cluster::run(args, home, output),
        Command::Train(args) => building::train(args, home, output),
        Command::Compact(args) => building::compact(args, home, output),
        Command::Bench(args) => bench::run(args, home, output),
        Command::Drop(args) => commands::drop_collection(args, home, output),
        Command::Snapshot(args) => commands::snapshot(args, home, output),
        Command::Restore(args) => commands::restore(args, home, output),
        Command::Embed(args) => embed::run(args, home),
        Command::Models { command } => models::run(command, &home, output),
    }
}

fn start_log() {
    let filter = EnvFilter::try_from_env("VINEDB_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,vinedb::cli=info"));
    tracing_subscriber::fmt()
        .with_ansi(output::stderr_is_terminal())
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(io::stderr)
        .init();
}

/// The reader of our output went away, as `head` does; that is no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
