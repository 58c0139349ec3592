//! Addresses: what is no route, is badly encoded, or names what is not there.

use serde_json::{Value, json};

use super::App;

#[tokio::test]
async fn collections_that_are_not_there() {
    let app = App::with_wines().await;
    for (method, route, body) in [
        ("GET", "none", Value::Null),
        ("GET", "..%2Fwines", Value::Null),
        ("DELETE", "none", Value::Null),
        ("POST", "none/documents", json!([])),
        ("GET", "none/documents/1", Value::Null),
        ("DELETE", "none/documents/1", Value::Null),
        ("POST", "none/documents/get", json!({"keys": [1]})),
        ("POST", "none/documents/delete", json!({"keys": [1]})),
        ("POST", "none/documents/count", json!({})),
        ("POST", "none/documents/scroll", json!({})),
        ("POST", "none/search", json!({"text": "a"})),
        ("GET", "none/search?q=a", Value::Null),
        ("POST", "none/search/batch", json!([])),
    ] {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let reply = app
            .json(method, &format!("/collections/{route}"), body)
            .await;
        reply
            .fails(404, "unknown_collection")
            .says(&["this database has wines"]);
    }
    let reply = app
        .lines("/collections/none/documents", r#"{"key": 1}"#)
        .await;
    reply.fails(404, "unknown_collection").says(&["\"none\""]);
}

#[tokio::test]
async fn addresses_that_are_no_route() {
    let app = App::with_wines().await;
    for uri in [
        "/",
        "/collection",
        "/collections/",
        "/collections/wines/",
        "/collections/wines/documents/",
        "/health/x",
    ] {
        app.get(uri).await.fails(404, "unknown_route").says(&[uri]);
    }
}

#[tokio::test]
async fn methods_that_a_route_does_not_have() {
    let app = App::with_wines().await;
    for (method, uri, allowed) in [
        ("POST", "/health", "GET HEAD"),
        ("PATCH", "/collections/wines", "DELETE GET HEAD PUT"),
        ("GET", "/collections/wines/documents", "POST"),
        ("OPTIONS", "/collections", "GET HEAD"),
        ("PUT", "/collections/wines/documents/1", "DELETE GET HEAD"),
        ("DELETE", "/collections/wines/search", "GET HEAD POST"),
        ("GET", "/collections/wines/search/batch", "POST"),
    ] {
        let reply = app.json(method, uri, "").await;
        let mut methods: Vec<&str> = reply.headers["allow"]
            .to_str()
            .unwrap()
            .split(',')
            .collect();
        methods.sort_unstable();
        assert_eq!(methods.join(" "), allowed, "{method} {uri}");
        reply.fails(405, "method_not_allowed").says(&[uri, method]);
    }
}

#[tokio::test]
async fn addresses_that_are_badly_encoded() {
    let app = App::with_wines().await;
    for uri in [
        "/collections/wines/documents/%zz",
        "/collections/wines/documents/50%",
        "/collections/%ff",
    ] {
        app.get(uri)
            .await
            .fails(400, "malformed")
            .says(&["%25", "UTF-8"])
            .names("path");
        app.delete(uri).await.fails(400, "malformed").names("path");
    }
    for query in ["q=100%", "q=%C3", "q=a&k=%+1"] {
        app.get(&format!("/collections/wines/search?{query}"))
            .await
            .fails(400, "malformed")
            .names("query");
    }
}

#[tokio::test]
async fn searches_by_address_that_make_no_sense() {
    let app = App::with_wines().await;
    for (query, code, says) in [
        ("", "malformed", "`q`"),
        ("?k=3", "malformed", "`q`"),
        ("?q=a&k=many", "malformed", "k: invalid digit"),
        ("?q=a&top=3", "malformed", "top"),
        ("?q=a&q=b", "malformed", "duplicate field `q`"),
        ("?q=", "invalid", "text"),
        ("?q=a&k=0", "invalid", "top_k"),
        ("?q=a&filter=%7B", "malformed", "EOF"),
        (
            "?q=a&filter=%7B%22price%22:%7B%22gtt%22:1%7D%7D",
            "malformed",
            "gtt",
        ),
    ] {
        app.get(&format!("/collections/wines/search{query}"))
            .await
            .fails(400, code)
            .says(&[says]);
    }
}
