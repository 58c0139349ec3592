//! Documents one a line, as a stream: any length, committed batch by batch, with errors that name the line.

use axum::body::Body;
use serde_json::{Value, json};
use vinedb::http::MAX_BODY_BYTES;

use super::{App, chunked};

const UPLOAD: &str = "/collections/c/documents";
/// Documents that one transaction takes.
const BATCH: usize = 512;

async fn app() -> App {
    let app = App::new();
    app.put("/collections/c", &json!({"dimension": 2}))
        .await
        .is(201);
    app
}

fn line(key: usize) -> String {
    format!("{}\n", json!({"key": key, "vector": [key, 1]}))
}

fn lines(count: usize) -> String {
    (1..=count).map(line).collect()
}

async fn count(app: &App) -> u64 {
    app.get("/collections/c").await.is(200)["documents"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn lines_are_upserted_in_their_order() {
    let app = app().await;
    let body = format!(
        "{}\r\n\n  \n{}{}",
        line(3).trim_end(),
        line(1),
        line(2).trim_end()
    );
    let done = app.lines(UPLOAD, body.clone()).await.is(200);
    assert_eq!(
        done,
        json!({"added": 3, "updated": 0, "unchanged": 0, "embedded": 0, "reused": 0, "truncated": 0})
    );
    assert_eq!(app.keys("c").await, json!([3, 1, 2]));
    assert_eq!(app.lines(UPLOAD, body).await.is(200)["unchanged"], 3);
    assert_eq!(app.lines(UPLOAD, "").await.is(200)["added"], 0);
    let typed = app
        .send(
            "POST",
            UPLOAD,
            Some("Application/X-NDJSON; charset=utf-8"),
            Body::from(line(4)),
        )
        .await;
    assert_eq!(typed.is(200)["added"], 1);
}

#[tokio::test]
async fn parts_may_end_anywhere() {
    let app = app().await;
    let text = format!("{}{}", lines(3), json!({"key": "é🍷", "vector": [1, 1]}));
    for size in [1, 2, 7, 1000] {
        let parts: Vec<Vec<u8>> = text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        let done = app.lines(UPLOAD, chunked(parts)).await.is(200);
        assert_eq!(
            done["added"].as_u64().unwrap() + done["unchanged"].as_u64().unwrap(),
            4
        );
    }
    assert_eq!(app.keys("c").await, json!([1, 2, 3, "é🍷"]));
}

/// More lines than one body may hold, with these keys.
fn long_lines(key: impl Fn(usize) -> usize) -> Vec<String> {
    let padding = "x".repeat(1024 * 1024);
    let line = |number| {
        let document = json!({"key": key(number), "vector": [1, 1], "text": padding});
        format!("{document}\n")
    };
    (0..MAX_BODY_BYTES / padding.len() + 2).map(line).collect()
}

#[tokio::test]
async fn an_upload_may_be_larger_than_a_body() {
    let app = app().await;
    let lines = long_lines(|number| number);
    let sent = lines.len();
    assert_eq!(
        app.lines(UPLOAD, chunked(lines)).await.is(200)["added"],
        sent
    );
    assert_eq!(app.keys("c").await, (0..sent).collect::<Value>());
}

#[tokio::test]
async fn a_key_may_stand_once_in_an_upload_of_any_length() {
    let app = app().await;
    let lines = long_lines(|number| number % 60);
    let reply = app.lines(UPLOAD, chunked(lines)).await;
    let failed = reply.fails(422, "duplicate_key");
    failed
        .says(&[
            "key 0 stands already at line 1: keep one",
            "before line 57 are written",
        ])
        .names("line 61");
    assert_eq!(count(&app).await, 56);
}

#[tokio::test]
async fn a_bad_line_in_the_first_batch_changes_nothing() {
    let app = app().await;
    for (bad, status, code, says) in [
        (
            "{\"key\": 9,",
            400,
            "malformed",
            "line 3: the body cannot be read: EOF while parsing a value at column",
        ),
        (
            "{\"vector\": [1, 1]}",
            400,
            "malformed",
            "missing field `key`",
        ),
        ("[]", 400, "malformed", "line 3"),
        (
            "{\"key\": 9, \"vector\": [1, \"x\"]}",
            400,
            "malformed",
            "vector[1]",
        ),
        (
            "{\"key\": \"1\", \"vector\": [1, 1]}",
            422,
            "duplicate_key",
            "key 1 stands already at line 1",
        ),
        ("{\"key\": 9}", 422, "unusable_document", "document 9"),
    ] {
        let failed = app
            .lines(UPLOAD, format!("{}{bad}\n{}", lines(2), line(8)))
            .await
            .fails(status, code);
        failed
            .says(&[says, "line 3", "nothing was written"])
            .names("line 3");
    }
    let failed = app
        .lines(
            UPLOAD,
            format!("{}{}", lines(2), json!({"key": 9, "vector": [1]})),
        )
        .await;
    failed.fails(422, "dimension_mismatch").says(&[
        "lines 1 to 3",
        "document 9",
        "nothing was written",
    ]);
    let invalid = [lines(2).into_bytes(), b"{\"key\": \"\xff\"}\n".to_vec()].concat();
    app.lines(UPLOAD, invalid)
        .await
        .fails(400, "malformed")
        .says(&["line 3", "invalid unicode"]);
    assert_eq!(count(&app).await, 0);
}

#[tokio::test]
async fn a_bad_line_later_says_how_far_the_upload_came() {
    let app = app().await;
    let body = format!("{}not json\n{}", lines(2 * BATCH + 3), line(9999));
    let failed = app.lines(UPLOAD, body).await.fails(400, "malformed");
    failed
        .says(&[
            "line 1028: ",
            "the 1024 documents before line 1025 are written",
        ])
        .names("line 1028");
    assert_eq!(count(&app).await, 1024);
    let done = app.lines(UPLOAD, lines(2 * BATCH + 3)).await.is(200);
    assert_eq!(
        (&done["added"], &done["unchanged"]),
        (&json!(3), &json!(1024))
    );
}

#[tokio::test]
async fn a_line_has_a_limit() {
    let app = app().await;
    let parts = (0..66).map(|_| vec![b'x'; 1024 * 1024]);
    let failed = app
        .lines(UPLOAD, chunked(parts))
        .await
        .fails(413, "too_large");
    failed.says(&["67108864"]).names("line 1");
}

#[tokio::test]
async fn the_answer_counts_what_was_embedded() {
    let app = App::with_wines().await;
    let documents: Vec<Value> = vec![
        json!({"key": "a", "text": "red cherry and tar", "metadata": {"price": 41}}),
        json!({"key": "new", "text": "word ".repeat(600)}),
        json!({"key": "twin", "text": "the same"}),
        json!({"key": "twin2", "text": "the same"}),
    ];
    let body: String = documents
        .iter()
        .map(|document| format!("{document}\n"))
        .collect();
    let done = app
        .lines("/collections/wines/documents", body)
        .await
        .is(200);
    assert_eq!(
        done,
        json!({"added": 3, "updated": 1, "unchanged": 0, "embedded": 2, "reused": 2, "truncated": 1})
    );
}
