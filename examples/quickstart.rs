//! The library in ten lines: open a database, make a collection, write documents, search them.
//!
//! The model comes from the cache folder that `make setup` fills. The database is a folder: the one given as the first
//! argument, else one that goes away with the program.

use serde_json::json;
use vinedb::{Answer, CollectionConfig, Document, Filter, Options, Query};

fn quickstart(dir: &std::path::Path) -> vinedb::Result<Answer> {
    let db = Options::from_env().open(dir)?;
    let wines = db.create_collection("wines", CollectionConfig::embedded())?;
    wines.upsert(vec![
        Document::new("gamay", "a light, fresh red with cherries").metadata(json!({"price": 14})),
        Document::new("malbec", "a powerful red for grilled steak").metadata(json!({"price": 18})),
        Document::new("pinot", "a light red, silky and delicate").metadata(json!({"price": 45})),
    ])?;
    let query = Query::text("something light and fresh").top_k(2);
    wines.search(&query.filter(Filter::lt("price", 30)))
}

#[expect(clippy::print_stdout, reason = "an example answers on the terminal")]
fn main() -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let given = std::env::args_os().nth(1);
    let dir = given.map_or_else(|| temporary.path().to_owned(), Into::into);
    for found in quickstart(&dir)?.matches {
        let text = found.document.text.unwrap_or_default();
        println!("{:.2}  {}  {text}", found.score, found.key);
    }
    Ok(())
}

#[test]
fn the_nearest_of_those_that_pass_the_filter_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let answer = quickstart(dir.path()).unwrap();
    let keys: Vec<String> = answer
        .matches
        .iter()
        .map(|found| found.key.to_string())
        .collect();
    assert_eq!(
        keys,
        ["gamay", "malbec"],
        "the pinot is nearer than the malbec, and costs too much"
    );
    assert!(answer.matches[0].score > answer.matches[1].score);
    assert_eq!(answer.matches[0].document.metadata["price"], 14);
}

#[test]
fn the_readme_shows_this_very_code() {
    let shown = include_str!("quickstart.rs");
    let start = shown.find("use serde_json").unwrap();
    let end = shown.find("\n#[expect").unwrap();
    assert!(include_str!("../README.md").contains(shown[start..end].trim_end()));
}
