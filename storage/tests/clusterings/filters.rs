//! Filters on clusters, one by one and against plain rules over a map.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use vinedb_storage::{Filter, Key, Store};

use super::{clusters, matching, put_labelled, save, two_clusterings};
use crate::fixtures::Fixture;

#[test]
fn filters_name_clusters_by_number_or_name() {
    let fixture = two_clusterings();
    let store = &fixture.store;
    for (filter, expected) in [
        (json!({"cluster.thirds": 0}), vec![3, 6]),
        (json!({"cluster.thirds": "one over"}), vec![1, 4]),
        (json!({"cluster.thirds": {"ne": 0}}), vec![1, 2, 4, 5]),
        (
            json!({"cluster.thirds": {"in": [0, "one over", 0]}}),
            vec![1, 3, 4, 6],
        ),
        (json!({"cluster.thirds": {"in": []}}), vec![]),
        (json!({"cluster.thirds": {"nin": [0, 1]}}), vec![2, 5]),
        (json!({"cluster.thirds": 1, "cluster.halves": 1}), vec![4]),
        (json!({"cluster.thirds": 1, "n": {"lt": 3}}), vec![1]),
        (
            json!({"any": [{"cluster.thirds": 1}, {"n": 2}]}),
            vec![1, 2, 4],
        ),
        (
            json!({"not": {"cluster.halves": "late"}, "n": {"gt": 1}}),
            vec![2, 3],
        ),
        // The metadata field of that name keeps its meaning.
        (json!({"\\cluster": 5}), vec![5]),
    ] {
        assert_eq!(
            matching(store, filter.clone()).unwrap(),
            expected,
            "{filter}"
        );
        let read: Filter = serde_json::from_value(filter).unwrap();
        let again: Filter = serde_json::from_str(&read.to_string()).unwrap();
        assert_eq!(again, read);
    }
    let built = [
        (Filter::in_cluster("thirds", 0), vec![3, 6]),
        (Filter::in_clusters("thirds", [0, 2]), vec![2, 3, 5, 6]),
        (Filter::eq("cluster", 5), vec![5]),
        (Filter::eq("cluster.thirds", 0), vec![]),
    ];
    for (filter, expected) in built {
        let found = store.read().unwrap().matching(&filter).unwrap();
        assert_eq!(found, expected, "{filter}");
        let again: Filter = serde_json::from_str(&filter.to_string()).unwrap();
        assert_eq!(again.to_string(), filter.to_string());
    }
    let gone = store
        .delete_matching(&Filter::in_cluster("halves", 1))
        .unwrap();
    assert_eq!(gone.documents, 3);
    assert_eq!(matching(store, json!({"cluster.thirds": 0})).unwrap(), [3]);
    store.check().unwrap();
}

#[test]
fn a_filter_on_clusters_is_refused_where_it_has_no_one_meaning() {
    let says = |store: &Store, filter: Value, words: &[&str]| {
        let message = matching(store, filter).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{word:?} is not in {message:?}");
        }
    };
    let bare = Fixture::new();
    bare.put("a", json!({"cluster": 7}));
    says(
        &bare.store,
        json!({"cluster": 7}),
        &["no saved clustering", r"`\cluster`", "metadata"],
    );
    says(
        &bare.store,
        json!({"cluster.x": 7}),
        &[r#"no clustering "x""#, "none"],
    );
    save(&bare.store, "only", &clusters(&[None]), |_| 0).unwrap();
    assert_eq!(matching(&bare.store, json!({"cluster": 0})).unwrap(), [1]);
    let two = two_clusterings();
    says(
        &two.store,
        json!({"cluster": 0}),
        &["several", "`cluster.NAME`", "halves, thirds"],
    );
    says(
        &two.store,
        json!({"cluster.quarters": 0}),
        &[r#"no clustering "quarters""#, "halves, thirds"],
    );
    for unknown in [json!(3), json!("two over"), json!(u64::MAX)] {
        says(
            &two.store,
            json!({ "cluster.thirds": unknown }),
            &["\"thirds\"", "no cluster", "0 to 2", "name"],
        );
    }
    for (filter, words) in [
        (
            json!({"cluster": -1}),
            "the number or the name of a cluster",
        ),
        (
            json!({"cluster": 1.5}),
            "the number or the name of a cluster",
        ),
        (
            json!({"cluster": null}),
            "the number or the name of a cluster",
        ),
        (
            json!({"cluster": {"in": 1}}),
            "an array of numbers or names",
        ),
        (
            json!({"cluster": {"in": [[1]]}}),
            "an array of numbers or names",
        ),
        (json!({"cluster": {"lt": 1}}), "use one of eq, ne, in, nin"),
        (json!({"cluster": {"styles": 1}}), "write `cluster.styles`"),
        (json!({"cluster": {}}), "no operator given"),
    ] {
        let message = serde_json::from_value::<Filter>(filter.clone()).unwrap_err();
        assert!(message.to_string().contains(words), "{filter}: {message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Random writes beside random filters, against a map of what each document's labels are.
    #[test]
    fn labels_follow_documents(
        writes in vec((0..8_u8, prop::option::of((0..3_u32, 0..2_u32))), 1..60),
        filters in vec((0..3_u32, 0..2_u32, any::<[bool; 3]>()), 1..12),
    ) {
        let fixture = two_clusterings();
        let store = &fixture.store;
        store.delete(&(1..=6).map(Key::from).collect::<Vec<_>>()).unwrap();
        let mut map: BTreeMap<String, (i64, u32, u32)> = BTreeMap::new();
        for (key, labels) in writes {
            let key = key.to_string();
            match labels {
                Some((third, half)) => {
                    let id = put_labelled(store, &key, json!({}), &[(1, third), (2, half)]);
                    map.insert(key, (id, third, half));
                }
                None => {
                    let removed = store.delete(&[Key::from(key.as_str())]).unwrap();
                    prop_assert_eq!(removed.documents, usize::from(map.remove(&key).is_some()));
                }
            }
        }
        for (third, half, [negated, either, absent]) in filters {
            let operator = if negated { "ne" } else { "eq" };
            let conditions = json!([{"cluster.thirds": {operator: third}}, {"cluster.halves": half}, {"n": {"exists": absent}}]);
            let word = if either { "any" } else { "all" };
            let fits = |(_, at, other): &(i64, u32, u32)| {
                let held = [(*at == third) != negated, *other == half, !absent];
                if either { held.contains(&true) } else { !held.contains(&false) }
            };
            let mut expected: Vec<i64> = map.values().filter(|at| fits(at)).map(|(id, ..)| *id).collect();
            expected.sort_unstable();
            prop_assert_eq!(matching(store, json!({word: conditions})).unwrap(), expected);
        }
        let sizes = store.read().unwrap();
        let halves = sizes.clustering("halves").unwrap();
        let late = map.values().filter(|(_, _, half)| *half == 1).count() as u64;
        prop_assert_eq!(sizes.cluster_sizes(&halves).unwrap(), [map.len() as u64 - late, late]);
        store.check().unwrap();
    }
}
