//! What is read, what is refused and what is said about it; sets of ids.

use std::collections::BTreeSet;

use crate::{AUTO_EXACT_LIMIT, Error, IdSet, IndexSpec, Kind, MAX_ID, Metric, SearchParams};

#[test]
fn factory_strings_are_read_and_written() {
    for (given, kind, written) in [
        ("Flat", Kind::Flat, "Flat"),
        ("HNSW32", Kind::Hnsw { m: 32, sq8: false }, "HNSW32"),
        ("HNSW16,Flat", Kind::Hnsw { m: 16, sq8: false }, "HNSW16"),
        (
            "HNSW512,SQ8",
            Kind::Hnsw { m: 512, sq8: true },
            "HNSW512,SQ8",
        ),
        ("IVF1024,Flat", Kind::Ivf { nlist: 1024 }, "IVF1024,Flat"),
        ("IVF1,Flat", Kind::Ivf { nlist: 1 }, "IVF1,Flat"),
    ] {
        let spec = IndexSpec::parse(given).unwrap();
        assert_eq!(
            (spec, spec.to_string()),
            (IndexSpec::Faiss(kind), written.to_owned())
        );
        assert_eq!(IndexSpec::parse(written).unwrap(), spec);
    }
    assert_eq!(IndexSpec::parse("auto").unwrap().to_string(), "auto");
    assert_eq!(
        [
            IndexSpec::flat(),
            IndexSpec::hnsw(8),
            IndexSpec::hnsw_sq8(8),
            IndexSpec::ivf(9)
        ]
        .map(|s| s.to_string()),
        ["Flat", "HNSW8", "HNSW8,SQ8", "IVF9,Flat"]
    );
}

#[test]
fn what_cannot_be_had_is_refused_with_what_can() {
    for (given, nearest) in [
        ("", "Flat"),
        ("flat", "Flat"),
        ("Flat,", "Flat"),
        ("hnsw32", "HNSW32"),
        ("HNSW", "HNSW32"),
        ("HNSW0", "HNSW2"),
        ("HNSW1,SQ8", "HNSW2,SQ8"),
        ("HNSW5000", "HNSW512"),
        ("HNSW99999999999999999999999", "HNSW512"),
        ("HNSW+5", "HNSW32"),
        ("HNSW32,PQ16", "HNSW32,SQ8"),
        ("IVF0,Flat", "IVF1,Flat"),
        ("IVF4294967296,Flat", "IVF262144,Flat"),
        ("IVF256", "IVF256,Flat"),
        ("IVF256,PQ16x4fs", "IVF256,Flat"),
        ("OPQ16,IVF256,PQ16", "IVF256,Flat"),
        ("SQ8", "HNSW32,SQ8"),
        ("PCA64,Flat", "HNSW32,SQ8"),
        ("NSG64", "HNSW32"),
        ("Größe\0", "Flat"),
    ] {
        match IndexSpec::parse(given) {
            Err(Error::BadSpec {
                given: said,
                reason,
            }) => {
                assert_eq!(
                    reason.rsplit(' ').next(),
                    Some(nearest),
                    "{given}: {reason}"
                );
                assert!(IndexSpec::parse(nearest).is_ok());
                assert!(said.len() >= given.len().min(4), "{said}");
            }
            other => panic!("{given}: {other:?}"),
        }
    }
}

#[test]
fn the_kind_depends_on_how_many_vectors_there_are() {
    let kinds = |spec: IndexSpec, sizes: [usize; 2]| sizes.map(|n| spec.kind_for(n).to_string());
    assert_eq!(
        kinds(IndexSpec::Auto, [AUTO_EXACT_LIMIT, AUTO_EXACT_LIMIT + 1]),
        ["Flat", "HNSW32"]
    );
    assert_eq!(
        kinds(IndexSpec::ivf(100), [3899, 3900]),
        ["Flat", "IVF100,Flat"]
    );
    assert_eq!(kinds(IndexSpec::hnsw(16), [0, 1]), ["HNSW16", "HNSW16"]);
    assert_eq!(
        kinds(IndexSpec::hnsw_sq8(16), [0, 1]),
        ["Flat", "HNSW16,SQ8"]
    );
    assert_eq!(
        IndexSpec::ivf(usize::MAX).kind_for(usize::MAX - 1),
        Kind::Flat
    );
}

#[test]
fn built_specs_are_checked() {
    for spec in [
        IndexSpec::hnsw(0),
        IndexSpec::hnsw(1),
        IndexSpec::hnsw_sq8(5000),
        IndexSpec::ivf(0),
        IndexSpec::ivf(usize::MAX),
    ] {
        assert!(matches!(spec.check(), Err(Error::BadSpec { .. })), "{spec}");
    }
    for spec in [
        IndexSpec::Auto,
        IndexSpec::flat(),
        IndexSpec::hnsw(2),
        IndexSpec::ivf(1),
    ] {
        spec.check().unwrap();
    }
}

#[test]
fn metrics_have_names_and_scores_rise_with_closeness() {
    for (name, metric) in [
        ("l2", Metric::L2),
        ("cosine", Metric::Cosine),
        ("inner_product", Metric::InnerProduct),
    ] {
        assert_eq!(
            (name.parse::<Metric>().unwrap(), metric.to_string()),
            (metric, name.to_owned())
        );
    }
    assert!(matches!(
        "L2".parse::<Metric>(),
        Err(Error::BadMetric { .. })
    ));
    assert!(Metric::L2.score(1.0) > Metric::L2.score(2.0));
    assert!(Metric::Cosine.score(0.9) > Metric::Cosine.score(0.1));
}

#[test]
fn parameters_are_checked_against_the_kind() {
    let ef = SearchParams {
        ef_search: Some(100),
        ..SearchParams::default()
    };
    let probe = SearchParams {
        nprobe: Some(4),
        ..SearchParams::default()
    };
    let (hnsw, ivf) = (Kind::Hnsw { m: 8, sq8: false }, Kind::Ivf { nlist: 4 });
    for (params, kind) in [
        (ef, hnsw),
        (probe, ivf),
        (SearchParams { exact: true, ..ef }, hnsw),
        (SearchParams::default(), Kind::Flat),
    ] {
        params.check(kind).unwrap();
    }
    for (params, kind, name) in [
        (ef, ivf, "ef_search"),
        (ef, Kind::Flat, "ef_search"),
        (probe, hnsw, "nprobe"),
        (probe, Kind::Flat, "nprobe"),
    ] {
        assert!(
            matches!(params.check(kind), Err(Error::ParameterMismatch { parameter, .. }) if parameter == name)
        );
    }
    for zero in [
        SearchParams {
            ef_search: Some(0),
            ..ef
        },
        SearchParams {
            nprobe: Some(0),
            ..probe
        },
    ] {
        assert!(matches!(
            zero.check(hnsw),
            Err(Error::ParameterRange { given: 0, .. })
        ));
    }
}

proptest::proptest! {
    #[test]
    fn an_id_set_is_a_set(steps in proptest::collection::vec((proptest::bool::weighted(0.7), 0_i64..300), 0..200)) {
        let (mut set, mut model) = (IdSet::new(), BTreeSet::new());
        for (insert, id) in steps {
            let (ours, theirs) = if insert { (set.insert(id), model.insert(id)) } else { (set.remove(id), model.remove(&id)) };
            proptest::prop_assert_eq!(ours, theirs);
        }
        proptest::prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        proptest::prop_assert!(set.iter().eq(model.iter().copied()));
        let sorted: Vec<i64> = model.iter().copied().collect();
        proptest::prop_assert_eq!(&IdSet::from_sorted(&sorted), &set);
        for id in -2..302 {
            proptest::prop_assert_eq!(set.contains(id), model.contains(&id));
        }
    }
}

#[test]
fn ids_that_no_index_takes_change_no_set() {
    let mut set = IdSet::from_sorted(&[-1, 3, MAX_ID + 1]);
    for id in [-1, i64::MIN, MAX_ID + 1, i64::MAX] {
        assert!(!set.insert(id) && !set.contains(id) && !set.remove(id));
    }
    assert_eq!(set.iter().collect::<Vec<_>>(), [3]);
    let mut grown = set.clone();
    grown.insert(1000);
    grown.remove(1000);
    assert_eq!(set, grown);
    grown.insert(1000);
    assert_ne!(set, grown);
}
