//! Queries longer than the model reads: the answer says so, in the library, over HTTP and on the command line.

use serde_json::json;
use tempfile::TempDir;
use vinedb::{CollectionConfig, Database, Document, Options, Query};

use crate::{http::App, tiny};

const MODEL: &str = "bert-mean";

fn long() -> String {
    vec!["wine"; 5_000].join(" ")
}

fn wines() -> (Database, TempDir, TempDir) {
    let home = tiny::home(&[MODEL]);
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().home(home.path().to_owned());
    let db = options.open(folder.path().join("db")).unwrap();
    let config = CollectionConfig::embedded().model(MODEL);
    let wines = db.create_collection("wines", config).unwrap();
    let texts = ["a light red", "a dry white", "tar and roses"];
    let documents = texts.map(|text| Document::new(text, text));
    wines.upsert(documents.into()).unwrap();
    (db, folder, home)
}

#[test]
fn a_search_says_whether_its_text_was_cut() {
    let (db, ..) = wines();
    let wines = db.collection("wines").unwrap();
    let whole = wines.search(&Query::text("a light red")).unwrap();
    assert!(!whole.plan.truncated);
    let cut = wines.search(&Query::text(long())).unwrap();
    assert!(cut.plan.truncated);
    assert_eq!(cut.matches.len(), 3, "it is searched by its beginning");
    let vector = whole.matches.len() as f32;
    let like = Query::like("a dry white");
    let batch = [
        Query::text("red"),
        like,
        Query::text(long()),
        Query::vector(vec![vector; wines.dimension()]),
        Query::text("white"),
    ];
    let answers = wines.search_batch(&batch).unwrap();
    let cut: Vec<bool> = answers.iter().map(|answer| answer.plan.truncated).collect();
    assert_eq!(cut, [false, false, true, false, false]);
}

#[tokio::test]
async fn over_http_a_plan_is_truncated_or_says_nothing_of_it() {
    let (db, folder, _home) = wines();
    let app = App::over(db, folder);
    let search = "/collections/wines/search";
    let cut = app.post(search, &json!({"text": long()})).await.is(200);
    assert_eq!(cut["plan"]["truncated"], true);
    let whole = app.post(search, &json!({"text": "red"})).await.is(200);
    assert!(whole["plan"].get("truncated").is_none(), "{whole}");
    let queries = json!([{"text": "red"}, {"text": long()}]);
    let both = app.post(&format!("{search}/batch"), &queries).await.is(200);
    assert!(both[0]["plan"].get("truncated").is_none(), "{both}");
    assert_eq!(both[1]["plan"]["truncated"], true);
}

#[test]
fn the_command_line_says_so_in_a_line() {
    let (db, folder, home) = wines();
    drop(db);
    let search = |text: &str, more: &[&str]| {
        let path = folder.path().join("db");
        let at = ["search", path.to_str().unwrap(), "wines", text];
        let mut command = vinedb_tests::command([&at, more].concat());
        let output = command.env("VINEDB_HOME", home.path()).output().unwrap();
        vinedb_tests::Run::from(output).ok()
    };
    let words = "longer than the model takes";
    for more in [&[][..], &["--timing"]] {
        assert!(search(&long(), more).stdout.contains(words));
        assert!(!search("red", more).stdout.contains(words));
    }
    assert_eq!(
        search(&long(), &["--json"]).json()["plan"]["truncated"],
        true
    );
}
