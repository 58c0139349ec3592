//! Every format that is read, and vector files to search by.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use vinedb_tests::{Scratch, squared_l2};

use super::{counts, plane};
use crate::cli::keys;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_format_of_rows_gives_the_same_documents() {
    let csv = "key,vector,name,price\n\
        a,\"[1, 2]\",\"two\nlines, and a \"\"quote\"\"\",15\n\
        17,\"[-0.5, 4]\",plain,2.50\n\
        \"1.10\",\"[0, 0]\",,\n";
    let tsv = "key\tvector\tname\tprice\n\
        a\t[1, 2]\t\"two\nlines, and a \"\"quote\"\"\"\t15\n\
        17\t[-0.5, 4]\tplain\t2.50\n\
        1.10\t[0, 0]\t\t\n";
    let rows = [
        json!({"key": "a", "vector": [1, 2], "name": "two\nlines, and a \"quote\"", "price": 15}),
        json!({"key": 17, "vector": [-0.5, 4], "name": "plain", "price": 2.5}),
        json!({"key": "1.10", "vector": [0, 0]}),
    ];
    let documents = rows.clone().map(|mut row| {
        let fields = row.as_object_mut().unwrap();
        let (key, vector) = (fields.shift_remove("key"), fields.shift_remove("vector"));
        json!({"key": key, "vector": vector, "metadata": row})
    });
    let lines = |rows: &[Value]| {
        rows.iter()
            .map(|row| format!("{row}\n"))
            .collect::<String>()
    };
    let files: [(&str, Vec<u8>); 8] = [
        ("rows.csv", csv.into()),
        ("rows.csv.gz", gzip(csv)),
        ("rows.tsv", tsv.into()),
        ("rows.jsonl", lines(&rows).into()),
        ("zipped.jsonl", gzip(&lines(&rows))),
        ("rows.json", json!(rows).to_string().into()),
        ("documents.jsonl", lines(&documents).into()),
        (
            "marked.csv",
            format!("\u{feff}{}", csv.replace('\n', "\r\n")).into(),
        ),
    ];
    let expected = json!([
        {"key": "a", "vector": [1.0, 2.0], "metadata": {"name": "two\nlines, and a \"quote\"", "price": 15}},
        {"key": 17, "vector": [-0.5, 4.0], "metadata": {"name": "plain", "price": 2.5}},
        {"key": "1.10", "vector": [0.0, 0.0]},
    ]);
    for (name, content) in files {
        let scratch = plane();
        scratch.write(name, content);
        let summary = scratch.json("import", &["c", name]);
        assert_eq!(counts(&summary), [3, 0, 0, 0, 0], "{name}: {summary}");
        let got = scratch.json("get", &["c", "a", "17", "1.10", "--with-vectors"]);
        let got = got["documents"].to_string().replace("\\r\\n", "\\n");
        assert_eq!(got, expected.to_string(), "{name}");
    }
}

/// The bytes of an npy file of version 1.0 with these rows, as numpy.save writes it.
pub(crate) fn npy(rows: &[Vec<f32>]) -> Vec<u8> {
    let columns = rows.first().map_or(0, Vec::len);
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {columns}), }}",
        rows.len()
    );
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn fvecs(rows: &[Vec<f32>]) -> Vec<u8> {
    let row = |row: &Vec<f32>| {
        let head = i32::try_from(row.len()).unwrap().to_le_bytes().to_vec();
        head.into_iter()
            .chain(row.iter().flat_map(|value| value.to_le_bytes()))
            .collect::<Vec<u8>>()
    };
    rows.iter().flat_map(row).collect()
}

/// Rows of numbers between -1 and 1 by a linear congruence (Knuth's MMIX).
fn numbers(rows: usize, columns: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(state >> 48).unwrap()) / 32_768.0 - 1.0
    };
    (0..rows)
        .map(|_| (0..columns).map(|_| next()).collect())
        .collect()
}

#[test]
fn vector_files_are_searched_in_one_batch_as_by_brute_force() {
    let (stored, queries) = (numbers(300, 8, 1), numbers(7, 8, 2));
    let scratch = Scratch::new();
    scratch.write("stored.npy", npy(&stored));
    scratch.write("stored.fvecs.gz", {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&fvecs(&stored)).unwrap();
        encoder.finish().unwrap()
    });
    scratch.write("queries.npy", npy(&queries));
    scratch.write("queries.fvecs", fvecs(&queries));
    scratch.write("queries.json", json!(queries).to_string());
    for (name, file) in [("a", "stored.npy"), ("b", "stored.fvecs.gz")] {
        scratch.json("create", &[name, "--dimension", "8", "--metric", "l2"]);
        assert_eq!(scratch.json("import", &[name, file])["added"], 300);
        for file in ["queries.npy", "queries.fvecs", "queries.json"] {
            let answers = scratch.json("search", &[name, "--vector-file", file, "-k", "5"]);
            let answers = answers.as_array().unwrap();
            assert_eq!(answers.len(), queries.len());
            for (query, answer) in queries.iter().zip(answers) {
                check_nearest(query, answer, &stored);
            }
        }
    }
}

/// The answer's five matches are the nearest of all, by row number, at the distances that they have.
fn check_nearest(query: &[f32], answer: &Value, stored: &[Vec<f32>]) {
    let mut all: Vec<(f64, usize)> = stored
        .iter()
        .enumerate()
        .map(|(row, vector)| (squared_l2(query, vector), row))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let expected: Vec<usize> = all[..5].iter().map(|(_, row)| *row).collect();
    assert_eq!(keys(answer), expected);
    for (found, (distance, _)) in answer["matches"].as_array().unwrap().iter().zip(all) {
        assert!(
            (found["distance"].as_f64().unwrap() - distance).abs() < 1e-5,
            "{found} is at {distance}"
        );
        assert_eq!(
            found["score"].as_f64().unwrap(),
            -found["distance"].as_f64().unwrap()
        );
    }
}
