//! `vinedb search`: opens read-only, beside whatever writes, and prints whole records.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use vinedb::{
    Answer, Collection, Match, Options, Query,
    answer::{Passage, Plan, Strategy},
    embed::Options as EmbeddingOptions,
    query::Rerank,
};

use crate::{
    args::Search,
    exit::Outcome,
    output::{self, Output, thousands},
    params, vectors,
};

/// Runs the command.
pub(crate) fn run(args: Search, home: PathBuf, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let base = base_query(&args)?;
    let collection = open(&args, home)?;
    let opened = started.elapsed();
    match &args.vector_file {
        Some(path) => search_file(&collection, path, &base, output)?,
        None => search_one(&collection, &args, base, opened, output)?,
    }
    Ok(Outcome::Done)
}

/// What the options say of every query.
fn base_query(args: &Search) -> Result<Query> {
    let base = Query {
        top_k: args.top_k,
        radius: args.radius,
        filter: args.filter.clone(),
        params: params::together(&args.params)?,
        rerank: rerank(args),
        ..Query::default()
    };
    Ok(base.with_vectors(args.with_vectors))
}

fn rerank(args: &Search) -> Option<Rerank> {
    args.rerank.clone().map(|model| Rerank {
        model,
        candidates: args.candidates,
    })
}

fn open(args: &Search, home: PathBuf) -> Result<Collection> {
    // One query needs one session, and opening it with care would take longer than that query gains.
    let embedding = EmbeddingOptions {
        sessions: 1,
        quick_start: true,
        ..EmbeddingOptions::default()
    };
    let options = Options::default().home(home).embedding(embedding);
    let db = options.read_only(true).open(&args.at.dir)?;
    Ok(db.collection(&args.at.name)?)
}

/// Searches by each vector of a file, in one batch.
fn search_file(collection: &Collection, path: &Path, base: &Query, output: &Output) -> Result<()> {
    let query = |vector| Query {
        vector: Some(vector),
        ..base.clone()
    };
    let queries: Vec<Query> = vectors::read_all(path)?.into_iter().map(query).collect();
    let answers = collection.search_batch(&queries)?;
    output.result(&answers, |answers| batch_text(answers))
}

fn search_one(
    collection: &Collection,
    args: &Search,
    base: Query,
    opened: Duration,
    output: &Output,
) -> Result<()> {
    let mut query = Query {
        text: args.text.clone(),
        like: args.like.clone(),
        ..base
    };
    let mut split = Split {
        opened,
        ..Split::default()
    };
    if args.timing {
        split.embed(collection, &mut query)?;
    }
    let mut answer = collection.search(&query)?;
    answer.plan.truncated |= split.truncated;
    split.searched = Duration::from_secs_f64(answer.took_ms / 1e3);
    let printing = Instant::now();
    output.result(&answer, answer_text)?;
    if args.timing {
        Output::note(split.text(printing.elapsed()));
    }
    Ok(())
}

/// Where the time of a command went.
#[derive(Default)]
struct Split {
    opened: Duration,
    model: Duration,
    embedded: Duration,
    searched: Duration,
    /// Whether the text that was embedded apart was cut.
    truncated: bool,
}

impl Split {
    /// Embeds the query's text apart from searching, first loading the model apart from embedding.
    fn embed(&mut self, collection: &Collection, query: &mut Query) -> Result<()> {
        let Some(text) = query.text.take() else {
            return Ok(());
        };
        let started = Instant::now();
        collection.load_model()?;
        self.model = started.elapsed();
        let started = Instant::now();
        let embedded = collection.embed(&[&text])?;
        query.vector = Some(embedded.row(0).to_vec());
        self.truncated = embedded.truncated()[0];
        self.embedded = started.elapsed();
        Ok(())
    }

    fn text(&self, printed: Duration) -> String {
        let parts = [
            ("open", self.opened),
            ("load model", self.model),
            ("embed", self.embedded),
            ("search", self.searched),
            ("print", printed),
        ];
        let parts = parts.map(|(name, time)| format!("{name} {:.1} ms", time.as_secs_f64() * 1e3));
        parts.join(", ")
    }
}

fn batch_text(answers: &[Answer]) -> String {
    let texts = answers
        .iter()
        .enumerate()
        .map(|(number, answer)| format!("query {}\n{}", number + 1, answer_text(answer)));
    texts.collect::<Vec<_>>().join("\n")
}

fn answer_text(answer: &Answer) -> String {
    let mut lines: Vec<String> = answer.matches.iter().enumerate().map(match_text).collect();
    if lines.is_empty() {
        lines.push("nothing matches".to_owned());
    }
    lines.push(format!(
        "({}; {:.1} ms)",
        plan_text(&answer.plan),
        answer.took_ms
    ));
    if answer.plan.truncated {
        lines.push(
            "the query's text is longer than the model takes: its beginning alone was searched by"
                .to_owned(),
        );
    }
    lines.join("\n")
}

/// How the answer was found, in words.
/// What an approximate search was set to, and what that was measured to find.
fn effort_text(plan: &Plan) -> String {
    let settings = plan.local.as_ref().map_or([None; 3], |local| {
        [local.ef_search, local.nprobe, local.rescore]
    });
    let settings = ["ef_search", "nprobe", "rescore"].into_iter().zip(settings);
    let mut text = String::new();
    for (name, value) in settings {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {value}"));
        }
    }
    if let Some(recall) = plan.recall {
        text.push_str(&format!(", recall {recall:.3}"));
    }
    if let Some(target) = plan.short_of {
        text.push_str(&format!(" (the best there is: {target} was asked for)"));
    }
    text
}

fn plan_text(plan: &Plan) -> String {
    let reranked = plan.reranked.map_or_else(String::new, |count| {
        format!("; {} ranked again", thousands(count as u64))
    });
    format!("{}{reranked}", search_text(plan))
}

fn search_text(plan: &Plan) -> String {
    let local = plan.local.as_ref();
    let index = local.map_or("none", |local| local.index.as_str());
    let vectors = local.map_or(0, |local| local.sealed + local.fresh);
    let vectors = thousands(vectors as u64);
    let passing = plan.matching.map_or_else(String::new, |matching| {
        format!("{} of ", thousands(matching as u64))
    });
    match plan.strategy {
        Strategy::Exact | Strategy::ExactFiltered => {
            format!("exact: {passing}{vectors} vectors compared")
        }
        Strategy::Approximate => format!("{index}: {vectors} vectors{}", effort_text(plan)),
        Strategy::ApproximateFiltered => {
            format!(
                "{index} among {passing}{vectors} vectors{}",
                effort_text(plan)
            )
        }
        _ => format!("{index}: {passing}{vectors} vectors"),
    }
}

fn match_text((rank, found): (usize, &Match)) -> String {
    let mut lines = vec![format!(
        "{:>2}. {:.4}  {}",
        rank + 1,
        found.score,
        found.key
    )];
    let fields = output::fields(&found.document.metadata);
    let text = match &found.passage {
        Some(passage) => passage_text(passage),
        None => output::excerpt(found.document.text.as_deref().unwrap_or_default()),
    };
    lines.extend(
        [fields, text]
            .into_iter()
            .filter(|line| !line.is_empty())
            .map(|line| format!("    {line}")),
    );
    lines.join("\n")
}

/// The beginning of a passage, and which bytes of the document's text it is.
fn passage_text(passage: &Passage) -> String {
    format!(
        "bytes {} to {}: {}",
        thousands(passage.start as u64),
        thousands(passage.end as u64),
        output::excerpt(&passage.text)
    )
}
