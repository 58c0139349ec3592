//! Brings the database up to date with the list: two collections, `wines` and `sentences`, which hold what the list holds.
//!
//! Invariant: a collection of these names is written only when it was made here, with these templates. What is stored already
//! is not embedded again, and what the list no longer has goes away, so running it again is cheap and always ends the same.
//! Sentences are embedded here so that no page has to: a search picks the best of them by comparing vectors.

use std::{collections::HashSet, path::Path, time::Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use vinedb::{
    Collection, CollectionConfig, Database, Document, Error, Key, Options, Upserted, Vectors,
};

use crate::{
    cellar::{Cellar, Kind, SENTENCES, Source, WINES},
    console::{Console, Progress, duration},
    sentences,
    wine::{TEMPLATE, Wine},
};

/// Documents written at a time: enough for the model to sort by length, few enough to show progress.
const BATCH: usize = 64;

/// Opens the database and stores the list in it. While another process writes there, what it has stored is read instead.
pub(crate) fn open(
    console: &Console,
    options: Options,
    dir: &Path,
    wines: &[Wine],
) -> Result<Cellar> {
    console.step(format_args!("Opening the database {} …", dir.display()));
    let started = Instant::now();
    let db = match options.clone().open(dir) {
        Err(Error::Locked { holder, .. }) => {
            console.line(format_args!(
                "{holder} is writing it, so it is only read, as that process left it"
            ));
            return Cellar::new(&options.read_only(true).open(dir)?);
        }
        opened => opened?,
    };
    console.line(format_args!("done in {}", duration(started.elapsed())));
    fill(console, &db, wines)?;
    Cellar::new(&db)
}

/// Makes both collections hold what the list holds.
pub(crate) fn fill(console: &Console, db: &Database, wines: &[Wine]) -> Result<()> {
    let collection = console.timed("Opening the model", || {
        let collection =
            open_collection(db, WINES, CollectionConfig::embedded().template(TEMPLATE))?;
        collection.embed(&["a wine"])?;
        Ok(collection)
    })?;
    mirror(
        console,
        &collection,
        wines.iter().map(Wine::document).collect(),
    )?;
    let collection = open_collection(db, SENTENCES, CollectionConfig::embedded())?;
    mirror(
        console,
        &collection,
        wines.iter().flat_map(sentences_of).collect(),
    )
}

/// What reviewers wrote about a wine, or its notes where there is no review: a document for each sentence.
fn sentences_of(wine: &Wine) -> Vec<Document> {
    let source = |kind, author: &str, rating: &str| Source {
        wine: wine.key().to_owned(),
        kind,
        author: author.to_owned(),
        rating: rating.to_owned(),
    };
    let mut found: Vec<(&str, Source)> = Vec::new();
    for review in &wine.reviews {
        let source = source(Kind::Review, &review.author, &review.rating);
        found.extend(
            sentences::split(&review.review)
                .into_iter()
                .map(|sentence| (sentence, source.clone())),
        );
    }
    if found.is_empty() {
        let source = source(Kind::Notes, "", "");
        found.extend(
            sentences::split(&wine.notes)
                .into_iter()
                .map(|sentence| (sentence, source.clone())),
        );
    }
    let document = |(number, (sentence, source)): (usize, (&str, Source))| {
        Document::new(format!("{}#{}", wine.key(), number + 1), sentence).metadata(json!(source))
    };
    found.into_iter().enumerate().map(document).collect()
}

fn open_collection(db: &Database, name: &str, config: CollectionConfig) -> Result<Collection> {
    if !db.collections()?.iter().any(|existing| existing == name) {
        return Ok(db.create_collection(name, config)?);
    }
    let collection = db.collection(name)?;
    let dir = db.dir().display();
    ensure!(
        template(collection.config()) == template(&config),
        "{dir} has a collection {name:?} that the sommelier did not make, or that an older one made: remove that folder, or name another with --db"
    );
    Ok(collection)
}

/// Whether a model makes the vectors, and from which template.
fn template(config: &CollectionConfig) -> Option<&Option<String>> {
    match &config.vectors {
        Vectors::Embedded { template, .. } => Some(template),
        Vectors::Given { .. } => None,
    }
}

/// Writes these documents and deletes all others.
fn mirror(console: &Console, collection: &Collection, documents: Vec<Document>) -> Result<()> {
    let (name, total, started) = (collection.name(), documents.len(), Instant::now());
    console.step(format_args!("Embedding {total} {name} …"));
    let stale = stale_keys(collection, &documents)?;
    let mut progress = Progress::new(console, total);
    let mut sum = Upserted::default();
    for batch in documents.chunks(BATCH) {
        let done = collection
            .upsert(batch.to_vec())
            .with_context(|| format!("cannot store the {name}"))?;
        progress.add(batch.len(), done.embedded);
        add(&mut sum, done);
    }
    let rate = if sum.embedded > 0 {
        format!(", {}", progress.rate())
    } else {
        String::new()
    };
    progress.finish();
    let removed = collection.delete(stale)?;
    let Upserted {
        added,
        updated,
        unchanged,
        truncated,
        ..
    } = sum;
    let took = duration(started.elapsed());
    if truncated > 0 {
        console.line(format_args!("{truncated} of the new ones are longer than the model reads: only their beginning counts"));
    }
    console.line(format_args!(
        "{added} new, {updated} changed, {unchanged} as they were, {removed} gone: {took}{rate}"
    ));
    Ok(())
}

fn add(sum: &mut Upserted, done: Upserted) {
    sum.added += done.added;
    sum.updated += done.updated;
    sum.unchanged += done.unchanged;
    sum.embedded += done.embedded;
    sum.truncated += done.truncated;
}

fn stale_keys(collection: &Collection, documents: &[Document]) -> Result<Vec<Key>> {
    let wanted: HashSet<&Key> = documents.iter().map(|document| &document.key).collect();
    let mut stale = Vec::new();
    for document in collection.documents() {
        let key = document?.key;
        if !wanted.contains(&key) {
            stale.push(key);
        }
    }
    Ok(stale)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use vinedb::embed::HashEmbedder;

    use super::*;
    use crate::wine;

    /// The first wines of the shipped list.
    pub(crate) fn some_wines(count: usize) -> Vec<Wine> {
        let mut wines = wine::parse("wines.jsonl", include_bytes!("wines.jsonl")).unwrap();
        wines.truncate(count);
        wines
    }

    fn without_model() -> Options {
        Options::default().embedder(Arc::new(HashEmbedder::new(64)))
    }

    /// A cellar of these wines in a database of its own, without a model.
    pub(crate) fn cellar(dir: &Path, wines: &[Wine]) -> Cellar {
        open(&Console::silent(), without_model(), dir, wines).unwrap()
    }

    fn keys(collection: &Collection) -> Vec<String> {
        let key = |document: vinedb::Result<Document>| document.unwrap().key.to_string();
        let mut keys: Vec<String> = collection.documents().map(key).collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_database_follows_the_list_and_embeds_only_what_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let db = without_model().open(dir.path()).unwrap();
        let mut wines = some_wines(8);
        let fill = |wines: &[Wine]| fill(&Console::silent(), &db, wines).unwrap();
        fill(&wines);
        let before = db
            .collection(WINES)
            .unwrap()
            .stats()
            .unwrap()
            .local
            .unwrap()
            .sequence;
        fill(&wines);
        assert_eq!(
            db.collection(WINES)
                .unwrap()
                .stats()
                .unwrap()
                .local
                .unwrap()
                .sequence,
            before,
            "a second run writes nothing"
        );

        let gone = wines.remove(0);
        wines[0].reviews.clear();
        fill(&wines);
        let mut expected: Vec<String> = wines.iter().map(|wine| wine.key().to_owned()).collect();
        expected.sort();
        assert_eq!(keys(&db.collection(WINES).unwrap()), expected);
        let sentences = db.collection(SENTENCES).unwrap();
        assert!(
            keys(&sentences)
                .iter()
                .all(|key| !key.starts_with(gone.key()))
        );
        let first = sentences
            .get([format!("{}#1", wines[0].key())])
            .unwrap()
            .remove(0);
        assert_eq!(
            first.metadata["kind"], "notes",
            "a wine without review is quoted from its notes"
        );
    }

    #[test]
    fn each_sentence_says_who_wrote_it() {
        let mut wine = some_wines(1).remove(0);
        wine.reviews = serde_json::from_str(
            r#"[{"author": "A", "review": "Lean. Drink now.", "rating": "90"}, {"author": "B", "review": "Rich."}]"#,
        )
        .unwrap();
        let documents = sentences_of(&wine);
        let told: Vec<(&str, &str)> = documents
            .iter()
            .map(|it| {
                (
                    it.text.as_deref().unwrap(),
                    it.metadata["author"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(told, [("Lean.", "A"), ("Drink now.", "A"), ("Rich.", "B")]);
        assert_eq!(documents[2].key, format!("{}#3", wine.key()).into());
    }

    #[test]
    fn a_collection_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let db = without_model().open(dir.path()).unwrap();
        let theirs = db
            .create_collection(WINES, CollectionConfig::embedded())
            .unwrap();
        theirs
            .upsert(vec![Document::new("mine", "a text of mine")])
            .unwrap();
        let error = fill(&Console::silent(), &db, &some_wines(2))
            .unwrap_err()
            .to_string();
        assert!(error.contains("--db"), "{error}");
        assert_eq!(keys(&theirs), ["mine"]);
    }

    #[test]
    fn beside_a_process_that_writes_the_database_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let first = cellar(dir.path(), &some_wines(3));
        let second = cellar(dir.path(), &some_wines(5));
        assert_eq!((first.len(), second.len()), (3, 3));
    }
}
