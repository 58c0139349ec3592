//! Collections on the graph of `hnsw_rs`: in every build the same. Without FAISS, that its kinds are refused on every way in.

use vinedb::{Database, Metric, Query, SearchParams};

use crate::sample::{config, documents, vector};

#[test]
fn a_graph_is_built_grows_and_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let nearest = |db: &Database| -> Vec<Vec<String>> {
        let collection = db.collection("c").unwrap();
        let queries = (0..20).map(|seed| vector(70_000 + seed));
        let queries: Vec<Query> = queries.map(|query| Query::vector(query).top_k(5)).collect();
        let answers = collection.search_batch(&queries).unwrap();
        let keys = |answer: &vinedb::Answer| {
            answer
                .matches
                .iter()
                .map(|found| found.key.to_string())
                .collect()
        };
        answers.iter().map(keys).collect()
    };
    let db = Database::open(&path).unwrap();
    let collection = db
        .create_collection("c", config("hnsw_rs(m=8,ef_construction=60)", Metric::L2))
        .unwrap();
    collection.upsert(documents(0..3_000, 0)).unwrap();
    collection.compact().unwrap();
    collection.upsert(documents(3_000..4_000, 0)).unwrap();
    collection.compact().unwrap();
    let stats = collection.stats().unwrap();
    assert_eq!(stats.index.unwrap(), "hnsw_rs(m=8,ef_construction=60)");
    assert_eq!((stats.sealed, stats.fresh), (4_000, 0));
    let found = nearest(&db);
    drop((collection, db));

    let db = Database::open(&path).unwrap();
    assert_eq!(nearest(&db), found);
    let collection = db.collection("c").unwrap();
    let exact = SearchParams::EXACT;
    let mut right = 0;
    for (seed, keys) in (0..20).zip(&found) {
        let query = Query::vector(vector(70_000 + seed)).top_k(5).params(exact);
        let answer = collection.search(&query).unwrap();
        right += answer
            .matches
            .iter()
            .filter(|one| keys.contains(&one.key.to_string()))
            .count();
    }
    assert!(right >= 90, "{right} of 100");
}

#[cfg(not(feature = "faiss"))]
#[test]
fn kinds_of_faiss_are_refused_and_what_can_be_had_is_named() {
    let scratch = vinedb_tests::Scratch::new();
    let run = scratch.run(
        "create",
        &["c", "--dimension", "4", "--index", "IVF16,Flat"],
    );
    for word in ["IVF16,Flat", "FAISS", "`faiss`", "hnsw_rs"] {
        assert!(run.error().contains(word), "{word}: {run:?}");
    }
    let made = scratch.run("create", &["c", "--dimension", "4", "--index", "hnsw_rs"]);
    assert_eq!(made.code, 0, "{made:?}");
}
