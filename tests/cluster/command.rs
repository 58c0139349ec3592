//! `vinedb cluster`, the real binary.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use serde_json::{Value, json};
use vinedb::cluster::Clusters;
use vinedb_tests::{Scratch, signal};

/// Texts of two kinds that share their small words, with vectors that lie apart.
fn texts() -> Scratch {
    let scratch = Scratch::new();
    scratch.json("create", &["c", "--dimension", "2", "--metric", "l2"]);
    let fish = [
        "salmon and trout",
        "the trout of the river",
        "salmon in the river",
        "a trout and a salmon",
    ];
    let bread = ["the rye bread", "bread and butter", "a loaf of rye bread"];
    let rows = |texts: &[&str], name: &str, centre: f64| -> Vec<Value> {
        let row = |(number, text): (usize, &&str)| {
            let offset = f64::from(u32::try_from(number).unwrap()) / 100.0;
            json!({"key": format!("{name}/{number}"), "text": text, "vector": [centre + offset, centre]})
        };
        texts.iter().enumerate().map(row).collect()
    };
    let all = [rows(&fish, "fish", 0.0), rows(&bread, "bread", 50.0)].concat();
    scratch.write("rows.json", Value::from(all).to_string());
    scratch.json("import", &["c", "rows.json"]);
    scratch
}

#[test]
fn clusters_come_with_their_documents_and_their_words() {
    let scratch = texts();
    let found = scratch.json("cluster", &["c", "-k", "2", "--words", "2"]);
    let clusters = found["clusters"].as_array().unwrap();
    for (cluster, size, name, words) in [
        (&clusters[0], 4, "fish", ["salmon", "trout"]),
        (&clusters[1], 3, "bread", ["bread", "rye"]),
    ] {
        assert_eq!(
            (&cluster["size"], &cluster["words"]),
            (&json!(size), &json!(words))
        );
        assert_eq!(cluster["nearest"].as_array().unwrap().len(), 3);
        for member in cluster["nearest"].as_array().unwrap() {
            assert!(
                member["key"].as_str().unwrap().starts_with(name),
                "{member}"
            );
        }
    }
    let typed: Clusters = serde_json::from_value(found.clone()).unwrap();
    assert_eq!(
        (typed.iterations, typed.redo, typed.seed, typed.spherical),
        (25, 1, 1234, false)
    );
    let printed = scratch.run("cluster", &["c", "-k", "2"]).ok().stdout;
    assert!(
        printed.contains("cluster 0: 4 documents (57.1 %): salmon, trout"),
        "{printed}"
    );
    assert!(printed.contains("fish/1"), "{printed}");
}

#[test]
fn every_option_arrives() {
    let scratch = texts();
    let args =
        "c -k 2 --seed 7 --iterations 3 --redo 2 --spherical --sample 6 --nearest 1 --words 0";
    let found = scratch.json("cluster", &args.split(' ').collect::<Vec<_>>());
    let found: Clusters = serde_json::from_value(found).unwrap();
    assert_eq!(
        (found.seed, found.iterations, found.redo, found.sampled),
        (7, 3, 2, 6)
    );
    assert_eq!(
        (found.objective.len(), found.documents, found.spherical),
        (3, 7, true)
    );
    for cluster in found.clusters {
        assert!(cluster.nearest.len() == 1 && cluster.words.is_empty());
    }
    let found = scratch.json("cluster", &["c", "-k", "2", "--spherical=false"]);
    assert_eq!(found["spherical"], false);
    let found = scratch.json("cluster", &["c", "-k", "auto"]);
    assert_eq!(found["choice"]["criterion"], "simplified_silhouette");
    assert_eq!(found["clusters"].as_array().unwrap().len(), 2);
    let printed = scratch.run("cluster", &["c", "-k", "auto"]).ok().stdout;
    assert!(
        printed.starts_with("simplified silhouettes: 2 1.000"),
        "{printed}"
    );
    for (args, named) in [
        (["-k", "many"], "1 or more, or auto"),
        (["-k", "0"], "1 or more, or auto"),
        (["-k", "-2"], "-2"),
    ] {
        let run = scratch.run("cluster", &[&["c"][..], &args].concat());
        assert!(run.code == 2 && run.stderr.contains(named), "{run:?}");
    }
}

#[test]
fn a_plot_shows_every_document_and_the_words_of_its_cluster() {
    let scratch = texts();
    let printed = scratch
        .run("cluster", &["c", "-k", "2", "--plot", "c.svg"])
        .ok()
        .stdout;
    assert!(printed.starts_with("cluster 0: 4 documents"), "{printed}");
    let svg = fs::read_to_string(scratch.path("c.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    // Seven documents, and one dot for each cluster in the legend.
    assert_eq!(svg.matches("<circle").count(), 7 + 2);
    for text in ["2 clusters of 7 documents", "salmon, trout", "bread, rye"] {
        assert!(svg.contains(text), "{text} is not in {svg}");
    }
    let found = scratch.json(
        "cluster",
        &["c", "-k", "2", "--plot", "c.svg", "--map", "3"],
    );
    assert_eq!(found["map"].as_array().unwrap().len(), 3);
    assert!(
        scratch
            .json("cluster", &["c", "-k", "2"])
            .get("map")
            .is_none()
    );
    for (file, named) in [
        ("c.png", "ends in .svg"),
        ("no/c.svg", "the folder no does not exist"),
    ] {
        let run = scratch.run("cluster", &["c", "-k", "2", "--plot", file]);
        assert!(
            run.code == 1 && run.stderr.contains(named) && run.stdout.is_empty(),
            "{run:?}"
        );
    }
}

#[test]
fn a_device_that_this_build_lacks_is_refused() {
    let scratch = texts();
    let run = scratch.run("cluster", &["c", "-k", "2", "--device", "cuda"]);
    assert!(run.code == 1 && run.stderr.contains("cuda"), "{run:?}");
}

#[test]
fn progress_is_told_in_lines_and_an_interrupt_ends_it_with_nothing_printed() {
    let scratch = texts();
    // So much that it ends by being told to, if it is heard.
    let rows: Vec<Value> = (0..5000)
        .map(|number| json!({"key": number, "vector": [number % 71, number % 89]}))
        .collect();
    scratch.write("more.json", Value::from(rows).to_string());
    scratch.json("import", &["c", "more.json"]);
    let mut command = scratch.command("cluster", &["c", "-k", "500", "--iterations", "1000"]);
    command.args(["--redo", "100", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let (stage, numbers) = line.trim().split_once(": ").unwrap();
    assert!(
        stage == "clustering" && numbers.ends_with(" of 100,000"),
        "{line}"
    );
    signal(&child, "INT");
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    let run = child.wait_with_output().unwrap();
    assert_eq!(run.status.code(), Some(130), "{rest}");
    assert!(run.stdout.is_empty() && rest.contains("stopping"), "{rest}");
}

#[test]
fn a_clustering_is_saved_listed_shown_renamed_used_and_dropped() {
    let scratch = texts();
    let args = [
        "c", "-k", "2", "--words", "2", "--save", "topics", "--assign", "a trout",
    ];
    let run = scratch.run("cluster", &args);
    assert!(
        run.code == 1 && run.stderr.contains("no model"),
        "the vectors were given: {run:?}"
    );
    let topics = ["c", "-k", "2", "--save", "topics"];
    let _ = scratch.run("cluster", &topics).ok();
    let again = scratch.run("cluster", &topics);
    assert!(
        again.code == 1 && again.stderr.contains("exists already"),
        "{again:?}"
    );
    let replaced = [
        "c",
        "-k",
        "2",
        "--words",
        "2",
        "--save",
        "topics",
        "--replace",
    ];
    let _ = scratch.run("cluster", &replaced).ok();
    let listed = scratch.json("cluster", &["c", "--list"]);
    assert_eq!(listed["clusterings"][0]["name"], "topics");
    let line = scratch.run("cluster", &["c", "--list"]).ok().stdout;
    assert_eq!(line.trim_end(), "topics: 2 clusters of 7 documents");
    let shown = scratch
        .run("cluster", &["c", "--saved", "topics"])
        .ok()
        .stdout;
    assert!(
        shown.contains("cluster 1 (bread rye): 3 documents (42.9 %)"),
        "{shown}"
    );
    let renamed = scratch.json(
        "cluster",
        &["c", "--saved", "topics", "--rename", "1=loaves"],
    );
    assert_eq!(renamed["clusters"][1]["name"], "loaves");
    for filter in [r#"{"cluster": 1}"#, r#"{"cluster.topics": "loaves"}"#] {
        let count = scratch.json("count", &["c", "--filter", filter]);
        assert_eq!(count["count"], 3);
        let found = scratch.json("search", &["c", "--like", "bread/1", "--filter", filter]);
        assert_eq!(found["matches"].as_array().unwrap().len(), 2);
    }
    let unknown = scratch.run("cluster", &["c", "--saved", "styles"]);
    assert!(
        unknown.code == 1 && unknown.stderr.contains("has topics"),
        "{unknown:?}"
    );
    let dropped = scratch.json("cluster", &["c", "--saved", "topics", "--drop"]);
    assert_eq!(dropped, json!({"dropped": "topics"}));
    let filter = ["c", "--filter", r#"{"cluster": 1}"#];
    let gone = scratch.run("count", &filter);
    assert!(
        gone.code == 1 && gone.stderr.contains("no saved clustering"),
        "{gone:?}"
    );
}

#[test]
fn labels_are_written_of_every_document() {
    let scratch = texts();
    let learned = [
        "c", "-k", "2", "--words", "2", "--save", "topics", "--labels", "l.csv",
    ];
    let _ = scratch.run("cluster", &learned).ok();
    let csv = fs::read_to_string(scratch.path("l.csv")).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("key,cluster,name,distance"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 7);
    for row in &rows {
        let expected = if row[0].starts_with("fish") {
            ["0", "salmon trout"]
        } else {
            ["1", "bread rye"]
        };
        assert_eq!(row[1..3], expected, "{row:?}");
        row[3].parse::<f32>().unwrap();
    }
    let stored = scratch
        .run("cluster", &["c", "--saved", "topics", "--labels", "-"])
        .ok();
    let lines: Vec<Value> = stored
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 7);
    for (line, row) in lines.iter().zip(&rows) {
        assert_eq!(
            (line["key"].as_str(), line["cluster"].to_string()),
            (Some(row[0]), row[1].to_owned())
        );
    }
    let filter = [
        "c",
        "-k",
        "2",
        "--filter",
        r#"{"x": 1}"#,
        "--labels",
        "n.csv",
    ];
    let none = scratch.run("cluster", &filter);
    assert!(
        none.code == 1 && !scratch.path("n.csv").exists(),
        "{none:?}"
    );
    for (file, named) in [("l.txt", ".csv or .jsonl"), ("no/l.csv", "the folder no")] {
        let run = scratch.run("cluster", &["c", "-k", "2", "--labels", file]);
        assert!(run.code == 1 && run.stderr.contains(named), "{run:?}");
    }
    let both = scratch.run("cluster", &["c", "-k", "2", "--labels", "-", "--json"]);
    assert!(both.code == 2 && both.stdout.is_empty(), "{both:?}");
    let neither = scratch.run("cluster", &["c"]);
    assert!(neither.code == 2, "{neither:?}");
}
