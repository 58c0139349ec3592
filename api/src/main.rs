//! The `vinedb` binary: one process, one command.
//!
//! Exit codes: 0 done, 1 failed (one sentence on standard error), 2 wrong usage, 130 interrupted.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse())
}
