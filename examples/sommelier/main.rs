//! The wine sommelier: asks a list of wines in plain English, on the terminal and in a browser.
//!
//! `wine` reads the list, `ingest` stores it, `cellar` answers questions, `pages` shows them. All of it is on the public
//! facade of vinedb.
#![forbid(unsafe_code)]

mod cellar;
mod console;
mod ingest;
mod pages;
mod price;
mod sentences;
mod server;
mod wine;

use std::{borrow::Cow, fs, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::{
    cellar::{Cellar, Kind, Pick, Question},
    console::{Console, duration},
    server::Listener,
};

const LIST: &[u8] = include_bytes!("wines.jsonl");
const QUESTIONS: [&str; 3] = [
    "a light red for grilled fish under 20 dollars",
    "crisp and salty, for a dozen oysters",
    "bubbles for a birthday, at most $30",
];

/// Asks a list of wines in plain English.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: Serving,
}

#[derive(Subcommand)]
enum Command {
    /// Embeds the list, answers three questions, then serves the page (the default)
    Demo(Serving),
    /// Embeds what is new in the list and serves the page
    Serve(Serving),
    /// Answers one question on the terminal
    Ask {
        /// What you are looking for, such as "a light red for grilled fish under 20 dollars"
        question: String,
        #[command(flatten)]
        stored: Stored,
    },
}

#[derive(Args)]
struct Serving {
    /// The address to serve at
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    addr: String,
    #[command(flatten)]
    stored: Stored,
}

#[derive(Args)]
struct Stored {
    /// A list of wines, one JSON object a line [default: the list that comes with the program]
    #[arg(long, value_name = "FILE")]
    wines: Option<PathBuf>,
    /// The database folder [default: sommelier.vinedb in the cache folder]
    #[arg(long, value_name = "DIR")]
    db: Option<PathBuf>,
}

impl Stored {
    fn open(&self, console: &Console) -> Result<Cellar> {
        let (source, list) = self.list()?;
        let wines = wine::parse(&source, &list)?;
        let dir = self
            .db
            .clone()
            .unwrap_or_else(|| vinedb::models::default_home().join("sommelier.vinedb"));
        ingest::open(console, vinedb::Options::from_env(), &dir, &wines)
    }

    fn list(&self) -> Result<(String, Cow<'static, [u8]>)> {
        let Some(path) = &self.wines else {
            return Ok(("the shipped list".to_owned(), LIST.into()));
        };
        let list = fs::read(path)
            .with_context(|| format!("the list of wines {} cannot be read", path.display()))?;
        Ok((path.display().to_string(), list.into()))
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Demo(cli.demo)) {
        Command::Demo(serving) => serve(&serving, &QUESTIONS),
        Command::Serve(serving) => serve(&serving, &[]),
        Command::Ask { question, stored } => ask(&question, &stored),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Console::stderr().error(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn ask(question: &str, stored: &Stored) -> Result<()> {
    ensure!(
        !question.trim().is_empty(),
        "the question is empty: say what you are looking for"
    );
    let cellar = stored.open(&Console::stderr())?;
    answer(&Console::stdout(), &cellar, question)
}

/// Takes the address before anything else, so that one that is in use is reported at once.
fn serve(serving: &Serving, questions: &[&str]) -> Result<()> {
    let console = Console::stdout();
    let listener = Listener::bind(&serving.addr)?;
    let cellar = serving.stored.open(&console)?;
    questions
        .iter()
        .try_for_each(|question| answer(&console, &cellar, question))?;
    console.step(format_args!(
        "Serving {} wines at {}",
        cellar.len(),
        listener.url()
    ));
    console.line("open it in a browser; Ctrl-C stops");
    listener.serve(pages::router(cellar))?;
    console.step("Stopped");
    Ok(())
}

fn answer(console: &Console, cellar: &Cellar, question: &str) -> Result<()> {
    let asked = Question::new(question);
    let started = Instant::now();
    let picks = cellar.ask(&asked)?;
    let limit = asked.limit.map_or_else(String::new, |limit| {
        format!("; only wines that cost {limit}")
    });
    console.step(format_args!(
        "{question:?} ({}{limit})",
        duration(started.elapsed())
    ));
    if picks.is_empty() {
        console.line("no wine of the list passes; ask for more money");
    }
    for pick in &picks {
        show(console, pick);
    }
    Ok(())
}

fn show(
    console: &Console,
    Pick {
        wine,
        score,
        sentence,
    }: &Pick,
) {
    console.line(format_args!(
        "{score:.2}  {:>5}  {} ({}; {})",
        wine.price, wine.name, wine.varietal, wine.location
    ));
    if let Some(sentence) = sentence {
        let author = match sentence.source.kind {
            Kind::Review => &sentence.source.author,
            Kind::Notes => "winemaker's notes",
        };
        console.line(format_args!("             “{}” {author}", sentence.text));
    }
}
