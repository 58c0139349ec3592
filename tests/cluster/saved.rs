//! Clusterings that are saved: labels against brute force after every kind of write, and what texts and filters make of them.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use serde_json::json;
use vinedb::{
    Collection, CollectionConfig, Database, Document, Filter, Key, Metric, Options, Query,
    cluster::{ClusterOptions, Clusters, Label, Point, Save},
    embed::{Border, Chunk, HashEmbedder},
};
use vinedb_tests::{cosine, squared_l2};

use super::{Given, noise, point};

/// What a document's label must be, by brute force over the centroids.
fn assert_label(clusters: &Clusters, vector: &[f32], label: &Label) {
    let distance = |cluster: usize| {
        let centroid = &clusters.clusters[cluster].centroid;
        if clusters.spherical {
            cosine(vector, centroid)
        } else {
            squared_l2(vector, centroid)
        }
    };
    let all = (0..clusters.clusters.len()).map(distance);
    let best = if clusters.spherical {
        all.reduce(f64::max)
    } else {
        all.reduce(f64::min)
    };
    let close = |one: f64, two: f64| (one - two).abs() < 1e-4 * two.abs().max(1.0);
    // Of centroids that are equally near but for rounding, any will do.
    assert!(close(distance(label.cluster), best.unwrap()), "{label:?}");
    assert!(close(label.distance.into(), best.unwrap()), "{label:?}");
}

fn labels(collection: &Collection, name: &str) -> Vec<Label> {
    let clustering = collection.clusters(name).unwrap();
    clustering.labels().unwrap().map(Result::unwrap).collect()
}

/// All that is said of a saved clustering agrees with brute force over these documents.
pub(super) fn assert_holds(
    collection: &Collection,
    name: &str,
    clusters: &Clusters,
    documents: &HashMap<Key, Vec<f32>>,
) {
    let labels = labels(collection, name);
    assert_eq!(labels.len(), documents.len());
    let mut members = vec![Vec::new(); clusters.clusters.len()];
    for label in &labels {
        assert_label(clusters, &documents[&label.key], label);
        members[label.cluster].push(label.key.clone());
    }
    let saved = collection.clustering(name).unwrap();
    assert_eq!(saved.documents, documents.len() as u64);
    for (number, expected) in members.into_iter().enumerate() {
        let filter = Filter::in_cluster(name, number);
        assert_eq!(saved.clusters[number].size, expected.len() as u64);
        assert_eq!(
            collection.count(Some(&filter)).unwrap(),
            expected.len() as u64
        );
        let page = collection.scroll(None, 10_000, Some(&filter)).unwrap();
        let keys: Vec<Key> = page.documents.into_iter().map(|found| found.key).collect();
        assert_eq!(keys, expected);
        let query = Query::vector(clusters.clusters[number].centroid.clone());
        let found = collection
            .search(&query.top_k(10_000).filter(filter))
            .unwrap();
        let mut found: Vec<String> = found
            .matches
            .iter()
            .map(|one| one.key.to_string())
            .collect();
        let mut expected: Vec<String> = expected.iter().map(Key::to_string).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

pub(super) fn by_key(documents: impl IntoIterator<Item = Document>) -> HashMap<Key, Vec<f32>> {
    let pair = |document: Document| (document.key, document.vector.unwrap());
    documents.into_iter().map(pair).collect()
}

pub(super) fn open(folder: &Path) -> Database {
    Options::default().open(folder).unwrap()
}

#[test]
fn labels_hold_for_every_document_after_writes_reopening_and_restoring() {
    for metric in [Metric::L2, Metric::Cosine] {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder.path().join("db"));
        let config = CollectionConfig::given(super::DIMENSION).metric(metric);
        let collection = db.create_collection("c", config).unwrap();
        let mut documents = by_key((0..900).map(|number| point(5, number)));
        let write = |numbers: std::ops::Range<usize>| {
            collection
                .upsert(numbers.map(|number| point(5, number)).collect())
                .unwrap()
        };
        write(0..900);
        let found = collection.cluster(7).unwrap();
        collection.save_clusters("styles", &found).unwrap();
        assert_holds(&collection, "styles", &found, &documents);
        // New documents, replaced ones and deleted ones.
        write(900..1000);
        documents.extend(by_key((900..1000).map(|number| point(5, number))));
        let moved: Vec<Document> = (0..50)
            .map(|number| Document {
                key: Key::from(number),
                ..point(5, 2000 + usize::try_from(number).unwrap() * 7)
            })
            .collect();
        documents.extend(by_key(moved.clone()));
        collection.upsert(moved).unwrap();
        collection.delete((100..140).map(Key::from)).unwrap();
        documents.retain(|key, _| !(100..140).map(Key::from).any(|gone| gone == *key));
        assert_holds(&collection, "styles", &found, &documents);
        collection.compact().unwrap();
        assert_holds(&collection, "styles", &found, &documents);
        let snapshot = folder.path().join("snapshot");
        collection.snapshot(&snapshot).unwrap();
        drop((collection, db));
        let db = open(&folder.path().join("db"));
        let collection = db.collection("c").unwrap();
        assert_holds(&collection, "styles", &found, &documents);
        let restored = db.restore("again", &snapshot).unwrap();
        assert_holds(&restored, "styles", &found, &documents);
        // The centroids of a clustering that was only opened label new documents too.
        restored.upsert(vec![point(5, 5000)]).unwrap();
        documents.extend(by_key([point(5, 5000)]));
        assert_holds(&restored, "styles", &found, &documents);
    }
}

/// As if at random, below `end`.
fn draw(state: &mut usize, end: usize) -> usize {
    *state += 1;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a number below `end`"
    )]
    let drawn = (f64::from(noise(*state)) * end as f64) as usize;
    drawn.min(end - 1)
}

#[test]
fn random_writes_savings_and_reopenings_agree_with_a_map() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = open(folder.path());
    let config = CollectionConfig::given(super::DIMENSION).metric(Metric::L2);
    let mut collection = db.create_collection("c", config).unwrap();
    let mut documents: HashMap<Key, Vec<f32>> = HashMap::new();
    let mut saved: BTreeMap<String, Clusters> = BTreeMap::new();
    let mut state = 17;
    for step in 0..120 {
        let name = format!("n{}", draw(&mut state, 3));
        match draw(&mut state, 10) {
            0..4 => {
                let rows: Vec<Document> = (0..=draw(&mut state, 20))
                    .map(|_| Document {
                        key: Key::from(format!("k{}", draw(&mut state, 60))),
                        ..point(4, draw(&mut state, 10_000))
                    })
                    .map(|row| (row.key.clone(), row))
                    .collect::<HashMap<_, _>>()
                    .into_values()
                    .collect();
                documents.extend(by_key(rows.clone()));
                collection.upsert(rows).unwrap();
            }
            4 | 5 => {
                let key = Key::from(format!("k{}", draw(&mut state, 60)));
                let there = usize::from(documents.remove(&key).is_some());
                assert_eq!(collection.delete([key]).unwrap(), there);
            }
            6 if !documents.is_empty() => {
                let k = 1 + draw(&mut state, documents.len().min(6));
                let found = collection
                    .cluster(ClusterOptions::new(k).seed(step))
                    .unwrap();
                let save = Save::new(&name);
                match saved.contains_key(&name) {
                    true => {
                        let taken = collection.save_clusters(save.clone(), &found);
                        assert!(taken.unwrap_err().to_string().contains("exists already"));
                        let replaced = save.replace(true);
                        collection.save_clusters(replaced, &found).unwrap();
                    }
                    false => drop(collection.save_clusters(save, &found).unwrap()),
                }
                saved.insert(name, found);
            }
            7 => {
                let dropped = collection.drop_clusters(&name);
                assert_eq!(dropped.is_ok(), saved.remove(&name).is_some());
            }
            8 => {
                let Some((name, clusters)) = saved.first_key_value() else {
                    continue;
                };
                let filter = Filter::in_cluster(name, draw(&mut state, clusters.clusters.len()));
                let page = collection.scroll(None, 100, Some(&filter)).unwrap();
                let gone = page.documents.into_iter().map(|one| one.key);
                gone.for_each(|key| drop(documents.remove(&key)));
                collection.delete_matching(&filter).unwrap();
            }
            _ => {
                drop((collection, db));
                db = open(folder.path());
                collection = db.collection("c").unwrap();
            }
        }
        let names: Vec<String> = collection
            .clusterings()
            .unwrap()
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(names, saved.keys().cloned().collect::<Vec<_>>());
        for (name, clusters) in &saved {
            assert_holds(&collection, name, clusters, &documents);
        }
    }
}

#[test]
fn a_clustering_that_is_applied_but_not_saved_gives_the_same_labels() {
    let given = Given::groups(4, 1000, Metric::Cosine);
    let collection = &given.collection;
    let found = collection.cluster(5).unwrap();
    let applied = collection.apply_clusters(&found).unwrap();
    let of = |filter: Option<&Filter>| -> Vec<Label> {
        let labels = applied.labels_matching(filter).unwrap();
        labels.map(Result::unwrap).collect()
    };
    let saved = collection.save_clusters("s", &found).unwrap();
    assert_eq!(of(None), labels(collection, "s"));
    assert_eq!(
        (saved.name(), saved.k(), applied.name()),
        (Some("s"), 5, None)
    );
    let even = Filter::eq("even", true);
    let stored: Vec<Label> = saved
        .labels_matching(Some(&even))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(of(Some(&even)), stored);
    assert_eq!(stored.len(), 500);
    // The sizes that clustering counted are those of the labels.
    for (number, cluster) in found.clusters.iter().enumerate() {
        let size = of(None).iter().filter(|one| one.cluster == number).count();
        assert_eq!(size, cluster.size);
    }
    // What is written meanwhile does not show, and what is deleted drops out.
    let mut streamed = saved.labels().unwrap();
    let mut unsaved = applied.labels().unwrap();
    collection.delete([0, 1].map(Key::from)).unwrap();
    collection.upsert(vec![point(4, 5000)]).unwrap();
    assert_eq!(
        (streamed.by_ref().count(), unsaved.by_ref().count()),
        (998, 998)
    );
    // A stream of a clustering that is gone ends with an error, not early.
    let mut streamed = saved.labels().unwrap();
    collection.drop_clusters("s").unwrap();
    assert!(streamed.next().unwrap().is_err());
    assert!(streamed.next().is_none());
}

/// A collection of texts about fish and bread, with or without passages.
fn texts(chunk: Option<Chunk>) -> (tempfile::TempDir, Collection) {
    let folder = tempfile::tempdir().unwrap();
    let embedder = Arc::new(HashEmbedder::new(64));
    let db = Options::default()
        .embedder(embedder)
        .open(folder.path())
        .unwrap();
    let mut config = CollectionConfig::embedded();
    config.chunk = chunk;
    let collection = db.create_collection("c", config).unwrap();
    let fish = [
        "salmon and trout",
        "trout of the river",
        "salmon in the river",
    ];
    let bread = ["rye bread", "bread and butter"];
    let texts = fish.iter().chain(&bread).enumerate();
    let documents = texts.map(|(number, text)| Document::new(number as i64, *text));
    collection.upsert(documents.collect()).unwrap();
    (folder, collection)
}

#[test]
fn texts_are_assigned_as_documents_with_those_texts_are() {
    let long = "the salmon swims. ".repeat(30) + &"bread and butter. ".repeat(3);
    let passages = Chunk {
        tokens: 16,
        overlap: 0,
        at: Border::Sentence,
    };
    for chunk in [None, Some(passages)] {
        let (_folder, collection) = texts(chunk);
        let found = collection
            .cluster(ClusterOptions::new(2).words(3).save("topics"))
            .unwrap();
        assert!(found.clusters.iter().all(|one| one.name.is_some()));
        let clustering = collection.clusters("topics").unwrap();
        assert_eq!(clustering.names()[0], found.clusters[0].name);
        for text in ["a salmon", "a loaf of bread", long.as_str()] {
            let assigned = clustering.assign(text).unwrap();
            collection.upsert(vec![Document::new("new", text)]).unwrap();
            let of_key = clustering.assign(Key::from("new")).unwrap();
            let label = labels(&collection, "topics").pop().unwrap();
            assert_eq!(label.key, Key::from("new"));
            for (cluster, distance) in [
                (assigned.cluster, assigned.distance),
                (of_key.cluster, of_key.distance),
            ] {
                assert_eq!(cluster, label.cluster, "{text}");
                assert!((distance - label.distance).abs() < 1e-5, "{text}");
            }
            assert_eq!(assigned.name, found.clusters[label.cluster].name);
            // Found by number and by name, beside metadata or alone.
            for filter in [
                json!({"cluster": label.cluster}),
                json!({"cluster.topics": assigned.name}),
                json!({"cluster": {"in": [label.cluster]}, "price": {"exists": false}}),
            ] {
                let filter: Filter = serde_json::from_value(filter).unwrap();
                let found = collection.search(&Query::text(text).top_k(1).filter(filter));
                assert_eq!(found.unwrap().matches[0].key, Key::from("new"), "{text}");
            }
        }
        let all =
            clustering.assign_all(&["rye bread".into(), Point::Key(0.into()), "trout".into()]);
        let all: Vec<usize> = all.unwrap().iter().map(|one| one.cluster).collect();
        assert_eq!((all[0] == all[1], all[1] == all[2]), (false, true));
    }
}
