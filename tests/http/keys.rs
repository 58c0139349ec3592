//! Keys in addresses: any text is a key, `17` and `"17"` are one, and the names of actions are keys too.

use serde_json::{Value, json};

use super::App;

/// Keys, and how they are written in an address.
const KEYS: [(&str, &str); 12] = [
    ("get", "get"),
    ("delete", "delete"),
    ("count", "count"),
    ("scroll", "scroll"),
    ("a/b", "a%2Fb"),
    ("a b+c", "a%20b+c"),
    ("50%", "50%25"),
    (
        "Château d’Yquem 🍷",
        "Ch%C3%A2teau%20d%E2%80%99Yquem%20%F0%9F%8D%B7",
    ),
    ("?q=1#x&y", "%3Fq=1%23x&y"),
    ("..", "%2E%2e"),
    ("nul\0byte", "nul%00byte"),
    ("%2F", "%252F"),
];

async fn app() -> App {
    let app = App::new();
    app.put("/collections/c", &json!({"dimension": 1}))
        .await
        .is(201);
    let documents = KEYS.iter().enumerate();
    let documents: Value = documents
        .map(|(at, (key, _))| json!({"key": key, "vector": [1], "metadata": {"at": at}}))
        .collect();
    app.post("/collections/c/documents", &documents)
        .await
        .is(200);
    app
}

#[tokio::test]
async fn every_key_has_an_address() {
    let app = app().await;
    for (at, (key, encoded)) in KEYS.iter().enumerate() {
        let found = app
            .get(&format!("/collections/c/documents/{encoded}"))
            .await
            .is(200);
        assert_eq!(found, json!({"key": key, "metadata": {"at": at}}));
    }
    for (at, (key, encoded)) in KEYS.iter().enumerate() {
        let uri = format!("/collections/c/documents/{encoded}");
        assert_eq!(app.delete(&uri).await.is(200), json!({"deleted": 1}));
        app.get(&uri).await.fails(404, "unknown_key").says(&[key]);
        assert_eq!(
            app.keys("c").await.as_array().unwrap().len(),
            KEYS.len() - at - 1
        );
    }
}

#[tokio::test]
async fn actions_still_act_beside_documents_of_their_names() {
    let app = app().await;
    let got = app
        .post("/collections/c/documents/get", &json!({"keys": ["scroll"]}))
        .await
        .is(200);
    assert_eq!(got["documents"][0]["key"], "scroll");
    assert_eq!(
        app.post("/collections/c/documents/count", &json!({}))
            .await
            .is(200),
        json!({"count": KEYS.len()})
    );
    assert_eq!(
        app.post("/collections/c/documents/delete", &json!({"keys": ["get"]}))
            .await
            .is(200),
        json!({"deleted": 1})
    );
    app.get("/collections/c/documents/get")
        .await
        .fails(404, "unknown_key");
}

#[tokio::test]
async fn a_number_and_its_text_are_one_key_and_come_back_as_given() {
    let app = App::new();
    app.put("/collections/c", &json!({"dimension": 1}))
        .await
        .is(201);
    let documents = json!([{"key": 17, "vector": [1]}, {"key": "017", "vector": [2]}, {"key": i64::MIN, "vector": [3]}]);
    app.post("/collections/c/documents", &documents)
        .await
        .is(200);
    assert_eq!(
        app.get("/collections/c/documents/17").await.is(200)["key"],
        17
    );
    assert_eq!(
        app.get("/collections/c/documents/017").await.is(200)["key"],
        "017"
    );
    assert_eq!(
        app.get("/collections/c/documents/-9223372036854775808")
            .await
            .is(200)["key"],
        i64::MIN
    );
    let got = app
        .post("/collections/c/documents/get", &json!({"keys": ["17"]}))
        .await
        .is(200);
    assert_eq!(got["documents"][0]["key"], 17);
    let replaced = app
        .post(
            "/collections/c/documents",
            &json!([{"key": "17", "vector": [5]}]),
        )
        .await
        .is(200);
    assert_eq!(
        (&replaced["added"], &replaced["updated"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(
        app.get("/collections/c/documents/17").await.is(200)["key"],
        "17"
    );
    assert_eq!(app.keys("c").await, json!(["017", i64::MIN, "17"]));
}

#[tokio::test]
async fn a_key_beyond_64_bits_is_refused_as_a_number_and_taken_as_text() {
    let app = App::new();
    app.put("/collections/c", &json!({"dimension": 1}))
        .await
        .is(201);
    let big = r#"[{"key": 18446744073709551615, "vector": [1]}]"#;
    app.json("POST", "/collections/c/documents", big)
        .await
        .fails(400, "malformed")
        .says(&["18446744073709551615"]);
    app.post(
        "/collections/c/documents",
        &json!([{"key": "18446744073709551615", "vector": [1]}]),
    )
    .await
    .is(200);
    app.get("/collections/c/documents/18446744073709551615")
        .await
        .is(200);
}
