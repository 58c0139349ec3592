//! Searches whose matches a cross-encoder ranks again: library, command line and HTTP, against sentence-transformers' scores.

use serde_json::json;
use tempfile::TempDir;
use vinedb::{CollectionConfig, Database, Document, Options, Query};
use vinedb_tests::vinedb;

use crate::{http::App, tiny};

const JUDGE: &str = "bert-cross";

struct Cellar {
    home: TempDir,
    folder: TempDir,
    db: Database,
    question: String,
    /// Texts by number, those of the largest score first.
    best: Vec<(usize, f32)>,
}

/// A collection of the reference's texts that are not empty, keyed by their numbers.
fn cellar() -> Cellar {
    let reference = tiny::reference();
    let judge = reference
        .cross_encoders
        .iter()
        .find(|model| model.folder == JUDGE)
        .unwrap();
    let home = tiny::home(&["bert-mean", JUDGE]);
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().home(home.path().to_owned());
    let db = options.open(folder.path().join("db")).unwrap();
    let config = CollectionConfig::embedded().model("bert-mean");
    let collection = db.create_collection("texts", config).unwrap();
    let documents = reference.texts.iter().enumerate().skip(1);
    let documents = documents.map(|(number, text)| Document::new(number.to_string(), text));
    collection.upsert(documents.collect()).unwrap();
    let mut best: Vec<_> = judge.scores.iter().copied().enumerate().skip(1).collect();
    best.sort_by(|one, other| other.1.total_cmp(&one.1));
    Cellar {
        question: judge.question.clone(),
        home,
        folder,
        db,
        best,
    }
}

fn near(score: f32, expected: f32) -> bool {
    (score - expected).abs() < 1e-4
}

#[test]
fn the_best_by_the_cross_encoder_come_first_with_its_scores() {
    let cellar = cellar();
    let collection = cellar.db.collection("texts").unwrap();
    let query = Query::text(&cellar.question).top_k(3).rerank(JUDGE, None);
    let answer = collection.search(&query).unwrap();
    assert_eq!(answer.matches.len(), 3);
    for (found, (number, score)) in answer.matches.iter().zip(&cellar.best) {
        assert_eq!(found.key.to_string(), number.to_string());
        assert!(near(found.score, *score), "{} is not {score}", found.score);
    }
    assert_eq!(answer.plan.reranked, Some(7));
}

#[test]
fn only_the_candidates_are_read_and_the_rest_is_untouched() {
    let cellar = cellar();
    let collection = cellar.db.collection("texts").unwrap();
    let plain = Query::text(&cellar.question).top_k(2);
    let nearest = collection.search(&plain).unwrap();
    assert_eq!(nearest.plan.reranked, None);
    let answer = collection
        .search(&plain.clone().rerank(JUDGE, Some(2)))
        .unwrap();
    let keys = |answer: &vinedb::Answer| {
        let mut keys: Vec<_> = answer
            .matches
            .iter()
            .map(|found| found.key.to_string())
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&answer), keys(&nearest));
    for found in &answer.matches {
        let same = nearest
            .matches
            .iter()
            .find(|one| one.key == found.key)
            .unwrap();
        assert_eq!(
            (found.distance, &found.document),
            (same.distance, &same.document)
        );
    }
}

#[test]
fn a_model_that_is_none_or_no_cross_encoder_is_named() {
    let cellar = cellar();
    let collection = cellar.db.collection("texts").unwrap();
    for (model, named) in [("nobody", "nobody"), ("bert-mean", "names no labels")] {
        let query = Query::text("red").rerank(model, None);
        let message = collection.search(&query).unwrap_err().to_string();
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn the_command_ranks_again() {
    let cellar = cellar();
    let Cellar {
        home,
        folder,
        db,
        question,
        best,
    } = cellar;
    drop(db);
    let home = home.path().to_str().unwrap().to_owned();
    let dir = folder.path().join("db");
    let arguments = [
        "--home",
        &home,
        "--json",
        "search",
        dir.to_str().unwrap(),
        "texts",
        &question,
    ];
    let rerank = ["--rerank", JUDGE, "--candidates", "7", "-k", "1"];
    let answer = vinedb(arguments.iter().chain(&rerank)).ok().json();
    assert_eq!(answer["matches"][0]["key"], json!(best[0].0.to_string()));
    assert_eq!(answer["plan"]["reranked"], json!(7));
    let run = vinedb(arguments.iter().chain(&["--candidates", "7"]));
    assert!(run.stderr.contains("--rerank"), "{run:?}");
}

#[tokio::test]
async fn the_server_ranks_again_and_refuses_what_makes_no_sense() {
    let cellar = cellar();
    let app = App::over(cellar.db.clone(), cellar.folder);
    let search = "/collections/texts/search";
    let body = json!({"text": cellar.question, "top_k": 1, "rerank": {"model": JUDGE}});
    let answer = app.post(search, &body).await.is(200);
    assert_eq!(
        answer["matches"][0]["key"],
        json!(cellar.best[0].0.to_string())
    );
    let few = json!({"text": "red", "top_k": 5, "rerank": {"model": JUDGE, "candidates": 4}});
    app.post(search, &few).await.fails(400, "invalid").says(&[
        "rerank.candidates",
        "4",
        "5 (top_k)",
    ]);
    let unknown = json!({"text": "red", "rerank": {"model": "nobody"}});
    app.post(search, &unknown).await.fails(422, "unknown_model");
}
