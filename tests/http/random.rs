//! Whatever a client sends: an answer in our own shape, never a failure of the server.

use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::App;

const ROUTES: [&str; 8] = [
    "/documents",
    "/documents/get",
    "/documents/delete",
    "/documents/count",
    "/documents/scroll",
    "/search",
    "/search/batch",
    "",
];

/// Words that mean something to some route, and some that mean nothing.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "key",
        "keys",
        "text",
        "vector",
        "metadata",
        "like",
        "top_k",
        "filter",
        "mode",
        "params",
        "with",
        "vectors",
        "exact",
        "ef_search",
        "nprobe",
        "cursor",
        "limit",
        "not",
        "any",
        "eq",
        "lt",
        "in",
        "nin",
        "exists",
        "contains",
        "x",
        "a.b",
        "",
        "dimension",
        "metric",
        "index",
        "template",
        "model",
        "{{ x",
        "Flat",
        "HNSW32",
        "IVF4,Flat",
        "$[0]",
        "é\0'\"",
    ];
    prop_oneof![4 => select(words.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3_i64..12).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        proptest::collection::vec(-2.0_f32..2.0, 0..4).prop_map(|vector| json!(vector)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 5, |inner| {
        let fields = proptest::collection::vec((word(), inner.clone()), 0..5);
        let object = fields.prop_map(|fields| Value::Object(fields.into_iter().collect()));
        prop_oneof![
            proptest::collection::vec(inner, 0..5).prop_map(Value::from),
            object
        ]
    })
}

/// A body that comes close to making sense.
fn body() -> impl Strategy<Value = Value> {
    let near = (value(), value(), leaf()).prop_map(
        |(one, two, three)| json!({"vector": [0.5, 1], "top_k": three, "filter": one, "keys": two}),
    );
    let search = (value(), leaf())
        .prop_map(|(filter, params)| json!({"vector": [1, 2], "filter": filter, "params": params}));
    let documents = (leaf(), value())
        .prop_map(|(key, metadata)| json!([{"key": key, "vector": [1, 2], "metadata": metadata}]));
    let filter = value().prop_map(|filter| json!({"filter": filter}));
    prop_oneof![2 => value(), 1 => near, 2 => search, 2 => documents, 2 => filter]
}

/// Asserts that an answer is one of ours and no failure of the server.
fn check(reply: &super::Reply) -> Result<(), TestCaseError> {
    prop_assert!(!reply.status.is_server_error(), "{reply:?}");
    if !reply.status.is_success() {
        let error = &reply.json["error"];
        prop_assert!(
            error["code"].is_string()
                && error["message"]
                    .as_str()
                    .is_some_and(|said| !said.is_empty()),
            "{reply:?}"
        );
    }
    Ok(())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn no_json_makes_a_server_fail() {
    let runtime = runtime();
    let app = runtime.block_on(App::with_points());
    proptest!(ProptestConfig::with_cases(60), |(body in body())| {
        runtime.block_on(async {
            for route in ROUTES {
                let method = if route.is_empty() { "PUT" } else { "POST" };
                check(&app.json(method, &format!("/collections/points{route}"), body.to_string()).await)?;
            }
            check(&app.lines("/collections/points/documents", body.to_string()).await)
        })?;
    });
}

#[test]
fn no_bytes_make_a_server_fail() {
    let runtime = runtime();
    let app = runtime.block_on(App::with_points());
    proptest!(ProptestConfig::with_cases(60), |(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..7_usize)| {
        let uri = format!("/collections/points{}", ROUTES[at]);
        runtime.block_on(async {
            check(&app.json("POST", &uri, bytes.clone()).await)?;
            check(&app.lines("/collections/points/documents", bytes).await)
        })?;
    });
}

#[test]
fn no_address_makes_a_server_fail() {
    let runtime = runtime();
    let app = runtime.block_on(App::with_points());
    proptest!(ProptestConfig::with_cases(100), |(path in "[/a-z0-9%._~-]{0,40}", query in "[a-z0-9%&=+{}\":]{0,40}")| {
        runtime.block_on(async {
            for uri in [format!("/{path}?{query}"), format!("/collections/points/documents/{path}"), format!("/collections/points/search?{query}")] {
                if let Ok(uri) = uri.parse::<axum::http::Uri>() {
                    check(&app.get(&uri.to_string()).await)?;
                }
            }
            Ok::<(), TestCaseError>(())
        })?;
    });
}
