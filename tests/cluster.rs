//! Clustering end to end: the library against brute force, the command and its progress, the route, and how each is stopped.

mod command;
mod handles;
mod route;
mod saved;
mod saved_route;

use std::{ops::ControlFlow, sync::Mutex};

use serde_json::json;
use tempfile::TempDir;
use vinedb::{
    Collection, CollectionConfig, Document, Filter, Metric, Options,
    cluster::{ClusterOptions, Clusters, K},
    index::{Device, Progress, Stage},
};
use vinedb_tests::{cosine, squared_l2};

/// A database, and a collection of vectors in it.
struct Given {
    collection: Collection,
    _folder: TempDir,
}

impl Given {
    fn new(dimension: usize, metric: Metric) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Options::default().open(folder.path().join("db")).unwrap();
        let config = CollectionConfig::given(dimension).metric(metric);
        Self {
            collection: db.create_collection("c", config).unwrap(),
            _folder: folder,
        }
    }

    /// With `count` points in groups of which the first is the largest.
    fn groups(groups: usize, count: usize, metric: Metric) -> Self {
        let given = Self::new(DIMENSION, metric);
        given
            .collection
            .upsert((0..count).map(|number| point(groups, number)).collect())
            .unwrap();
        given
    }
}

const DIMENSION: usize = 8;

/// From 0 to 1, as if at random.
fn noise(number: usize) -> f32 {
    let scattered = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    f32::from(u16::try_from(scattered).unwrap()) / 65_536.0
}

/// The group of a point: that of the largest rest, so that group 0 has most.
fn group(groups: usize, number: usize) -> usize {
    let rest = number % (groups * (groups + 1) / 2);
    (0..groups)
        .scan(0, |end, group| {
            *end += groups - group;
            Some(*end)
        })
        .position(|end| rest < end)
        .unwrap()
}

/// A point of a group, around one corner of a cube for each.
fn point(groups: usize, number: usize) -> Document {
    let group = group(groups, number);
    let vector = (0..DIMENSION).map(|d| {
        let corner = if group >> d & 1 == 1 { 10.0 } else { -10.0 };
        corner + noise(number * DIMENSION + d)
    });
    Document::from_vector(number as i64, vector.collect())
        .metadata(json!({"group": group, "even": number.is_multiple_of(2)}))
}

/// Every document is counted where its nearest centroid is, and the nearest documents are the nearest.
fn assert_is_clustering(given: &Given, found: &Clusters, documents: &[Document]) {
    let away = |document: &Document, cluster: usize| {
        let centroid = &found.clusters[cluster].centroid;
        let vector = document.vector.as_ref().unwrap();
        match found.spherical {
            true => -cosine(vector, centroid),
            false => squared_l2(vector, centroid),
        }
    };
    let mut members = vec![Vec::new(); found.clusters.len()];
    for document in documents {
        let distances = (0..members.len()).map(|cluster| away(document, cluster));
        let (cluster, distance) = distances
            .enumerate()
            .min_by(|one, two| one.1.total_cmp(&two.1))
            .unwrap();
        members[cluster].push((distance, document.key.clone()));
    }
    assert_eq!(found.documents, documents.len());
    assert!(found.clusters.is_sorted_by(|one, two| one.size >= two.size));
    let shares: f32 = found.clusters.iter().map(|cluster| cluster.share).sum();
    assert!((shares - 1.0).abs() < 1e-5, "{shares}");
    for (cluster, mut members) in found.clusters.iter().zip(members) {
        assert_eq!(cluster.size, members.len());
        members.sort_by(|one, two| one.0.total_cmp(&two.0));
        assert_eq!(cluster.nearest.len(), members.len().min(3));
        for (shown, (distance, _)) in cluster.nearest.iter().zip(&members) {
            let distance = if found.spherical {
                -distance
            } else {
                *distance
            };
            let close =
                (f64::from(shown.distance) - distance).abs() < 1e-4 * distance.abs().max(1.0);
            assert!(close, "{shown:?} where {distance} was expected");
            let stored = given
                .collection
                .get(std::slice::from_ref(&shown.key))
                .unwrap();
            assert_eq!(stored, std::slice::from_ref(&shown.document));
        }
    }
}

#[test]
fn every_document_is_in_the_cluster_nearest_to_it_for_every_metric() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct, Metric::L1] {
        let given = Given::groups(6, 2000, metric);
        let documents: Vec<Document> = (0..2000).map(|number| point(6, number)).collect();
        let found = given.collection.cluster(9).unwrap();
        assert_eq!((found.clusters.len(), found.sampled), (9, 2000));
        assert_eq!(
            found.spherical,
            metric == Metric::Cosine || metric == Metric::InnerProduct
        );
        assert_is_clustering(&given, &found, &documents);
        assert_eq!(found, given.collection.cluster(9).unwrap());
        let other = ClusterOptions::new(9).spherical(!found.spherical);
        let other = given.collection.cluster(other).unwrap();
        assert_is_clustering(&given, &other, &documents);
    }
}

#[test]
fn a_sample_is_learnt_from_and_every_document_counted() {
    let given = Given::groups(5, 3000, Metric::L2);
    let documents: Vec<Document> = (0..3000).map(|number| point(5, number)).collect();
    let options = ClusterOptions::new(5).sample(300).redo(3).seed(9);
    let found = given.collection.cluster(options).unwrap();
    assert_eq!((found.sampled, found.documents), (300, 3000));
    assert_is_clustering(&given, &found, &documents);
    let sizes: Vec<usize> = found.clusters.iter().map(|cluster| cluster.size).collect();
    assert_eq!(sizes, [1000, 800, 600, 400, 200]);
}

#[test]
fn only_documents_that_pass_are_clustered() {
    let given = Given::groups(4, 1000, Metric::L2);
    let options = ClusterOptions::new(4)
        .filter(Filter::eq("even", true))
        .redo(3);
    let found = given.collection.cluster(options).unwrap();
    let even: Vec<Document> = (0..1000)
        .step_by(2)
        .map(|number| point(4, number))
        .collect();
    assert_is_clustering(&given, &found, &even);
}

#[test]
fn the_number_of_groups_is_found_in_the_documents() {
    for groups in [2, 3, 5, 7] {
        let given = Given::groups(groups, 1200, Metric::L2);
        let found = given.collection.cluster(K::Auto).unwrap();
        let choice = found.choice.unwrap();
        assert_eq!(found.clusters.len(), groups, "{choice:?}");
        assert!(
            choice
                .scores
                .iter()
                .any(|tried| tried.k == groups && tried.score > 0.8)
        );
        assert_eq!(choice.sampled, 1200);
        assert!(given.collection.cluster(groups).unwrap().choice.is_none());
    }
}

#[test]
fn a_map_shows_each_document_once_in_its_cluster_and_groups_apart() {
    let given = Given::groups(2, 900, Metric::L2);
    let found = given
        .collection
        .cluster(ClusterOptions::new(2).map(200))
        .unwrap();
    let mut keys: Vec<String> = found
        .map
        .iter()
        .map(|place| place.key.to_string())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((keys.len(), found.map.len()), (200, 200));
    // Two groups lie 20 apart along one component, and about 1 wide: along the first axis, and its middle at 0.
    for place in &found.map {
        let group = given
            .collection
            .get(std::slice::from_ref(&place.key))
            .unwrap()[0]
            .metadata["group"]
            .clone();
        assert_eq!(group, place.cluster, "the larger group is the first");
        let away = if place.cluster == 0 {
            20.0 / 3.0
        } else {
            40.0 / 3.0
        };
        assert!(
            (place.x.abs() - away).abs() < 1.5 && place.y.abs() < 1.5,
            "{place:?}"
        );
    }
    let sides: Vec<bool> = found
        .map
        .iter()
        .map(|place| (place.x > 0.0) == (place.cluster == 0))
        .collect();
    assert!(
        sides.iter().all(|side| *side == sides[0]),
        "the groups are on two sides"
    );
    let whole = given
        .collection
        .cluster(ClusterOptions::new(2).map(10_000))
        .unwrap();
    assert_eq!(whole.map.len(), 900);
    let plain = given.collection.cluster(2).unwrap();
    assert!(plain.map.is_empty() && plain.clusters == found.clusters);
}

#[test]
fn what_is_deleted_meanwhile_is_left_out() {
    let given = Given::groups(3, 900, Metric::L2);
    let collection = &given.collection;
    let watch = |progress: Progress| {
        if progress.stage == Stage::Assigning && progress.done == 0 {
            collection.delete([0, 1]).unwrap();
            collection.upsert(vec![point(3, 5000)]).unwrap();
        }
        ControlFlow::Continue(())
    };
    let found = collection.cluster_with(&3.into(), &watch).unwrap();
    let documents: Vec<Document> = (2..900).map(|number| point(3, number)).collect();
    assert_is_clustering(&given, &found, &documents);
}

#[test]
fn it_tells_of_each_stage_and_stops_in_any_of_them() {
    let given = Given::groups(3, 900, Metric::L2);
    let told = Mutex::new(Vec::new());
    let all = |progress: Progress| {
        told.lock().unwrap().push(progress);
        ControlFlow::Continue(())
    };
    given
        .collection
        .cluster_with(&K::Auto.into(), &all)
        .unwrap();
    let told = told.into_inner().unwrap();
    let mut stages: Vec<Stage> = told.iter().map(|progress| progress.stage).collect();
    stages.dedup();
    let expected = [
        Stage::Sampling,
        Stage::Choosing,
        Stage::Clustering,
        Stage::Assigning,
        Stage::Describing,
    ];
    assert_eq!(stages, expected);
    for stage in expected {
        let of_stage = told.iter().filter(|progress| progress.stage == stage);
        assert!(
            of_stage
                .clone()
                .all(|progress| progress.done <= progress.total)
        );
        let last = of_stage.max_by_key(|progress| progress.done).unwrap();
        assert_eq!(last.done, last.total, "{stage}");
        let stop = |progress: Progress| match progress.stage == stage {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let stopped = given
            .collection
            .cluster_with(&K::Auto.into(), &stop)
            .unwrap_err();
        assert!(stopped.is_cancelled(), "{stage}: {stopped}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let given = Given::new(2, Metric::L2);
    let refused = |options: ClusterOptions, words: &[&str]| {
        let message = given.collection.cluster(options).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{word:?} is not in {message:?}");
        }
    };
    refused(1.into(), &["documents", "0 was given", "at least one"]);
    let at = |key: i64| Document::from_vector(key, vec![1.0, 2.0]);
    given.collection.upsert((0..3).map(at).collect()).unwrap();
    let two = || ClusterOptions::new(2);
    refused(0.into(), &["k", "0 was given", "1 to 65536"]);
    refused(
        4.into(),
        &["k", "4 was given", "1 to 3", "number of documents"],
    );
    refused(65_537.into(), &["k", "65537", "1 to 65536"]);
    refused(two().sample(1), &["k", "2 was given", "1 to 1", "sample"]);
    refused(two().sample(0), &["sample", "0 was given", "1 to"]);
    refused(
        two().sample(usize::MAX),
        &["sample", "1 to 268435456", "2147483648 bytes"],
    );
    refused(
        two().iterations(0),
        &["iterations", "0 was given", "1 to 1000"],
    );
    refused(two().redo(101), &["redo", "101 was given", "1 to 100"]);
    refused(two().nearest(101), &["nearest", "0 to 100"]);
    refused(two().words(101), &["words", "0 to 100"]);
    refused(two().map(10_001), &["map", "10001 was given", "0 to 10000"]);
    refused(two().device(Device::Cuda(Some(1))), &["cuda:1", "gpu"]);
    refused(
        two().filter(Filter::eq("x", 1)),
        &["documents", "0 was given", "pass"],
    );
    // As many as there are, and equal ones, are fine.
    let found = given.collection.cluster(3).unwrap();
    assert_eq!((found.documents, found.clusters.len()), (3, 3));
    assert_eq!(given.collection.cluster(K::Auto).unwrap().clusters.len(), 1);
}
