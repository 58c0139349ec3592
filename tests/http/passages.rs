//! Collections that cut long texts into passages: configuration, documents, matches with passages, and none where texts are not cut.

use serde_json::{Value, json};

use super::App;

const WINES: &str = "Red wine goes with steak. White wine goes with fish. Cheese wants port.";

/// A collection `c` whose model takes words for tokens, with the document `wines` and four others.
async fn app() -> App {
    let app = App::new();
    let config = json!({"chunk": {"tokens": 8, "overlap": 2, "at": "paragraph"}});
    let made = app.put("/collections/c", &config).await.is(201);
    assert_eq!(made["config"]["chunk"], config["chunk"]);
    let documents = json!([
        {"key": "wines", "text": WINES, "metadata": {"n": 1}},
        {"key": 2, "text": "fish and fish and fish. fish or fish or fish. no fish", "metadata": {"n": 2}},
        {"key": 3, "text": "bread", "metadata": {"n": 3}},
    ]);
    let done = app
        .post("/collections/c/documents", &documents)
        .await
        .is(200);
    assert_eq!((&done["added"], &done["truncated"]), (&json!(3), &json!(0)));
    app
}

#[tokio::test]
async fn a_match_names_its_passage() {
    let app = app().await;
    let stats = app.get("/collections/c").await.is(200);
    assert_eq!(
        (&stats["documents"], &stats["config"]["chunk"]["at"]),
        (&json!(3), &json!("paragraph"))
    );
    let passages = stats["passages"].as_u64().unwrap();
    let body = json!({"text": "white wine", "top_k": 3, "with": {"vectors": true}});
    let answer = app.post("/collections/c/search", &body).await.is(200);
    let matches = answer["matches"].as_array().unwrap();
    assert_eq!((matches.len(), &matches[0]["key"]), (3, &json!("wines")));
    assert!(passages > 3, "{stats}");
    for found in matches {
        let (text, passage) = (
            found["document"]["text"].as_str().unwrap(),
            &found["passage"],
        );
        let place = |end: &str| usize::try_from(passage[end].as_u64().unwrap()).unwrap();
        assert_eq!(passage["text"], text[place("start")..place("end")]);
        assert_eq!(found["document"]["vector"].as_array().unwrap().len(), 64);
    }
    assert!(
        matches[0]["passage"]["text"]
            .as_str()
            .unwrap()
            .contains("White wine")
    );
    let body = json!([{"like": 3}, {"text": "fish", "filter": {"n": {"lt": 3}}}]);
    let answers = app.post("/collections/c/search/batch", &body).await.is(200);
    let keys = |number: usize| -> Vec<&Value> {
        let matches = answers[number]["matches"].as_array().unwrap();
        matches.iter().map(|found| &found["key"]).collect()
    };
    assert_eq!(keys(0).len(), 2);
    assert_eq!(keys(1), [&json!(2), &json!("wines")]);
    let counted = app
        .post("/collections/c/documents/count", &json!({}))
        .await
        .is(200);
    assert_eq!(counted["count"], 3);
}

#[tokio::test]
async fn where_texts_are_not_cut_answers_are_as_they_were() {
    let app = App::new();
    app.put("/collections/plain", &json!({})).await.is(201);
    let documents = json!([{"key": "wines", "text": WINES}]);
    app.post("/collections/plain/documents", &documents)
        .await
        .is(200);
    let stats = app.get("/collections/plain").await.is(200);
    assert!(stats.get("passages").is_none() && stats["config"].get("chunk").is_none());
    let answer = app
        .post("/collections/plain/search", &json!({"text": "port"}))
        .await
        .is(200);
    let mut fields: Vec<&String> = answer["matches"][0].as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["distance", "document", "key", "score"]);
}

#[tokio::test]
async fn a_plan_that_makes_no_sense_is_refused_by_its_field() {
    let app = App::new();
    for (config, code, named) in [
        (
            json!({"chunk": {"tokens": 7}}),
            400,
            ["chunk.tokens", "7", "8 or more"],
        ),
        (
            json!({"chunk": {"tokens": 513}}),
            400,
            ["chunk.tokens", "513", "8 to 512"],
        ),
        (
            json!({"chunk": {"tokens": 20, "overlap": 12}}),
            400,
            ["chunk.overlap", "12", "0 to 10"],
        ),
        (
            json!({"dimension": 3, "chunk": {"tokens": 20}}),
            400,
            ["chunk", "20 tokens", "dimension"],
        ),
    ] {
        let reply = app.put("/collections/c", &config).await;
        reply.fails(code, "invalid").says(&named);
    }
    for config in [
        json!({"chunk": {"tokens": 20, "at": "page"}}),
        json!({"chunk": {"tokens": 20, "size": 3}}),
        json!({"chunk": {}}),
        json!({"chunk": 20}),
    ] {
        let reply = app.put("/collections/c", &config).await;
        assert!(reply.status.is_client_error(), "{config}: {reply:?}");
    }
    let documents = json!([{"key": 1, "text": "a", "vector": [1]}]);
    app.put("/collections/c", &json!({"chunk": {"tokens": 20}}))
        .await
        .is(201);
    let refused = app.post("/collections/c/documents", &documents).await;
    refused
        .fails(422, "unusable_document")
        .says(&["vector", "leave"]);
}
