//! Collections on the graph of `hnsw_rs`: in every build the same. Without FAISS, that its kinds are refused on every way in.

use std::collections::HashSet;

use vinedb::{CollectionConfig, Database, Document, IndexSpec, Metric, Query, SearchParams};

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
    assert_eq!(
        stats
            .local
            .as_ref()
            .expect("the index is in this process")
            .index
            .as_deref()
            .unwrap(),
        "hnsw_rs(m=8,ef_construction=60)"
    );
    assert_eq!(
        (
            stats
                .local
                .as_ref()
                .expect("the index is in this process")
                .sealed,
            stats
                .local
                .as_ref()
                .expect("the index is in this process")
                .fresh
        ),
        (4_000, 0)
    );
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

/// One of 20 centers, and as much noise around it as lies between them: 64 numbers.
fn around_a_center(seed: u64) -> Vec<f32> {
    let noise = (0_u64..).flat_map(|part| vector(seed * 64 + part));
    let center = (0_u16..64).map(|place| {
        let center = u16::try_from(seed % 20).unwrap();
        f32::from((center * 7 + place) % 11) / 3.0
    });
    center
        .zip(noise)
        .map(|(center, noise)| center + noise)
        .collect()
}

/// A walk that comes through the query itself finds its neighbours too easily, so the curve is not of stored vectors.
#[test]
fn its_curve_holds_for_vectors_that_are_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("db")).unwrap();
    let config = CollectionConfig::given(64)
        .metric(Metric::L2)
        .index(IndexSpec::parse("hnsw_rs(m=16,ef_construction=200)").unwrap());
    let collection = db.create_collection("c", config).unwrap();
    let document = |seed: u64| Document::from_vector(format!("d{seed}"), around_a_center(seed));
    collection
        .upsert((0..5_000).map(document).collect())
        .unwrap();
    collection.compact().unwrap();
    let curve = collection
        .stats()
        .unwrap()
        .local
        .expect("the index is in this process")
        .curve
        .unwrap();
    for rung in &curve.rungs {
        let quick = SearchParams {
            ef_search: rung.ef_search,
            ..SearchParams::DEFAULT
        };
        let keys = |seed: u64, params| {
            let query = Query::vector(around_a_center(seed))
                .top_k(10)
                .params(params);
            let found = collection.search(&query).unwrap().matches;
            found.into_iter().map(|one| one.key).collect::<HashSet<_>>()
        };
        let right = (70_000..70_300_u64).map(|seed| {
            let exact = keys(seed, SearchParams::EXACT);
            exact.intersection(&keys(seed, quick)).count()
        });
        let recall = right.sum::<usize>() as f32 / 3_000.0;
        assert!(rung.recall < recall + 0.04, "{rung:?}: {recall}");
    }
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

/// As a build with FAISS would have made it: the configuration is the same but for the name of the kind.
#[cfg(not(feature = "faiss"))]
#[test]
fn a_collection_of_a_kind_of_faiss_says_what_it_takes_to_open_it() {
    const OURS: &[u8] = b"\"hnsw_rs(m=8,ef_construction=100)\"";
    let scratch = vinedb_tests::Scratch::new();
    let index = "hnsw_rs(m=8,ef_construction=100)";
    let made = scratch.run("create", &["c", "--dimension", "4", "--index", index]);
    assert_eq!(made.code, 0, "{made:?}");
    let path = scratch.path("db").join("c/documents.sqlite");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(OURS.len()).position(|part| part == OURS);
    let theirs = format!("{:<width$}", "\"IVF16,Flat\"", width = OURS.len());
    bytes[place.unwrap()..][..OURS.len()].copy_from_slice(theirs.as_bytes());
    std::fs::write(&path, bytes).unwrap();
    for command in ["stats", "count", "compact"] {
        let run = scratch.run(command, &["c"]);
        assert_ne!(run.code, 0, "{run:?}");
        for word in ["\"c\"", "IVF16,Flat", "FAISS", "`faiss`"] {
            assert!(run.error().contains(word), "{command}, {word}: {run:?}");
        }
    }
}
