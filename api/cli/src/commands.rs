//! The commands that are little more than a call of the facade.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use vinedb::{
    CollectionConfig, Document, Key, Stats, embed::Chunk, index::Rung, snapshot::Manifest,
    stats::LocalStats,
};

use crate::{
    args,
    database::{in_database, read, write},
    exit::Outcome,
    output::{self, Output, bytes, thousands},
};

pub(crate) fn create(args: args::Create, home: PathBuf, output: &Output) -> Result<Outcome> {
    let mut config = match args.dimension {
        Some(dimension) => CollectionConfig::given(dimension),
        None => CollectionConfig::embedded(),
    };
    if let Some(model) = args.model {
        config = config.model(model);
    }
    if let Some(template) = args.template {
        config = config.template(template);
    }
    if let Some(tokens) = args.chunk {
        config = config.chunk(Chunk {
            tokens,
            overlap: args.overlap.unwrap_or_default(),
            at: args.chunk_at.unwrap_or_default(),
        });
    }
    let config = config
        .metric(args.metric)
        .index(args.index)
        .device(args.device);
    let stats = in_database(home, &args.at.dir, |db| {
        db.create_collection(&args.at.name, config)?.stats()
    })?;
    output.result(&stats, |stats| {
        format!("created {}: {}", stats.name, made_of(stats))
    })?;
    Ok(Outcome::Done)
}

/// Where a collection's vectors come from, in words.
fn made_of(stats: &Stats) -> String {
    let source = stats.model.as_ref().map_or_else(
        || "vectors that are given".to_owned(),
        |model| format!("text embedded by {}", model.name),
    );
    let passages = stats.config.chunk.map_or_else(String::new, |chunk| {
        format!(
            " in passages of {} tokens, {} of them shared",
            chunk.tokens, chunk.overlap
        )
    });
    format!(
        "{source}{passages}, {} dimensions, metric {}, index {}",
        stats.dimension, stats.config.metric, stats.config.index
    )
}

/// Says which keys have no document.
fn name_missing(keys: &[Key], found: &[Document]) {
    let missing = |key: &&Key| !found.iter().any(|document| document.key == **key);
    for key in keys.iter().filter(missing) {
        Output::note(format!("there is no document with key {key}"));
    }
}

#[derive(Serialize)]
struct Documents {
    documents: Vec<Document>,
}

pub(crate) fn get(args: args::Get, home: PathBuf, output: &Output) -> Result<Outcome> {
    let collection = read(home, &args.at.dir)?.collection(&args.at.name)?;
    let documents = if args.with_vectors {
        collection.get_with_vectors(&args.keys)?
    } else {
        collection.get(&args.keys)?
    };
    name_missing(&args.keys, &documents);
    let found = !documents.is_empty();
    if found || output.is_json() {
        let text = |found: &Documents| {
            found
                .documents
                .iter()
                .map(output::document)
                .collect::<Vec<_>>()
                .join("\n")
        };
        output.result(&Documents { documents }, text)?;
    }
    Ok(if found {
        Outcome::Done
    } else {
        Outcome::Nothing
    })
}

#[derive(Serialize)]
struct Deleted {
    deleted: usize,
}

pub(crate) fn delete(args: args::Delete, home: PathBuf, output: &Output) -> Result<Outcome> {
    let db = write(home, &args.at.dir)?;
    let collection = db.collection(&args.at.name)?;
    let deleted = match &args.filter {
        Some(filter) => collection.delete_matching(filter)?,
        None => {
            name_missing(&args.keys, &collection.get(&args.keys)?);
            collection.delete(&args.keys)?
        }
    };
    output.result(&Deleted { deleted }, |done| {
        format!("{} deleted", thousands(done.deleted as u64))
    })?;
    Ok(if deleted > 0 {
        Outcome::Done
    } else {
        Outcome::Nothing
    })
}

#[derive(Serialize)]
struct Count {
    count: u64,
}

pub(crate) fn count(args: args::Count, home: PathBuf, output: &Output) -> Result<Outcome> {
    let count = read(home, &args.at.dir)?
        .collection(&args.at.name)?
        .count(args.filter.as_ref())?;
    output.result(&Count { count }, |count| count.count.to_string())?;
    Ok(Outcome::Done)
}

pub(crate) fn stats(args: args::Stats, home: PathBuf, output: &Output) -> Result<Outcome> {
    let db = read(home, &args.dir)?;
    if let Some(name) = &args.name {
        output.result(&db.collection(name)?.stats()?, stats_text)?;
        return Ok(Outcome::Done);
    }
    let names = db.collections()?;
    let stats = names
        .iter()
        .map(|name| db.collection(name)?.stats())
        .collect::<vinedb::Result<Vec<Stats>>>()?;
    let text = |all: &Vec<Stats>| match all.as_slice() {
        [] => "no collections".to_owned(),
        all => all.iter().map(stats_text).collect::<Vec<_>>().join("\n"),
    };
    output.result(&stats, text)?;
    Ok(Outcome::Done)
}

pub(crate) fn stats_text(stats: &Stats) -> String {
    let passages = stats
        .passages
        .map(|count| format!(", {} passages", thousands(count)));
    let mut lines = vec![
        format!(
            "{}: {} documents{}",
            stats.name,
            thousands(stats.documents),
            passages.unwrap_or_default()
        ),
        format!("  {}", made_of(stats)),
        format!("  {}", stats.explanation),
    ];
    if let Some(local) = &stats.local {
        local_lines(local, &mut lines);
    }
    lines.join("\n")
}

/// The sealed index comes before the explanation, what it takes and its curve after.
fn local_lines(local: &LocalStats, lines: &mut Vec<String>) {
    let sealed = format!(
        "  sealed index {}, generation {}: {} vectors; {} fresh, {} deleted",
        local.index.as_deref().unwrap_or("none"),
        local.generation,
        thousands(local.sealed as u64),
        thousands(local.fresh as u64),
        thousands(local.deleted as u64)
    );
    lines.insert(lines.len() - 1, sealed);
    lines.push(format!(
        "  {} in memory, {} on disk",
        bytes(local.memory_bytes as u64),
        bytes(local.disk_bytes)
    ));
    if let Some(curve) = local.curve.as_ref().filter(|curve| curve.rungs.len() > 1) {
        lines.push(format!(
            "  recall@{} of {} stored vectors, a query alone:",
            curve.k, curve.queries
        ));
        lines.extend(curve.rungs.iter().map(rung_text));
    }
}

fn rung_text(rung: &Rung) -> String {
    let exact = rung.is_exact().then(|| "exact".to_owned());
    let settings = [
        ("ef_search", rung.ef_search),
        ("nprobe", rung.nprobe),
        ("rescore", rung.rescore),
    ];
    let settings = settings
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name} {value}")))
        .chain(exact);
    format!(
        "    {:.3} ± {:.3} in {:.2} ms   {}",
        rung.recall,
        rung.error,
        rung.micros / 1e3,
        settings.collect::<Vec<_>>().join(", ")
    )
}

#[derive(Serialize)]
struct Dropped {
    dropped: String,
}

pub(crate) fn drop_collection(
    args: args::Named,
    home: PathBuf,
    output: &Output,
) -> Result<Outcome> {
    write(home, &args.dir)?.drop_collection(&args.name)?;
    output.result(&Dropped { dropped: args.name }, |done| {
        format!("dropped {}", done.dropped)
    })?;
    Ok(Outcome::Done)
}

pub(crate) fn snapshot(args: args::File, home: PathBuf, output: &Output) -> Result<Outcome> {
    let manifest = read(home, &args.at.dir)?
        .collection(&args.at.name)?
        .snapshot(&args.file)?;
    let text = |manifest: &Manifest| {
        format!(
            "{} documents of {} are in {}",
            thousands(manifest.documents),
            manifest.collection,
            args.file.display()
        )
    };
    output.result(&manifest, text)?;
    Ok(Outcome::Done)
}

pub(crate) fn restore(args: args::File, home: PathBuf, output: &Output) -> Result<Outcome> {
    let stats = in_database(home, &args.at.dir, |db| {
        db.restore(&args.at.name, &args.file)?.stats()
    })?;
    output.result(&stats, |stats| {
        format!(
            "restored {}: {} documents",
            stats.name,
            thousands(stats.documents)
        )
    })?;
    Ok(Outcome::Done)
}
