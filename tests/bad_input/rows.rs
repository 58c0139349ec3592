//! Files and rows that cannot be used: cut off, broken, too large, of another dimension, the same key again.

use std::{fs, io::Write};

use serde_json::json;
use vinedb_tests::{Run, command};

use super::{database, refused, rejected, with_texts};
use crate::import::formats::npy;

/// Bytes of a text that nobody means to be one document.
const HUGE: usize = 100_000_000;

#[test]
fn one_bad_file_of_several_and_none_is_imported() {
    let scratch = database();
    scratch.write("good.jsonl", "{\"key\": 7, \"vector\": [1, 2]}\n");
    scratch.write("bad.csv", "");
    scratch.write("wide.npy", npy(&[vec![1.0, 2.0, 3.0]]));
    scratch.write("data.xyz", "1");
    let cases: [(&str, &[&str]); 4] = [
        ("missing.csv", &["missing.csv", "check the path"]),
        ("bad.csv", &["bad.csv", "empty", "columns"]),
        ("wide.npy", &["wide.npy", "dimension 3", "dimension is 2"]),
        ("data.xyz", &["data.xyz", "--format", "jsonl"]),
    ];
    for (file, words) in cases {
        refused(&scratch, "import", &["given", "good.jsonl", file], words);
    }
    fs::create_dir(scratch.path("folder.csv")).unwrap();
    refused(
        &scratch,
        "import",
        &["given", "good.jsonl", "folder.csv"],
        &["folder.csv", "name a file"],
    );
}

#[test]
fn vectors_of_another_dimension_and_nan_are_refused() {
    let scratch = with_texts();
    scratch.write("wide.json", "[[1, 2], [1, 2, 3]]");
    scratch.write(
        "nan.npy",
        npy(&[vec![f32::NAN, 1.0], vec![1.0, f32::INFINITY]]),
    );
    scratch.write("fine.json", "[1, 2]");
    refused(
        &scratch,
        "search",
        &["given", "--vector-file", "wide.json"],
        &["dimension 3", "dimension is 2"],
    );
    refused(
        &scratch,
        "search",
        &["given", "--vector-file", "nan.npy"],
        &["NaN", "component 0", "finite"],
    );
    let model = ["dimension 2", "384", vinedb::models::DEFAULT_MODEL];
    refused(
        &scratch,
        "search",
        &["texts", "--vector-file", "fine.json"],
        &model,
    );
    rejected(
        &scratch,
        &["given", "nan.npy"],
        2,
        &["nan.npy line 1", "NaN", "finite"],
    );
    scratch.write("rows.jsonl", "{\"key\": 4, \"vector\": [1]}\n");
    rejected(
        &scratch,
        &["given", "rows.jsonl"],
        1,
        &["line 1", "dimension 1", "dimension is 2"],
    );
}

#[test]
fn vector_files_that_are_none_or_end_too_early_are_refused() {
    let scratch = database();
    scratch.write("junk.npy", "no numbers");
    refused(
        &scratch,
        "search",
        &["given", "--vector-file", "junk.npy"],
        &["junk.npy", "not an npy file"],
    );
    refused(
        &scratch,
        "import",
        &["given", "junk.npy"],
        &["junk.npy", "not an npy file"],
    );
    let cut = &npy(&[vec![1.0, 2.0], vec![3.0, 4.0]]);
    scratch.write("cut.npy", &cut[..cut.len() - 3]);
    refused(
        &scratch,
        "import",
        &["given", "cut.npy"],
        &["cut.npy", "cut off"],
    );
}

#[test]
fn empty_and_huge_texts_are_rejected_row_by_row() {
    let scratch = with_texts();
    scratch.write("empty.csv", "id,text\n1,\" \"\n");
    rejected(
        &scratch,
        &["texts", "empty.csv"],
        1,
        &["line 2", "document 1", "empty"],
    );
    let text = "a ".repeat(HUGE / 2);
    scratch.write("huge.csv", format!("id,text\n1,{text}\n"));
    rejected(
        &scratch,
        &["texts", "huge.csv"],
        1,
        &["line 2", "100000000 bytes", "16777216"],
    );
    scratch.write(
        "huge.jsonl",
        format!("{{\"id\": 1, \"text\": \"{text}\"}}\n"),
    );
    rejected(
        &scratch,
        &["texts", "huge.jsonl"],
        1,
        &["line 1", "67108864 bytes"],
    );

    let embed = |file: &str| {
        let input = fs::File::open(scratch.path(file)).unwrap();
        Run::from(command(["embed"]).stdin(input).output().unwrap())
    };
    let run = embed("huge.jsonl");
    assert!(
        run.error().contains("line 1") && run.error().contains("16777216"),
        "{}",
        run.stderr
    );
    scratch.write("none.jsonl", "{\"text\": \"\"}\n");
    assert!(
        embed("none.jsonl")
            .error()
            .contains("line 1: \"text\" is empty")
    );
    scratch.write("odd.jsonl", "{\"txt\": \"red\"}\n");
    assert!(
        embed("odd.jsonl")
            .error()
            .contains("line 1: \"text\" is missing")
    );
}

#[test]
fn broken_csv_rows_are_rejected_with_their_lines() {
    let scratch = database();
    scratch.write("short.csv", "key,vector\n7\n8,\"[1, 2]\",9\n");
    rejected(
        &scratch,
        &["given", "short.csv"],
        2,
        &["short.csv line 2", "1 field ", "names 2"],
    );
    scratch.write("latin.csv", b"key,vector\n7,caf\xe9\n");
    rejected(
        &scratch,
        &["given", "latin.csv"],
        1,
        &["latin.csv line 2", "not UTF-8"],
    );
    scratch.write("open.csv", "key,vector\n7,\"[1, 2]\n8,[1]\n9,[2]\n");
    rejected(
        &scratch,
        &["given", "open.csv"],
        1,
        &["open.csv line 2", "never closed", "3 lines"],
    );
}

#[test]
fn a_key_that_comes_again_is_rejected_and_the_first_stays() {
    let scratch = database();
    scratch.write(
        "twice.jsonl",
        "{\"key\": 1, \"vector\": [7, 7]}\n{\"key\": \"1\", \"vector\": [8, 8]}\n",
    );
    let run = scratch.run("import", &["given", "twice.jsonl"]).ok();
    assert!(
        run.stderr.contains("twice.jsonl line 2: key 1") && run.stderr.contains("line 1"),
        "{run:?}"
    );
    let got = scratch.json("get", &["given", "1", "--with-vectors"]);
    assert_eq!(got["documents"][0]["vector"], json!([7.0, 7.0]));
    assert_eq!(scratch.json("count", &["given"])["count"], 3);
}

#[test]
fn a_gzip_file_that_is_cut_off_is_refused() {
    let scratch = database();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for row in 0..50 {
        writeln!(encoder, "{{\"key\": {row}, \"vector\": [{row}, 2]}}").unwrap();
    }
    let bytes = encoder.finish().unwrap();
    scratch.write("cut.jsonl.gz", &bytes[..bytes.len() / 2]);
    refused(
        &scratch,
        "import",
        &["given", "cut.jsonl.gz"],
        &["cut.jsonl.gz", "cut off"],
    );
    scratch.write("junk.csv.gz", b"\x1f\x8bnothing that deflate knows");
    refused(
        &scratch,
        "import",
        &["given", "junk.csv.gz"],
        &["junk.csv.gz"],
    );
}

#[test]
fn rejected_rows_are_not_written_over_what_is_imported() {
    let scratch = database();
    scratch.write("bad.jsonl", "{\"key\": 1}\n");
    refused(
        &scratch,
        "import",
        &["given", "bad.jsonl", "--rejects", "./bad.jsonl"],
        &["--rejects", "bad.jsonl"],
    );
    assert_eq!(
        fs::read_to_string(scratch.path("bad.jsonl")).unwrap(),
        "{\"key\": 1}\n"
    );
    refused(
        &scratch,
        "import",
        &["given", "bad.jsonl", "--rejects", "none/out"],
        &["none/out", "check the path"],
    );
}
