//! However many passages a document has, it counts once.

use vinedb::{
    CollectionConfig, Document, IndexSpec, Query, SearchParams,
    embed::{Border, Chunk},
};
use vinedb_tests::GRAPH;

use super::{collection, histories};

#[test]
fn k_documents_come_back_however_many_passages_of_one_are_nearer() {
    for index in ["Flat", GRAPH] {
        let folder = tempfile::tempdir().unwrap();
        let db = histories::open(folder.path());
        let chunk = Chunk {
            tokens: 8,
            overlap: 0,
            at: Border::Sentence,
        };
        let config = CollectionConfig::embedded()
            .chunk(chunk)
            .index(IndexSpec::parse(index).unwrap());
        let collection = db.create_collection("c", config).unwrap();
        let wine = "wine ".repeat(2_400);
        let mut all = vec![Document::new("wines", wine)];
        all.extend(
            (0..30).map(|number| Document::new(number, format!("wine and cheese {number}"))),
        );
        collection.upsert(all).unwrap();
        assert_eq!(collection.stats().unwrap().passages, Some(330));
        for _ in 0..2 {
            for k in [1, 2, 10, 31] {
                let query = Query::text("wine").top_k(k);
                let lazy = SearchParams {
                    ef_search: (index == GRAPH).then_some(1),
                    ..SearchParams::DEFAULT
                };
                let batch = [query.clone(), query.clone().params(lazy)];
                for answer in collection.search_batch(&batch).unwrap() {
                    let mut keys: Vec<String> = answer
                        .matches
                        .iter()
                        .map(|found| found.key.to_string())
                        .collect();
                    assert!(keys[0] == "wines" || index == GRAPH);
                    keys.sort();
                    keys.dedup();
                    assert_eq!(keys.len(), k, "{index}");
                }
                assert_eq!(
                    collection
                        .search_batch(&[query.clone(), query])
                        .unwrap()
                        .len(),
                    2
                );
            }
            collection.compact().unwrap();
            assert_eq!(
                collection
                    .stats()
                    .unwrap()
                    .local
                    .expect("the index is in this process")
                    .sealed,
                330
            );
        }
    }
}

#[test]
fn clusters_have_each_document_once() {
    let (_folder, _db, collection) = collection();
    let found = collection.cluster(2).unwrap();
    let sizes: usize = found.clusters.iter().map(|cluster| cluster.size).sum();
    assert_eq!((found.documents, found.sampled, sizes), (6, 6, 6));
    let mut keys: Vec<String> = found
        .clusters
        .iter()
        .flat_map(|cluster| cluster.nearest.iter().map(|member| member.key.to_string()))
        .collect();
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len(), count), (6, 6));
    assert!(collection.cluster(7).is_err(), "there are six documents");
}
