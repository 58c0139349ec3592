//! Each route does what it says, and its bodies are the library's own types.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use vinedb::{
    Answer, CollectionConfig, Database, Document, Query, Upserted,
    http::{AppState, router_with},
};

use super::{App, keys_of, typed};

#[tokio::test]
async fn health_and_readiness() {
    let app = App::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        app.get("/health").await.is(200),
        json!({"status": "ok", "version": version})
    );
    assert_eq!(
        app.get("/ready").await.is(200),
        json!({"status": "ready", "version": version})
    );
}

#[tokio::test]
async fn a_server_is_ready_when_it_is_told_so() {
    let mut app = App::new();
    let state = AppState::new(app.db.clone());
    app.router = router_with(state.clone());
    state.set_ready(false);
    let reply = app.get("/ready").await;
    assert_eq!(reply.headers["retry-after"], "1");
    reply.fails(503, "not_ready");
    app.get("/health").await.is(200);
    state.set_ready(true);
    app.get("/ready").await.is(200);
}

#[tokio::test]
async fn collections_are_made_listed_described_and_dropped() {
    let app = App::new();
    assert_eq!(
        app.get("/collections").await.is(200),
        json!({"collections": []})
    );
    let config = CollectionConfig::given(3).metric(vinedb::Metric::InnerProduct);
    let made = app
        .put(
            "/collections/b",
            &json!({"dimension": 3, "metric": "inner_product"}),
        )
        .await
        .is(201);
    let made: vinedb::Stats = typed(made);
    assert_eq!(
        (
            made.name.as_str(),
            made.dimension,
            made.documents,
            made.config
        ),
        ("b", 3, 0, config)
    );
    let embedded: vinedb::Stats = typed(
        app.put("/collections/a", &json!({"template": "{{ x }}"}))
            .await
            .is(201),
    );
    assert_eq!(embedded.model.unwrap().name, "hash");
    assert_eq!(
        app.get("/collections").await.is(200),
        json!({"collections": ["a", "b"]})
    );
    let stats: vinedb::Stats = typed(app.get("/collections/a").await.is(200));
    assert_eq!((stats.documents, stats.dimension), (0, 64));
    assert_eq!(
        app.delete("/collections/a").await.is(200),
        json!({"dropped": "a"})
    );
    app.get("/collections/a")
        .await
        .fails(404, "unknown_collection")
        .says(&["\"a\"", "has b"]);
    assert_eq!(app.db.collections().unwrap(), ["b"]);
}

#[tokio::test]
async fn a_collection_needs_no_body() {
    let app = App::new();
    let made: vinedb::Stats = typed(
        app.send("PUT", "/collections/plain", None, Body::empty())
            .await
            .is(201),
    );
    assert_eq!(made.model.unwrap().name, "hash");
}

#[tokio::test]
async fn documents_are_added_replaced_and_left_alone() {
    let app = App::with_wines().await;
    let changed = json!([
        {"key": "a", "text": "red cherry and tar", "metadata": {"price": 40, "country": "Italy"}},
        {"key": "b", "text": "white lime and salt", "metadata": {"price": 13}},
        {"key": "d", "text": "pink and cold"},
    ]);
    let done: Upserted = typed(
        app.post("/collections/wines/documents", &changed)
            .await
            .is(200),
    );
    assert_eq!(
        serde_json::to_value(done).unwrap(),
        json!({
            "added": 1, "updated": 1, "unchanged": 1, "embedded": 1, "reused": 1, "truncated": 0
        })
    );
    let document: Document = typed(app.get("/collections/wines/documents/b").await.is(200));
    assert_eq!(
        document,
        Document::new("b", "white lime and salt").metadata(json!({"price": 13}))
    );
    assert_eq!(app.keys("wines").await, json!(["a", "c", "b", "d"]));
}

#[tokio::test]
async fn what_http_wrote_the_library_reads() {
    let app = App::with_points().await;
    let collection = app.db.collection("points").unwrap();
    let found = collection.get_with_vectors([3]).unwrap();
    assert_eq!(
        found,
        [Document::from_vector(3, vec![3.0, 1.0]).metadata(json!({"x": 3, "even": false}))]
    );
    let answer = app
        .post("/collections/points/search", &json!({"vector": [3.2, 1]}))
        .await
        .is(200);
    let library = collection.search(&Query::vector(vec![3.2, 1.0])).unwrap();
    assert_eq!(typed::<Answer>(answer).matches, library.matches);
}

#[tokio::test]
async fn documents_come_back_by_their_keys_in_that_order() {
    let app = App::with_points().await;
    let body = json!({"keys": [4, "nobody", "1"], "with": {"vectors": true}});
    let got = app
        .post("/collections/points/documents/get", &body)
        .await
        .is(200);
    assert_eq!(
        got,
        json!({"documents": [
            {"key": 4, "vector": [4.0, 1.0], "metadata": {"x": 4, "even": true}},
            {"key": 1, "vector": [1.0, 1.0], "metadata": {"x": 1, "even": false}},
        ]})
    );
    let plain = app
        .post("/collections/points/documents/get", &json!({"keys": [4]}))
        .await
        .is(200);
    assert_eq!(plain["documents"][0].get("vector"), None);
}

#[tokio::test]
async fn documents_are_deleted_by_key_keys_and_filter() {
    let app = App::with_points().await;
    let delete = "/collections/points/documents/delete";
    assert_eq!(
        app.delete("/collections/points/documents/0").await.is(200),
        json!({"deleted": 1})
    );
    app.delete("/collections/points/documents/0")
        .await
        .fails(404, "unknown_key")
        .says(&["key 0"]);
    assert_eq!(
        app.post(delete, &json!({"keys": [1, 1, "none"]}))
            .await
            .is(200),
        json!({"deleted": 1})
    );
    assert_eq!(
        app.post(delete, &json!({"filter": {"x": {"gte": 3}}}))
            .await
            .is(200),
        json!({"deleted": 2})
    );
    assert_eq!(app.keys("points").await, json!([2]));
    let left = app
        .post("/collections/points/search", &json!({"vector": [0, 1]}))
        .await
        .is(200);
    assert_eq!(keys_of(&left), json!([2]));
}

#[tokio::test]
async fn documents_are_counted() {
    let app = App::with_points().await;
    let count = "/collections/points/documents/count";
    assert_eq!(
        app.send("POST", count, None, Body::empty()).await.is(200),
        json!({"count": 5})
    );
    assert_eq!(
        app.post(count, &json!({"filter": {"even": true}}))
            .await
            .is(200),
        json!({"count": 3})
    );
    assert_eq!(
        app.post(count, &json!({"filter": {"not": {"x": {"in": [1, 2]}}}}))
            .await
            .is(200),
        json!({"count": 3})
    );
}

#[tokio::test]
async fn scrolling_meets_every_document_once() {
    let app = App::with_points().await;
    let scroll = "/collections/points/documents/scroll";
    for limit in [1, 2, 3, 5, 6] {
        let (mut keys, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
        loop {
            let page = app
                .post(scroll, &json!({"limit": limit, "cursor": cursor}))
                .await
                .is(200);
            let documents = page["documents"].as_array().unwrap();
            assert!(documents.len() <= limit);
            keys.extend(documents.iter().map(|document| document["key"].clone()));
            pages += 1;
            match page.get("next") {
                Some(next) => cursor = next.clone(),
                None => break,
            }
        }
        assert_eq!(Value::from(keys), json!([0, 1, 2, 3, 4]));
        assert!(pages <= 5 / limit + 1, "{pages} pages of {limit}");
    }
    let even = app
        .post(
            scroll,
            &json!({"limit": 2, "cursor": "1", "filter": {"even": true}}),
        )
        .await
        .is(200);
    assert_eq!(even["documents"].as_array().unwrap().len(), 2);
    assert_eq!(
        app.send("POST", scroll, None, Body::empty()).await.is(200)["documents"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let app = App::with_points().await;
    for uri in [
        "/health",
        "/collections",
        "/collections/points",
        "/collections/points/documents/0",
    ] {
        let reply = app.send("HEAD", uri, None, Body::empty()).await;
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.is(200), Value::Null);
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_read_nothing_and_change_nothing() {
    let app = App::with_points().await;
    let evil = |method: &str, uri: &str, body: &'static str| {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "127.0.0.1:8080");
        request
            .header("origin", "http://evil.example")
            .header("content-type", "text/plain")
            .body(Body::from(body))
            .unwrap()
    };
    let wipe = evil(
        "POST",
        "/collections/points/documents/delete",
        r#"{"filter": {"x": {"gte": 0}}}"#,
    );
    app.request(wipe).await.fails(403, "cross_site");
    assert_eq!(app.keys("points").await, json!([0, 1, 2, 3, 4]));
    let read = app.request(evil("GET", "/collections", "")).await;
    assert!(
        !read
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("access-control")),
        "{read:?}"
    );
}

#[tokio::test]
async fn a_reader_refuses_to_write_and_sees_what_is_written_beside_it() {
    let app = App::with_points().await;
    let mut reader = App::new();
    let options = vinedb::Options::default().read_only(true);
    let db: Database = options.open(app.db.dir()).unwrap();
    reader.router = vinedb::http::router(db);
    let documents = json!([{"key": 9, "vector": [9, 1]}]);
    reader
        .post("/collections/points/documents", &documents)
        .await
        .fails(409, "read_only")
        .says(&["read-only"]);
    reader
        .lines(
            "/collections/points/documents",
            r#"{"key": 9, "vector": [9, 1]}"#,
        )
        .await
        .fails(409, "read_only");
    reader
        .put("/collections/more", &json!({"dimension": 2}))
        .await
        .fails(409, "read_only");
    reader
        .delete("/collections/points")
        .await
        .fails(409, "read_only");
    reader
        .delete("/collections/points/documents/1")
        .await
        .fails(409, "read_only");
    reader
        .post(
            "/collections/points/documents/delete",
            &json!({"keys": [1]}),
        )
        .await
        .fails(409, "read_only");
    app.post("/collections/points/documents", &documents)
        .await
        .is(200);
    let answer = reader
        .post(
            "/collections/points/search",
            &json!({"vector": [9, 1], "top_k": 2}),
        )
        .await
        .is(200);
    assert_eq!(keys_of(&answer), json!([9, 4]));
}

#[cfg(feature = "faiss")]
#[tokio::test]
async fn an_index_is_trained_and_compacted_on_request() {
    let app = App::new();
    let config = json!({"dimension": 2, "metric": "l2", "index": "IVF4,Flat"});
    app.put("/collections/points", &config).await.is(201);
    let points = (0..300).map(|x| json!({"key": x, "vector": [x, x % 7]}));
    app.post("/collections/points/documents", &points.collect())
        .await
        .is(200);
    let stats = app
        .json("POST", "/collections/points/compact", "")
        .await
        .is(200);
    assert_eq!(stats["local"]["index"], "IVF4,Flat");
    assert_eq!(
        [&stats["local"]["sealed"], &stats["local"]["fresh"]],
        [300, 0]
    );
    let generation = stats["local"]["generation"].as_u64().unwrap();
    let stats = app
        .post("/collections/points/train", &json!({}))
        .await
        .is(200);
    assert_eq!(stats["local"]["generation"], generation + 1);
    assert_eq!(stats, app.get("/collections/points").await.is(200));

    let url = "/collections/points/train";
    app.post(url, &json!({"sample": 3}))
        .await
        .fails(400, "malformed")
        .names("sample");
    app.post("/collections/none/train", &json!({}))
        .await
        .fails(404, "unknown_collection");
    app.post(
        "/collections/points/documents/delete",
        &json!({"keys": (20..300).collect::<Vec<_>>()}),
    )
    .await
    .is(200);
    app.post(url, &json!({}))
        .await
        .fails(409, "untrained")
        .says(&["20", "256"]);
}
