//! Collections that cut long texts into passages, with the real model, against brute force over passages that are embedded one
//! by one.

mod command;
mod durable;
mod histories;
mod once;
mod writes;

use std::collections::HashMap;

use tempfile::TempDir;
use vinedb::{
    Collection, CollectionConfig, Database, Document, Filter, Key, Match, Options, Query,
    embed::{Border, Chunk},
};
use vinedb_tests::cosine;

use crate::tiny;

/// What some documents are about: a sentence or two in the middle of a long text about something else.
const TOPICS: [(&str, &str); 6] = [
    (
        "oysters",
        "Oysters want a crisp white. Muscadet with its salty edge is what the fishermen drink with them.",
    ),
    (
        "tractor",
        "The tractor's gearbox leaks oil. A new seal costs little, but the whole axle must come off first.",
    ),
    (
        "violin",
        "She tuned the violin before the concert. The orchestra waited until the last string was in tune.",
    ),
    (
        "vaccine",
        "The vaccine protects children against measles. A second dose is given before they go to school.",
    ),
    (
        "comet",
        "A bright comet passed the sun in January. Its tail could be seen with the naked eye after dusk.",
    ),
    (
        "bread",
        "Sourdough bread needs a night to rise. Fold it twice, and bake it in a very hot oven.",
    ),
];

/// What fills the texts around that.
const FILLER: [&str; 5] = [
    "The committee met on a Tuesday and agreed on the minutes of the meeting before.",
    "Members who had been absent were asked to hand in their remarks within two weeks.",
    "It was noted that the parking spaces behind the building are to be painted anew.",
    "The treasurer presented the figures of the quarter, which were accepted without a vote.",
    "There being no further business, the chair thanked everybody and closed the session.",
];

fn plan() -> Chunk {
    Chunk {
        tokens: 48,
        overlap: 16,
        at: Border::Sentence,
    }
}

/// A text of some hundred tokens with a topic at a place of its own.
fn long_text(number: usize) -> String {
    let mut sentences: Vec<&str> = (0..9)
        .map(|at| FILLER[(at + number) % FILLER.len()])
        .collect();
    sentences.insert(2 + number % 6, TOPICS[number % TOPICS.len()].1);
    sentences.join(if number.is_multiple_of(2) {
        " "
    } else {
        "\r\n"
    })
}

fn documents() -> Vec<Document> {
    let document = |number: usize| {
        let metadata = serde_json::json!({"even": number.is_multiple_of(2)});
        Document::new(TOPICS[number].0, long_text(number)).metadata(metadata)
    };
    (0..TOPICS.len()).map(document).collect()
}

/// A collection of the documents, in a folder of its own.
fn collection() -> (TempDir, Database, Collection) {
    let folder = tempfile::tempdir().unwrap();
    let db = Options::default()
        .home(vinedb_tests::home())
        .open(folder.path().join("db"))
        .unwrap();
    let config = CollectionConfig::embedded().chunk(plan());
    let collection = db.create_collection("c", config).unwrap();
    let done = collection.upsert(documents()).unwrap();
    assert_eq!((done.added, done.truncated), (TOPICS.len(), 0));
    (folder, db, collection)
}

/// A passage by itself: where it lies and its vector.
struct Part {
    range: std::ops::Range<usize>,
    vector: Vec<f32>,
}

/// The passages of a text, each of them embedded alone.
fn parts(db: &Database, collection: &Collection, text: &str) -> Vec<Part> {
    let name = &collection.stats().unwrap().model.unwrap().name;
    let model = db.model(name).unwrap();
    let chunk = collection.config().chunk.unwrap();
    let ranges = embedder::passages(model.as_ref(), text, &chunk).unwrap();
    let part = |range: std::ops::Range<usize>| Part {
        vector: collection
            .embed(&[&text[range.clone()]])
            .unwrap()
            .row(0)
            .to_vec(),
        range,
    };
    ranges.into_iter().map(part).collect()
}

/// All documents' passages.
fn all_parts(db: &Database, collection: &Collection) -> HashMap<Key, (String, Vec<Part>)> {
    let all = documents().into_iter().map(|document| {
        let text = document.text.unwrap();
        let parts = parts(db, collection, &text);
        assert!(parts.len() > 3, "{}", parts.len());
        (document.key, (text, parts))
    });
    all.collect()
}

/// The best of each document's passages for any of the vectors, best first, of the documents that `passes` names.
fn brute_force<'a>(
    parts: &'a HashMap<Key, (String, Vec<Part>)>,
    vectors: &[Vec<f32>],
    passes: impl Fn(&Key) -> bool,
) -> Vec<(f64, &'a Key, &'a Part)> {
    let best = |part: &Part| {
        let scores = vectors.iter().map(|vector| cosine(vector, &part.vector));
        scores.fold(f64::MIN, f64::max)
    };
    let mut ranked: Vec<(f64, &Key, &Part)> = parts
        .iter()
        .filter(|(key, _)| passes(key))
        .map(|(key, (_, parts))| {
            let scored = parts.iter().map(|part| (best(part), key, part));
            scored.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked
}

/// Each document once, at its best passage's score; the passage that is named has that score.
fn check(
    found: &[Match],
    expected: &[(f64, &Key, &Part)],
    parts: &HashMap<Key, (String, Vec<Part>)>,
    vectors: &[Vec<f32>],
) {
    assert_eq!(found.len(), expected.len());
    for (found, (score, ..)) in found.iter().zip(expected) {
        assert!((f64::from(found.score) - score).abs() < 2e-3, "{found:?}");
        let (text, parts) = &parts[&found.key];
        let passage = found.passage.as_ref().unwrap();
        assert_eq!(&text[passage.start..passage.end], passage.text);
        let named = parts
            .iter()
            .find(|part| part.range == (passage.start..passage.end))
            .unwrap();
        let itself = vectors
            .iter()
            .map(|vector| cosine(vector, &named.vector))
            .fold(f64::MIN, f64::max);
        assert!((itself - score).abs() < 2e-3, "{itself} is not {score}");
    }
    let mut keys: Vec<String> = found.iter().map(|found| found.key.to_string()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), found.len());
}

#[test]
fn a_search_finds_each_document_once_by_its_best_passage() {
    let (_folder, db, collection) = collection();
    let parts = all_parts(&db, &collection);
    let stats = collection.stats().unwrap();
    let count: usize = parts.values().map(|(_, parts)| parts.len()).sum();
    assert_eq!((stats.documents, stats.passages), (6, Some(count as u64)));
    for (number, question) in [
        "what to drink with oysters",
        "repairing farm machines",
        "tuning an instrument",
        "immunization of schoolchildren",
        "objects in the night sky",
        "how to bake",
    ]
    .iter()
    .enumerate()
    {
        let vector = vec![collection.embed(&[question]).unwrap().row(0).to_vec()];
        let expected = brute_force(&parts, &vector, |_| true);
        let best = collection
            .search(&Query::text(*question).top_k(1))
            .unwrap()
            .matches;
        assert_eq!(best[0].key, TOPICS[number].0.into());
        let words = &best[0].passage.as_ref().unwrap().text;
        assert!(
            TOPICS[number]
                .1
                .split(". ")
                .any(|words_of| words.contains(words_of)),
            "{words}"
        );
        for k in [1, 3, 6, 40] {
            let query = Query::text(*question).top_k(k);
            let found = collection.search(&query).unwrap().matches;
            check(&found, &expected[..k.min(6)], &parts, &vector);
            let even = query.filter(Filter::eq("even", true));
            let filtered = collection.search(&even).unwrap();
            assert_eq!(filtered.plan.matching, Some(3));
            let passing = brute_force(&parts, &vector, |key| {
                TOPICS
                    .iter()
                    .position(|topic| Key::from(topic.0) == *key)
                    .unwrap()
                    % 2
                    == 0
            });
            check(&filtered.matches, &passing[..k.min(3)], &parts, &vector);
        }
    }
}

#[test]
fn a_document_is_like_others_by_any_of_its_passages() {
    let (_folder, db, collection) = collection();
    let twin = format!("{} {}", FILLER[0], TOPICS[4].1);
    let only = format!("{} {}", long_text(2), TOPICS[4].1);
    collection
        .upsert(vec![
            Document::new("twin", &only),
            Document::new("small", &twin),
        ])
        .unwrap();
    let mut all = all_parts(&db, &collection);
    for (key, text) in [("twin", only), ("small", twin)] {
        let of_it = parts(&db, &collection, &text);
        all.insert(key.into(), (text, of_it));
    }
    for key in ["twin", "comet", "small"] {
        let vectors: Vec<Vec<f32>> = all[&key.into()]
            .1
            .iter()
            .map(|part| part.vector.clone())
            .collect();
        let expected = brute_force(&all, &vectors, |other| *other != key.into());
        let found = collection
            .search(&Query::like(key).top_k(20))
            .unwrap()
            .matches;
        check(&found, &expected, &all, &vectors);
    }
}

#[test]
fn a_radius_holds_each_document_once() {
    let (_folder, db, collection) = collection();
    let parts = all_parts(&db, &collection);
    let question = "the minutes of a meeting";
    let vector = vec![collection.embed(&[question]).unwrap().row(0).to_vec()];
    let expected = brute_force(&parts, &vector, |_| true);
    // Documents that share their best passage are as far away as each other.
    let gaps = (1..expected.len()).filter(|at| expected[at - 1].0 - expected[*at].0 > 1e-3);
    let gaps: Vec<usize> = gaps.collect();
    assert!(!gaps.is_empty());
    for within in gaps {
        let between = f64::midpoint(expected[within - 1].0, expected[within].0);
        #[expect(clippy::cast_possible_truncation, reason = "a radius is a float")]
        let query = Query::text(question).radius(between as f32);
        let found = collection.search(&query).unwrap().matches;
        check(&found, &expected[..within], &parts, &vector);
    }
}

#[test]
fn vectors_are_those_of_the_passages_that_were_found() {
    let (_folder, db, collection) = collection();
    let parts = all_parts(&db, &collection);
    let query = Query::text("baking").with_vectors(true);
    for found in collection.search(&query).unwrap().matches {
        let passage = found.passage.unwrap();
        let (_, parts) = &parts[&found.key];
        let part = parts
            .iter()
            .find(|part| part.range.start == passage.start)
            .unwrap();
        let same = cosine(&found.document.vector.unwrap(), &part.vector);
        assert!(same > 0.999, "{same}");
    }
    let got = collection.get_with_vectors(["bread"]).unwrap();
    assert_eq!(got[0].vector, None);
    assert_eq!(got[0].text.as_deref(), Some(long_text(5).as_str()));
}

/// Where passages are documents of their own, a cross-encoder reads the same words.
#[test]
fn a_cross_encoder_reads_the_passage_that_was_found() {
    let home = tiny::home(&["bert-mean", "bert-cross"]);
    let folder = tempfile::tempdir().unwrap();
    let db = Options::default()
        .home(home.path().to_owned())
        .open(folder.path().join("db"))
        .unwrap();
    let whole = CollectionConfig::embedded().model("bert-mean");
    let chunk = Chunk {
        tokens: 8,
        overlap: 0,
        at: Border::Sentence,
    };
    let cut = db
        .create_collection("cut", whole.clone().chunk(chunk))
        .unwrap();
    let whole = db.create_collection("whole", whole).unwrap();
    let texts = tiny::reference().texts.join(". ");
    let halves = texts.split_at(texts.floor_char_boundary(texts.len() / 2));
    cut.upsert(vec![Document::new(1, halves.0), Document::new(2, halves.1)])
        .unwrap();
    let query = Query::text("a dry red").rerank("bert-cross", Some(50));
    let found = cut.search(&query).unwrap().matches;
    assert_eq!(found.len(), 2);
    for found in found {
        let words = found.passage.unwrap().text;
        assert!(words.len() < halves.0.len());
        whole.upsert(vec![Document::new("words", words)]).unwrap();
        let alone = whole.search(&query).unwrap().matches;
        assert!((alone[0].score - found.score).abs() < 1e-4);
    }
}
