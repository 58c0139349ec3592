//! Searching by vector, by likeness, by text, by address and in batches.

use serde_json::{Value, json};
use vinedb::{Answer, Key};

use super::{App, keys_of, typed};

#[tokio::test]
async fn a_search_by_vector_has_scores_distances_documents_and_a_plan() {
    let app = App::with_points().await;
    let body = json!({"vector": [1.25, 1], "top_k": 2, "with": {"vectors": true}});
    let answer = app.post("/collections/points/search", &body).await.is(200);
    assert_eq!(
        answer["matches"],
        json!([
            {"key": 1, "score": -0.0625, "distance": 0.0625,
             "document": {"key": 1, "vector": [1.0, 1.0], "metadata": {"x": 1, "even": false}}},
            {"key": 2, "score": -0.5625, "distance": 0.5625,
             "document": {"key": 2, "vector": [2.0, 1.0], "metadata": {"x": 2, "even": true}}},
        ])
    );
    assert_eq!(answer["plan"]["strategy"], "exact");
    assert!(answer["took_ms"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn a_search_takes_filters_likeness_and_parameters() {
    let app = App::with_points().await;
    for (query, expected) in [
        (json!({"like": 0, "top_k": 2}), json!([1, 2])),
        (
            json!({"like": "4", "filter": {"even": true}}),
            json!([2, 0]),
        ),
        (
            json!({"vector": [9, 1], "filter": {"x": {"lt": 2}}}),
            json!([1, 0]),
        ),
        (
            json!({"vector": [0, 1], "params": {"exact": true}, "top_k": 1}),
            json!([0]),
        ),
        (json!({"vector": [0, 1], "filter": {"x": 99}}), json!([])),
        (json!({"vector": [1.25, 1], "radius": 1}), json!([1, 2])),
        (
            json!({"vector": [1.25, 1], "radius": 4, "top_k": 3, "filter": {"even": false}}),
            json!([1, 3]),
        ),
        (
            json!({"vector": [0, 1], "top_k": 10_000, "mode": "vector"}),
            json!([0, 1, 2, 3, 4]),
        ),
    ] {
        let answer = app.post("/collections/points/search", &query).await.is(200);
        assert_eq!(keys_of(&answer), expected, "{query}");
        assert_eq!(
            answer["plan"].get("matching").is_some(),
            query.get("filter").is_some()
        );
    }
}

#[tokio::test]
async fn a_search_by_text_is_the_same_by_address() {
    let app = App::with_wines().await;
    let body = json!({"text": "lime & salt", "top_k": 2, "filter": {"price": {"lt": 30}}});
    let posted: Answer = typed(app.post("/collections/wines/search", &body).await.is(200));
    let address = "/collections/wines/search?q=lime+%26%20salt&k=2&filter=%7B%22price%22:%7B%22lt%22:30%7D%7D";
    let got: Answer = typed(app.get(address).await.is(200));
    assert_eq!(got.matches, posted.matches);
    assert_eq!(got.matches[0].key, Key::from("b"));
    assert!(got.matches[0].score > got.matches[1].score && got.matches.len() == 2);
}

#[tokio::test]
async fn a_batch_answers_in_the_order_of_its_queries() {
    let app = App::with_points().await;
    let queries = json!([{"vector": [4, 1], "top_k": 1}, {"like": 1, "top_k": 1}, {"vector": [2, 1], "filter": {"x": 0}}]);
    let answers = app
        .post("/collections/points/search/batch", &queries)
        .await
        .is(200);
    let keys: Vec<Value> = answers.as_array().unwrap().iter().map(keys_of).collect();
    assert_eq!(Value::from(keys), json!([[4], [0], [0]]));
    assert_eq!(
        app.post("/collections/points/search/batch", &json!([]))
            .await
            .is(200),
        json!([])
    );
}
