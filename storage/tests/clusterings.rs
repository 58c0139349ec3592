//! Saved clusterings: what they hold, and how they follow the documents.

mod filters;
mod format;

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};
use vinedb_storage::{
    Access, Cluster, Error, Filter, Key, Label, MAX_CLUSTERINGS, NewClustering, NewDocument,
    NewLabels, Store,
};

use crate::fixtures::{Fixture, fields};

fn label(cluster: u32) -> Label {
    Label {
        cluster,
        distance: f32::from(u16::try_from(cluster).unwrap()) / 3.0,
    }
}

fn clusters(names: &[Option<&str>]) -> Vec<Cluster> {
    let cluster = |name: &Option<&str>| Cluster {
        name: name.map(str::to_owned),
        about: format!("about {name:?}"),
    };
    names.iter().map(cluster).collect()
}

/// Saves a clustering in which each document's cluster is what `choose` says of its id.
fn save(
    store: &Store,
    name: &str,
    clusters: &[Cluster],
    choose: impl Fn(i64) -> u32,
) -> Result<i64, Error> {
    let ids = store.read().unwrap().ids().unwrap();
    let labels: Vec<(i64, Label)> = ids.into_iter().map(|id| (id, label(choose(id)))).collect();
    store.save_clustering(&NewClustering {
        name,
        about: "{}",
        centroids: name.as_bytes(),
        clusters,
        labels: &labels,
        replace: false,
    })
}

/// Puts a document in, with its cluster in each clustering.
fn put_labelled(store: &Store, key: &str, metadata: Value, labels: &[(i64, u32)]) -> i64 {
    let (key, metadata) = (Key::from(key), fields(metadata));
    let document = NewDocument {
        key: &key,
        text: None,
        metadata: &metadata,
        passages: &[],
        vector: &[0.0, 0.0],
    };
    let single: Vec<(i64, Label)> = labels.iter().map(|(id, at)| (*id, label(*at))).collect();
    let new: Vec<NewLabels<'_>> = single
        .iter()
        .map(|(clustering, label)| NewLabels {
            clustering: *clustering,
            labels: std::slice::from_ref(label),
        })
        .collect();
    store.upsert_labelled(&[document], &new).unwrap().ids[0]
}

fn matching(store: &Store, filter: Value) -> Result<Vec<i64>, Error> {
    let filter: Filter = serde_json::from_value(filter).unwrap();
    let found = store.read()?.matching(&filter)?;
    assert_eq!(store.read()?.count(Some(&filter))?, found.len() as u64);
    let scrolled = store.read()?.scroll(0, usize::MAX, Some(&filter), false)?;
    assert_eq!(
        scrolled.iter().map(|record| record.id).collect::<Vec<_>>(),
        found
    );
    Ok(found)
}

/// A store with the documents 1 to 6, whose `n` is their id, in two clusterings.
fn two_clusterings() -> Fixture {
    let fixture = Fixture::new();
    for n in 1..=6 {
        fixture.put(n, json!({ "n": n, "cluster": n }));
    }
    let thirds = clusters(&[Some("none over"), Some("one over"), None]);
    let third = |id: i64| u32::try_from(id % 3).unwrap();
    save(&fixture.store, "thirds", &thirds, third).unwrap();
    let halves = clusters(&[None, Some("late")]);
    save(&fixture.store, "halves", &halves, |id| u32::from(id > 3)).unwrap();
    fixture
}

#[test]
fn a_clustering_is_read_back_with_its_labels() {
    let fixture = two_clusterings();
    let store = &fixture.store;
    let reader = store.read().unwrap();
    let all = reader.clusterings().unwrap();
    let names: Vec<&str> = all.iter().map(|saved| saved.name.as_str()).collect();
    assert_eq!(names, ["halves", "thirds"]);
    let thirds = reader.clustering("thirds").unwrap();
    assert_eq!(thirds, all[1]);
    assert_eq!((thirds.sequence, thirds.about.as_str()), (6, "{}"));
    assert!(thirds.saved_at > 1_700_000_000);
    assert_eq!(
        thirds.clusters,
        clusters(&[Some("none over"), Some("one over"), None])
    );
    assert_eq!(reader.cluster_sizes(&thirds).unwrap(), [2, 2, 2]);
    assert_eq!(
        reader.centroids(thirds.id).unwrap(),
        Some(b"thirds".to_vec())
    );
    assert_eq!(reader.centroids(99).unwrap(), None);
    assert_eq!(reader.clustering_ids().unwrap(), [1, 2]);
    let page = reader.labelled(thirds.id, 2, 3, None).unwrap();
    let page: Vec<_> = page
        .iter()
        .map(|found| (found.id, found.key.clone(), found.label))
        .collect();
    let expected = [(3, 0), (4, 1), (5, 2)].map(|(id, at)| (id, Key::from(id), label(at)));
    assert_eq!(page, expected);
    let late = Filter::in_cluster("halves", "late");
    let of_late = reader.labelled(thirds.id, 0, 9, Some(&late)).unwrap();
    assert_eq!(
        of_late.iter().map(|found| found.id).collect::<Vec<_>>(),
        [4, 5, 6]
    );
    assert!(reader.labelled(99, 0, 9, None).unwrap().is_empty());
    store.check().unwrap();
}

#[test]
fn documents_are_written_with_a_label_in_every_clustering() {
    let fixture = two_clusterings();
    let store = &fixture.store;
    let key = Key::from("new");
    let metadata = fields(json!({}));
    let new = [NewDocument {
        key: &key,
        text: None,
        metadata: &metadata,
        passages: &[],
        vector: &[0.0, 0.0],
    }];
    let labels = [label(1), label(1)];
    let of = |clustering, count: usize| NewLabels {
        clustering,
        labels: &labels[..count],
    };
    for (given, missing) in [
        (vec![], "thirds"),
        (vec![of(1, 1)], "halves"),
        (vec![of(1, 2), of(2, 1)], "thirds"),
        (vec![of(1, 1), of(2, 0)], "halves"),
    ] {
        let error = store.upsert_labelled(&new, &given).unwrap_err();
        assert!(
            matches!(&error, Error::Unlabelled { clustering } if clustering == missing),
            "{error:?}"
        );
        assert_eq!(store.read().unwrap().count(None).unwrap(), 6);
    }
    let id = put_labelled(store, "new", json!({}), &[(2, 1), (1, 2)]);
    let replaced = put_labelled(store, "new", json!({}), &[(2, 0), (1, 0)]);
    assert_eq!((id, replaced), (7, 8));
    assert_eq!(
        matching(store, json!({"cluster.thirds": 0})).unwrap(),
        [3, 6, 8]
    );
    assert_eq!(
        matching(store, json!({"cluster.thirds": 2})).unwrap(),
        [2, 5]
    );
    store.check().unwrap();
    store.drop_clustering("halves").unwrap();
    put_labelled(store, "newer", json!({}), &[(1, 2)]);
    // The ids of clusterings are never given twice.
    let again = save(store, "halves", &clusters(&[None]), |_| 0).unwrap();
    assert_eq!(again, 3);
    store.check().unwrap();
}

#[test]
fn saving_dropping_and_renaming_refuse_what_has_no_place() {
    let fixture = two_clusterings();
    let store = &fixture.store;
    let before = store.read().unwrap().clusterings().unwrap();
    let refused = |error: Error, words: &str| {
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(store.read().unwrap().clusterings().unwrap(), before);
    };
    let one = clusters(&[None]);
    for name in ["", "a.b", "-a", "a b", "ü", &"x".repeat(65)] {
        refused(
            save(store, name, &one, |_| 0).unwrap_err(),
            "use 1 to 64 letters",
        );
    }
    refused(
        save(store, "halves", &one, |_| 0).unwrap_err(),
        "exists already",
    );
    for name in ["", "7", " a", "a\nb", &"x".repeat(65)] {
        let named = clusters(&[Some(name)]);
        refused(
            save(store, "new", &named, |_| 0).unwrap_err(),
            "cluster name",
        );
        let names = [(0, Some(name.to_owned()))];
        refused(
            store.rename_clusters("thirds", &names).unwrap_err(),
            "cluster name",
        );
    }
    let partial = NewClustering {
        name: "partial",
        about: "",
        centroids: b"",
        clusters: &one,
        labels: &[(1, label(0)), (2, label(0)), (4, label(0))],
        replace: false,
    };
    refused(
        store.save_clustering(&partial).unwrap_err(),
        "have no label",
    );
    refused(store.drop_clustering("x").unwrap_err(), "halves, thirds");
    let rename = |clustering: &str, number, name: &str| {
        store
            .rename_clusters(clustering, &[(number, Some(name.to_owned()))])
            .unwrap_err()
    };
    refused(rename("x", 0, "a"), "halves, thirds");
    refused(rename("thirds", 3, "a"), "0 to 2");
    refused(rename("thirds", 2, "one over"), "cluster 1 is named");
    // Two may exchange their names.
    let exchanged = [
        (0, Some("one over".to_owned())),
        (1, Some("none over".to_owned())),
    ];
    store.rename_clusters("thirds", &exchanged).unwrap();
    store.rename_clusters("halves", &[(1, None)]).unwrap();
    let found = matching(store, json!({"cluster.thirds": "one over"})).unwrap();
    assert_eq!(found, [3, 6]);
    assert!(matching(store, json!({"cluster.halves": "late"})).is_err());
    for number in 2..MAX_CLUSTERINGS {
        save(store, &format!("n{number}"), &one, |_| 0).unwrap();
    }
    let error = save(store, "more", &one, |_| 0).unwrap_err();
    assert!(matches!(error, Error::TooManyClusterings { .. }));
}

#[test]
fn replacing_is_asked_for_and_leaves_nothing_of_the_former() {
    let fixture = two_clusterings();
    let store = &fixture.store;
    let labels: Vec<(i64, Label)> = (0..=9).map(|id| (id, label(0))).collect();
    let id = store
        .save_clustering(&NewClustering {
            name: "thirds",
            about: "new",
            centroids: b"new",
            clusters: &clusters(&[Some("all")]),
            labels: &labels,
            replace: true,
        })
        .unwrap();
    let reader = store.read().unwrap();
    assert_eq!(reader.clustering_ids().unwrap(), [2, id]);
    let all = matching(store, json!({"cluster.thirds": "all"})).unwrap();
    assert_eq!(all, [1, 2, 3, 4, 5, 6]);
    store.check().unwrap();
}

#[test]
fn check_finds_labels_that_contradict() {
    let fixture = two_clusterings();
    let path = fixture.path();
    let Fixture { store, folder } = fixture;
    drop(store);
    let whole = fs::read(&path).unwrap();
    for (damage, complaint) in [
        (
            "DELETE FROM labels WHERE id = 2",
            "2 documents have no label",
        ),
        (
            "INSERT INTO labels VALUES (9, 1, 0, 0.5)",
            "1 labels have no document",
        ),
        (
            "UPDATE labels SET cluster = 2 WHERE id = 1 AND clustering = 2",
            "1 labels have no cluster",
        ),
        (
            "DELETE FROM clusterings WHERE id = 1; DELETE FROM clusters WHERE clustering = 1",
            "6 labels have no cluster",
        ),
    ] {
        fs::write(&path, &whole).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(damage).unwrap();
        drop(connection);
        let error = Store::open(&path, Access::ReadOnly).unwrap().check();
        let error = error.unwrap_err().to_string();
        assert!(error.contains(complaint), "{damage}: {error}");
    }
    drop(folder);
}
