//! `vinedb bench`: its recall is that of what `search` answers, against brute force; its shape is the one that is documented.

#[cfg(feature = "faiss")]
use serde_json::Value;
use vinedb_tests::{Scratch, squared_l2};

#[cfg(feature = "faiss")]
use super::keys;
use crate::sample::vector;

const DOCUMENTS: u64 = 1_200;
const QUERIES: u64 = 30;
const K: usize = 10;

/// Numbers of four bytes with their count before them, row after row: fvecs and ivecs.
pub(super) fn vecs<T>(rows: &[Vec<T>], bytes: impl Fn(&T) -> [u8; 4]) -> Vec<u8> {
    let row = |row: &Vec<T>| {
        let count = i32::try_from(row.len()).unwrap().to_le_bytes();
        let numbers = row.iter().flat_map(&bytes);
        count.into_iter().chain(numbers).collect::<Vec<u8>>()
    };
    rows.iter().flat_map(row).collect()
}

fn queries() -> Vec<Vec<f32>> {
    (0..QUERIES).map(|seed| vector(1_000_000 + seed)).collect()
}

/// The row numbers of the nearest, by brute force.
fn truth() -> Vec<Vec<i32>> {
    let documents: Vec<Vec<f32>> = (0..DOCUMENTS).map(vector).collect();
    let nearest = |query: &Vec<f32>| {
        let mut rows: Vec<i32> = (0..i32::try_from(DOCUMENTS).unwrap()).collect();
        rows.sort_by(|one, two| {
            let distance =
                |row: &i32| squared_l2(query, &documents[usize::try_from(*row).unwrap()]);
            distance(one).total_cmp(&distance(two))
        });
        rows.truncate(K);
        rows
    };
    queries().iter().map(nearest).collect()
}

/// A collection `c` of this kind, with files of queries and their truth beside the database.
fn scratch(index: &str) -> Scratch {
    let scratch = Scratch::new();
    let config = ["c", "--dimension", "8", "--metric", "l2", "--index", index];
    scratch.json("create", &config);
    let documents: Vec<Vec<f32>> = (0..DOCUMENTS).map(vector).collect();
    scratch.write("documents.fvecs", vecs(&documents, |x| x.to_le_bytes()));
    scratch.json("import", &["c", "documents.fvecs"]);
    scratch.write("queries.fvecs", vecs(&queries(), |x| x.to_le_bytes()));
    scratch.write("truth.ivecs", vecs(&truth(), |x| x.to_le_bytes()));
    scratch
}

/// What `search` finds of the truth.
#[cfg(feature = "faiss")]
fn recall_of_search(scratch: &Scratch, param: &str) -> f64 {
    let args = ["c", "--vector-file", "queries.fvecs", "--param", param];
    let answers = scratch.json("search", &args);
    let mut found = 0;
    for (answer, truth) in answers.as_array().unwrap().iter().zip(truth()) {
        let keys = keys(answer);
        found += truth
            .iter()
            .filter(|row| keys.contains(&Value::from(**row)))
            .count();
    }
    f64::from(u32::try_from(found).unwrap()) / f64::from(u32::try_from(K).unwrap() * 30)
}

#[cfg(feature = "faiss")]
#[test]
fn recall_is_that_of_search_whether_the_truth_is_given_or_found() {
    let scratch = scratch("IVF16,Flat");
    let args = ["c", "--queries", "queries.fvecs", "--passes", "1"];
    let params = ["--param", "nprobe=1", "--param", "nprobe=16", "--exact"];
    let found = scratch.json("bench", &[&args[..], &params].concat());
    let file = ["--truth", "truth.ivecs"];
    let given = scratch.json("bench", &[&args[..], &params, &file].concat());
    for measured in [&found, &given] {
        let names: Vec<&Value> = (0..3).map(|at| &measured[at]["param"]).collect();
        assert_eq!(names, ["nprobe=1", "nprobe=16", "exact=true"]);
        let recall = |at: usize| measured[at]["recall"].as_f64().unwrap();
        let expected = recall_of_search(&scratch, "nprobe=1");
        assert!(
            (recall(0) - expected).abs() < 1e-9,
            "{measured}: {expected}"
        );
        assert!(
            recall(0) < 1.0 && recall(1) == 1.0 && recall(2) == 1.0,
            "{measured}"
        );
    }
}

#[test]
fn one_setting_is_one_object_with_rates_and_latencies() {
    let scratch = scratch("Flat");
    let args = [
        "c",
        "--queries",
        "queries.fvecs",
        "-k",
        "3",
        "--threads",
        "2",
    ];
    let measured = scratch.json("bench", &args);
    assert_eq!(measured["param"], "default");
    assert_eq!(measured["recall"], 1.0);
    assert_eq!(
        [&measured["k"], &measured["queries"], &measured["threads"]],
        [3, 30, 2]
    );
    for way in ["single", "batch"] {
        let number = |name: &str| measured[way][name].as_f64().unwrap();
        assert!(number("qps") > 0.0, "{measured}");
        assert!(
            number("p50_ms") > 0.0 && number("p50_ms") <= number("p99_ms"),
            "{measured}"
        );
    }
    let table = scratch.run("bench", &args).ok().stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(
        lines[0].contains("1,200 documents") && lines[1].contains("recall@3"),
        "{table}"
    );
    assert!(
        lines[2].starts_with("default") && lines[2].contains("1.0000"),
        "{table}"
    );
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let scratch = scratch("Flat");
    scratch.write("few.ivecs", vecs(&truth()[..2], |x| x.to_le_bytes()));
    scratch.write(
        "others.ivecs",
        vecs(&vec![vec![5_000_i32; K]; 30], |x| x.to_le_bytes()),
    );
    scratch.write("none.fvecs", "");
    scratch.write("three.json", "[1, 2, 3]");
    let mut numbers = queries();
    numbers[6][3] = f32::NAN;
    scratch.write("nan.fvecs", vecs(&numbers, |x| x.to_le_bytes()));
    let cases: [(&[&str], &[&str]); 9] = [
        (
            &["queries.fvecs", "--truth", "few.ivecs"],
            &["few.ivecs", "2 queries", "30"],
        ),
        (
            &["queries.fvecs", "--truth", "truth.ivecs", "-k", "11"],
            &["10 documents", "-k 10"],
        ),
        (
            &["queries.fvecs", "--truth", "others.ivecs"],
            &["5000", "row numbers"],
        ),
        (
            &["queries.fvecs", "--truth", "queries.ivecs"],
            &["queries.ivecs", "check the path"],
        ),
        (
            &["queries.fvecs", "--param", "nprobe=4"],
            &["nprobe", "IVF"],
        ),
        (&["none.fvecs"], &["none.fvecs", "no vectors"]),
        (&["three.json"], &["dimension 3", "8"]),
        (&["nan.fvecs"], &["nan.fvecs", "query 7", "NaN"]),
        (&["queries.svg"], &["queries.svg", ".npy, .fvecs or .json"]),
    ];
    scratch.write("queries.svg", "<svg/>");
    for (args, words) in cases {
        let run = scratch.run("bench", &[&["c", "--queries"], args].concat());
        assert!(
            words.iter().all(|word| run.error().contains(word)),
            "{words:?}: {run:?}"
        );
        assert_eq!(run.stdout, "");
    }
    scratch.json("create", &["empty", "--dimension", "8"]);
    let run = scratch.run("bench", &["empty", "--queries", "queries.fvecs"]);
    assert!(run.error().contains("no documents"), "{run:?}");
}
