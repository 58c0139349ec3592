//! What is read, what is refused and what is said about it; sets of ids.

use std::collections::BTreeSet;

use crate::{
    AUTO_EXACT_COMPONENTS, Device, Error, IdSet, IndexSpec, Kind, MAX_ID, Metric, SearchParams,
    Transform,
};

#[test]
fn factory_strings_are_read_and_written() {
    for (given, kind, written) in [
        ("Flat", Kind::flat(), "Flat"),
        ("HNSW32", Kind::hnsw(32), "HNSW32"),
        ("HNSW", Kind::hnsw(32), "HNSW32"),
        ("HNSW16,Flat", Kind::hnsw(16), "HNSW16"),
        ("HNSW512,SQ8", Kind::hnsw(512).sq8(), "HNSW512,SQ8"),
        ("HNSW32,PQ16", Kind::hnsw(32).pq(16), "HNSW32,PQ16"),
        ("NSG,Flat", Kind::nsg(32), "NSG32"),
        ("IVF1024,Flat", Kind::ivf(1024), "IVF1024,Flat"),
        ("IVF4k,Flat", Kind::ivf(4096), "IVF4096,Flat"),
        ("IVF1,RaBitQ", Kind::ivf(1).rabitq(), "IVF1,RaBitQ"),
        (
            "IVF64_HNSW,SQ8",
            Kind::ivf_hnsw(64, 32).sq8(),
            "IVF64_HNSW32,SQ8",
        ),
        (
            "IVF8,PQ16x4fs,RFlat",
            Kind::ivf(8).pq_fast_scan(16).refine_flat(),
            "IVF8,PQ16x4fs,RFlat",
        ),
        (
            "IVF8,PQ16x4fs,Refine(Flat)",
            Kind::ivf(8).pq_fast_scan(16).refine_flat(),
            "IVF8,PQ16x4fs,RFlat",
        ),
        (
            "OPQ16,IVF256,PQ16",
            Kind::ivf(256).pq(16).opq(16),
            "OPQ16,IVF256,PQ16",
        ),
        (
            "L2Norm,PCA64,Flat",
            Kind::flat().transform(Transform::L2norm).pca(64),
            "L2norm,PCA64,Flat",
        ),
        ("LSH", Kind::lsh(), "LSH"),
        (
            "hnsw_rs",
            Kind::hnsw_rs(16, 200),
            "hnsw_rs(m=16,ef_construction=200)",
        ),
        (
            "hnsw_rs(ef_construction=99)",
            Kind::hnsw_rs(16, 99),
            "hnsw_rs(m=16,ef_construction=99)",
        ),
    ] {
        let spec = IndexSpec::parse(given).unwrap();
        assert_eq!(
            (spec.to_string(), &spec),
            (written.to_owned(), &IndexSpec::Fixed(kind))
        );
        assert_eq!(IndexSpec::parse(written).unwrap(), spec);
    }
    for whole in [
        "PCAR32,IVF4,SQ4",
        "PCAWR3,Flat",
        "PCAW3,Flat",
        "OPQ4_16,PQ4",
        "ITQ,LSH",
        "ITQ64,LSH",
        "RR,PQ4x6",
        "RR8,Flat",
        "Pad64,PQ8x4fs",
        "LSH128rt",
        "LSHr",
        "LSH7t",
        "NSG16,SQ8",
        "IVF7,PQ8x4fsr",
        "SQ4",
        "SQ6",
        "SQfp16",
        "SQbf16",
        "PQ8,Refine(SQfp16)",
        "RaBitQ",
    ] {
        assert_eq!(whole.parse::<Kind>().unwrap().to_string(), whole);
    }
    assert_eq!(IndexSpec::parse("auto").unwrap().to_string(), "auto");
}

#[cfg(feature = "faiss")]
#[test]
fn what_cannot_be_had_is_refused_with_what_can() {
    for (given, nearest) in [
        ("", "Flat"),
        ("flat", "Flat"),
        ("Flat,", "Flat"),
        ("hnsw32", "HNSW32"),
        ("HNSW0", "HNSW2"),
        ("HNSW1,SQ8", "HNSW2,SQ8"),
        ("HNSW5000", "HNSW512"),
        ("HNSW99999999999999999999999", "HNSW512"),
        ("HNSW+5", "HNSW32"),
        ("HNSW32,LSH", "HNSW32,SQ8"),
        ("HNSW32,PQ8x4fs", "HNSW32,PQ8"),
        ("HNSW32,SQ9", "HNSW32,SQ8"),
        ("IVF0,Flat", "IVF1,Flat"),
        ("IVF4294967296,Flat", "IVF262144,Flat"),
        ("IVF256", "IVF256,Flat"),
        ("IVF256,PQ16x99", "IVF256,PQ16x12"),
        ("ivf256,rabitq", "IVF256,RaBitQ"),
        ("hnsw_rs(m=0)", "hnsw_rs(m=2,ef_construction=200)"),
        ("hnsw_rs(k=1)", "HNSW32"),
        ("hnsw_rs(m=8,m=9)", "HNSW32"),
        ("NSG1", "NSG4"),
        ("Größe\0", "Flat"),
    ] {
        assert_refused(IndexSpec::parse(given).map(|_| ()), nearest, given);
    }
}

#[cfg(feature = "faiss")]
fn assert_refused(outcome: Result<(), Error>, nearest: &str, context: &str) {
    match outcome {
        Err(Error::BadSpec { reason, .. }) => {
            assert_eq!(
                reason.rsplit(' ').next(),
                Some(nearest),
                "{context}: {reason}"
            );
            assert!(IndexSpec::parse(nearest).is_ok());
        }
        other => panic!("{context}: {other:?}"),
    }
}

#[cfg(feature = "faiss")]
#[test]
fn what_does_not_suit_dimension_or_metric_is_refused_with_what_does() {
    for (given, dimension, metric, nearest) in [
        ("PQ16", 40, Metric::L2, "PQ10"),
        ("IVF64,PQ7x4fs", 10, Metric::L2, "IVF64,PQ5x4fs"),
        ("PCA64,Flat", 8, Metric::L2, "PCA8,Flat"),
        ("OPQ3,PQ3", 8, Metric::L2, "OPQ2,PQ2"),
        ("PCA9,PQ4", 16, Metric::L2, "PCA9,PQ3"),
        ("LSH99", 8, Metric::L2, "LSH99r"),
        ("IVF64,SQ8", 8, Metric::L1, "IVF64,Flat"),
        ("NSG32", 8, Metric::InnerProduct, "HNSW32"),
        ("LSH", 8, Metric::InnerProduct, "Flat"),
        ("Pad4,Flat", 8, Metric::L2, "Pad8,Flat"),
    ] {
        let spec = IndexSpec::parse(given).unwrap();
        assert_refused(spec.check(dimension, metric), nearest, given);
        IndexSpec::parse(nearest)
            .unwrap()
            .check(dimension, metric)
            .unwrap();
    }
    for built in [
        Kind::hnsw(0),
        Kind::hnsw(5000).sq8(),
        Kind::ivf(usize::MAX),
        Kind::flat().pq(0),
    ] {
        assert!(
            matches!(built.check(8, Metric::L2), Err(Error::BadSpec { .. })),
            "{built}"
        );
    }
}

#[cfg(not(feature = "faiss"))]
#[test]
fn without_faiss_its_kinds_are_refused_in_one_sentence_and_auto_does_without() {
    for given in [
        "HNSW32",
        "IVF64,Flat",
        "PQ3",
        "PCA9,Flat",
        "Flat,RFlat",
        "SQ8",
    ] {
        let refused = IndexSpec::parse(given)
            .unwrap()
            .check(8, Metric::L2)
            .unwrap_err();
        let message = refused.to_string();
        assert!(
            message.contains(given) && message.contains("`faiss`") && message.contains("hnsw_rs("),
            "{message}"
        );
        assert!(crate::Index::new(8, Metric::L2, &given.parse().unwrap()).is_err());
    }
    let message = IndexSpec::parse("HNSW0").unwrap_err().to_string();
    assert!(
        message.ends_with("the nearest that works is hnsw_rs(m=16,ef_construction=200)"),
        "{message}"
    );
    let auto = |n: usize| IndexSpec::Auto.kind_for(n, 8).to_string();
    let last = AUTO_EXACT_COMPONENTS / 8;
    assert_eq!(auto(last), "Flat");
    for more in [last + 1, usize::MAX] {
        assert_eq!(auto(more), "hnsw_rs(m=16,ef_construction=200)");
    }
    for kind in ["Flat", "hnsw_rs"] {
        IndexSpec::parse(kind)
            .unwrap()
            .check(8, Metric::InnerProduct)
            .unwrap();
    }
}

#[cfg(feature = "faiss")]
#[test]
fn the_kind_depends_on_how_many_vectors_there_are() {
    let kinds = |spec: IndexSpec, sizes: [usize; 2]| sizes.map(|n| spec.kind_for(n, 8).to_string());
    let last = AUTO_EXACT_COMPONENTS / 8;
    assert_eq!(kinds(IndexSpec::Auto, [last, last + 1]), ["Flat", "HNSW32"]);
    let last = crate::AUTO_WHOLE_COMPONENTS / 8;
    assert_eq!(
        kinds(IndexSpec::Auto, [last, last + 1]),
        ["HNSW32", "HNSW32,SQ8"]
    );
    assert_eq!(
        kinds(Kind::ivf(100).into(), [3899, 3900]),
        ["Flat", "IVF100,Flat"]
    );
    assert_eq!(kinds(Kind::hnsw(16).into(), [0, 1]), ["HNSW16", "HNSW16"]);
    assert_eq!(
        kinds(Kind::hnsw(16).sq8().into(), [255, 256]),
        ["Flat", "HNSW16,SQ8"]
    );
    assert_eq!(
        kinds(Kind::flat().pq(4).into(), [9983, 9984]),
        ["Flat", "PQ4"]
    );
}

#[test]
fn metrics_have_names_and_scores_rise_with_closeness() {
    for name in [
        "l2",
        "cosine",
        "inner_product",
        "l1",
        "linf",
        "lp(3)",
        "lp(0.5)",
        "canberra",
        "braycurtis",
        "jensenshannon",
    ] {
        let metric: Metric = name.parse().unwrap();
        assert_eq!(metric.to_string(), name);
        let json = serde_json::to_string(&metric).unwrap();
        assert_eq!(json, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<Metric>(&json).unwrap(), metric);
        let (near, far) = if metric.is_similarity() {
            (0.9, 0.1)
        } else {
            (0.1, 0.9)
        };
        assert!(metric.score(near) > metric.score(far), "{name}");
    }
    for name in [
        "L2", "", "lp", "lp()", "lp(0)", "lp(nan)", "lp(-1)", "lp(65)", "lp(2", "lp(inf)",
    ] {
        assert!(
            matches!(name.parse::<Metric>(), Err(Error::BadMetric { .. })),
            "{name}"
        );
    }
}

#[test]
fn devices_have_names_and_a_gpu_is_refused_in_a_build_without() {
    for name in ["cpu", "cuda", "cuda:3"] {
        assert_eq!(name.parse::<Device>().unwrap().to_string(), name);
    }
    for name in ["", "gpu", "cuda:", "cuda:+1", "cuda:x", "cuda:99999999999"] {
        assert!(
            matches!(name.parse::<Device>(), Err(Error::BadDevice { .. })),
            "{name}"
        );
    }
    Device::Cpu.check().unwrap();
    assert!(matches!(
        Device::Cuda(Some(1)).check(),
        Err(Error::NoGpu { .. })
    ));
}

#[test]
fn parameters_are_checked_against_the_kind() {
    let with = |json: &str| serde_json::from_str::<SearchParams>(json).unwrap();
    let kind = |text: &str| text.parse::<Kind>().unwrap();
    for (params, fitting, other) in [
        (
            r#"{"ef_search": 100}"#,
            ["HNSW8", "NSG8,SQ8", "hnsw_rs"],
            ["IVF4,Flat", "Flat"],
        ),
        (
            r#"{"nprobe": 4}"#,
            ["IVF4,Flat", "PCA2,IVF4,PQ2", "IVF4,PQ2x4fs,RFlat"],
            ["HNSW8", "Flat"],
        ),
        (
            r#"{"max_codes": 9}"#,
            ["IVF4,Flat", "IVF4,SQ8", "IVF4,RaBitQ"],
            ["IVF4,PQ2x4fs", "HNSW8"],
        ),
        (
            r#"{"rescore": 9}"#,
            ["PQ4", "PCA2,Flat", "IVF4,PQ2x4fs,RFlat"],
            ["HNSW8", "Flat"],
        ),
    ] {
        for fits in fitting {
            with(params).check(&kind(fits).into()).unwrap();
        }
        for other in other {
            let refused = with(params).check(&kind(other).into());
            assert!(
                matches!(refused, Err(Error::ParameterMismatch { .. })),
                "{params} {other}"
            );
        }
    }
    for any in ["Flat", "HNSW8", "IVF4,PQ2x4fs"] {
        for params in [
            "{}",
            r#"{"exact": true}"#,
            r#"{"recall": 0.5}"#,
            r#"{"recall": 1}"#,
        ] {
            with(params).check(&kind(any).into()).unwrap();
        }
        for params in [
            r#"{"ef_search": 0}"#,
            r#"{"nprobe": 0}"#,
            r#"{"recall": 0}"#,
            r#"{"recall": 1.1}"#,
            r#"{"rescore": 1001}"#,
        ] {
            let refused = with(params).check(&kind(any).into());
            assert!(
                matches!(refused, Err(Error::ParameterRange { .. })),
                "{params}"
            );
        }
    }
    let both = with(r#"{"recall": 0.9, "ef_search": 9}"#).check(&kind("HNSW8").into());
    assert!(matches!(
        both,
        Err(Error::ParameterConflict {
            parameter: "ef_search"
        })
    ));
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

#[test]
fn every_spelling_of_faiss_names_the_same_index() {
    for (given, same) in [
        ("IDMap,Flat", "Flat"),
        ("Flat,IDMap", "Flat"),
        ("IDMap2,IVF64,PQ8", "IVF64,PQ8"),
        ("PCA8,HNSW16,SQ8,RFlat,IDMap2", "PCA8,HNSW16,SQ8,RFlat"),
        ("IDMap2,IDMap,SQ8", "SQ8"),
        ("PQ8np", "PQ8"),
        ("PQ8x4np", "PQ8x4"),
        ("IVF64,PQ8np", "IVF64,PQ8"),
        ("HNSW16,PQ8np", "HNSW16,PQ8"),
        ("PQ8x4fs_32", "PQ8x4fs"),
        ("IVF64,PQ8x4fsr_64", "IVF64,PQ8x4fsr"),
        ("HNSW", "HNSW32"),
        ("HNSW16,", "HNSW16"),
        ("HNSW16_", "HNSW16"),
        ("HNSW16_Flat", "HNSW16"),
        ("HNSW16_SQ8", "HNSW16,SQ8"),
        ("HNSW_PQ8x4np", "HNSW32,PQ8x4"),
        ("NSG16_Flat", "NSG16"),
        ("NSG16_SQfp16", "NSG16,SQfp16"),
        ("IVF64(Flat),SQ8", "IVF64,SQ8"),
        ("IVF64(HNSW16),Flat", "IVF64_HNSW16,Flat"),
        ("IVF64(HNSW16,Flat),PQ8", "IVF64_HNSW16,PQ8"),
        ("IVF1k(HNSW),RaBitQ", "IVF1024_HNSW32,RaBitQ"),
        ("IVF64,PQ8,Refine(Flat)", "IVF64,PQ8,RFlat"),
    ] {
        let kind: Kind = given.parse().unwrap();
        assert_eq!(kind.to_string(), same, "{given}");
    }
    for none in [
        "IDMap",
        "IDMap,",
        ",IDMap",
        "IDMap3,Flat",
        "PQnp",
        "PQ8npx4",
        "PQ8x4fs_",
        "PQ8x4fs_31",
        "PQ8x4fs_0",
        "PQ8+16",
        "HNSW16__SQ8",
        "HNSW16+SQ8",
        "IVF64(Flat,SQ8",
        "IVF64(HNSW16,SQ8),Flat",
        "IVF64(HNSW16)Flat",
        "IVF64)Flat(,SQ8",
        "IVF64,",
    ] {
        assert!(none.parse::<Kind>().is_err(), "{none}");
    }
}
