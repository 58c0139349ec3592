//! Names of clusters, what saved clusterings refuse, and handles that only read.

use serde_json::json;
use vinedb::{CollectionConfig, Filter, Key, Metric, Options, Query, cluster::ClusterOptions};

use super::{
    DIMENSION, Given, point,
    saved::{assert_holds, by_key, open},
};

#[test]
fn names_are_given_exchanged_and_taken() {
    let given = Given::groups(3, 300, Metric::L2);
    let collection = &given.collection;
    let mut found = collection.cluster(3).unwrap();
    found.clusters[0].name = Some("large".into());
    collection.save_clusters("s", &found).unwrap();
    let large = collection.count(Some(&Filter::in_cluster("s", "large")));
    assert_eq!(large.unwrap(), found.clusters[0].size as u64);
    let rename = |names: &[(usize, Option<&str>)]| {
        let names = names
            .iter()
            .map(|(at, name)| (*at, name.map(str::to_owned)));
        collection.rename_clusters("s", names.collect::<Vec<_>>())
    };
    rename(&[(0, Some("small")), (2, Some("large"))]).unwrap();
    let saved = collection.clustering("s").unwrap();
    let names: Vec<_> = saved
        .clusters
        .iter()
        .map(|one| one.name.as_deref())
        .collect();
    assert_eq!(names, [Some("small"), None, Some("large")]);
    rename(&[(0, None)]).unwrap();
    for (names, says) in [
        (vec![(1, Some("large"))], "cluster 2 is named"),
        (vec![(3, Some("x"))], "no cluster 3"),
        (vec![(1, Some("7"))], "not allowed"),
        (vec![(1, Some(""))], "not allowed"),
    ] {
        let refused = rename(&names).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let given = Given::groups(3, 300, Metric::L2);
    let collection = &given.collection;
    let found = collection.cluster(3).unwrap();
    let says = |error: vinedb::Error, code: &str, words: &str| {
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    let none = collection.clusters("s").unwrap_err();
    says(none, "unknown_clustering", "this collection has none");
    let clustering = collection.save_clusters("s", &found).unwrap();
    let before = collection.clusterings().unwrap();
    says(
        collection.clusters("t").unwrap_err(),
        "unknown_clustering",
        "has s",
    );
    says(
        collection.drop_clusters("t").unwrap_err(),
        "unknown_clustering",
        "has s",
    );
    let bad = collection.save_clusters("a.b", &found).unwrap_err();
    says(bad, "bad_cluster_name", "use 1 to 64 letters");
    // Refused before anything is learned.
    let options = ClusterOptions::new(2).save("s");
    let watched = collection.cluster_with(&options, &|_| panic!("it was begun"));
    says(
        watched.unwrap_err(),
        "clustering_conflict",
        "exists already",
    );
    let mut other = found.clone();
    other.clusters[1].centroid.pop();
    let short = collection.save_clusters("t", &other).unwrap_err();
    says(short, "dimension_mismatch", "centroid of cluster 1");
    other.clusters[1].centroid.push(f32::NAN);
    let nan = collection.save_clusters("t", &other).unwrap_err();
    says(nan, "not_finite", "centroid of cluster 1");
    other.clusters.clear();
    says(
        collection.save_clusters("t", &other).unwrap_err(),
        "invalid",
        "clusters",
    );
    says(
        clustering.assign(vec![1.0]).unwrap_err(),
        "dimension_mismatch",
        "vector",
    );
    let nan = clustering.assign(vec![f32::NAN; DIMENSION]).unwrap_err();
    says(nan, "not_finite", "component 0");
    says(
        clustering.assign("text").unwrap_err(),
        "no_model",
        "no model",
    );
    let unknown = clustering.assign(Key::from("none")).unwrap_err();
    says(unknown, "unknown_key", "none");
    for (filter, code, words) in [
        (json!({"cluster": 3}), "unknown_cluster", "0 to 2"),
        (json!({"cluster.t": 0}), "unknown_clustering", "has s"),
        (json!({"cluster.s": "x"}), "unknown_cluster", "0 to 2"),
    ] {
        let filter: Filter = serde_json::from_value(filter).unwrap();
        says(collection.count(Some(&filter)).unwrap_err(), code, words);
        says(
            collection.scroll(None, 9, Some(&filter)).unwrap_err(),
            code,
            words,
        );
        says(
            collection.delete_matching(&filter).unwrap_err(),
            code,
            words,
        );
        let query = Query::vector(vec![0.0; DIMENSION]).filter(filter.clone());
        says(collection.search(&query).unwrap_err(), code, words);
        let options = ClusterOptions::new(1).filter(filter);
        says(collection.cluster(options).unwrap_err(), code, words);
    }
    assert_eq!(collection.clusterings().unwrap(), before);
    assert_eq!(collection.count(None).unwrap(), 300);
    // A watch that breaks while documents are labelled leaves nothing.
    let stop = |_| std::ops::ControlFlow::Break(());
    let stopped = collection.save_clusters_with(&"t".into(), &found, &stop);
    assert!(stopped.unwrap_err().is_cancelled());
    assert_eq!(collection.clusterings().unwrap(), before);
}

#[test]
fn a_reader_sees_what_the_writer_saves_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writer = open(folder.path());
    let config = CollectionConfig::given(DIMENSION).metric(Metric::L2);
    let written = writer.create_collection("c", config).unwrap();
    written
        .upsert((0..300).map(|number| point(3, number)).collect())
        .unwrap();
    let reader = Options::default()
        .read_only(true)
        .open(folder.path())
        .unwrap();
    let read = reader.collection("c").unwrap();
    let found = read.cluster(3).unwrap();
    let refused = read.save_clusters("s", &found).unwrap_err();
    assert_eq!(refused.code(), "read_only");
    let early = ClusterOptions::new(3).save("s");
    assert_eq!(read.cluster(early).unwrap_err().code(), "read_only");
    written.save_clusters("s", &found).unwrap();
    written
        .upsert((300..320).map(|number| point(3, number)).collect())
        .unwrap();
    let documents = by_key((0..320).map(|number| point(3, number)));
    assert_holds(&read, "s", &found, &documents);
    assert_holds(&written, "s", &found, &documents);
    assert_eq!(read.drop_clusters("s").unwrap_err().code(), "read_only");
    let names = [(0, Some("x".to_owned()))];
    assert_eq!(
        read.rename_clusters("s", names).unwrap_err().code(),
        "read_only"
    );
    written.drop_clusters("s").unwrap();
    assert_eq!(read.clusters("s").unwrap_err().code(), "unknown_clustering");
}
