//! Every class of bad input: the status, the code, a sentence that names the thing, and nothing changed.
//!
//! The tables have a request in each line: route, body, status and code, the field that the error names (`-`: none), and
//! what its message says.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use vinedb::{Document, http::MAX_BODY_BYTES};

use super::{App, chunked};

const SHAPES: &str = r#"
points/search          | {                                           | 400 malformed | -              | EOF; line 1 column 1
points/search          | {"vector": [NaN, 0]}                        | 400 malformed | vector[0]      | line 1 column 13
points/search          | {"vector": [1e39, 0]}                       | 400 malformed | vector[0]      | number out of range
points/search          | {"vector": [1e999, 0]}                      | 400 malformed | vector[0]      | number out of range
points/search          | {"vector": [1, 0]} trailing                 | 400 malformed | -              | trailing characters
points/search          | {"vektor": [1, 0]}                          | 400 malformed | vektor         | vektor; vector; top_k
points/search          | {"vector": [1, "two"]}                      | 400 malformed | vector[1]      | two; f32
points/search          | {"vector": [1, null]}                       | 400 malformed | vector[1]      | null
points/search          | {"vector": "north"}                         | 400 malformed | vector         | north; sequence
points/search          | {"text": 7}                                 | 400 malformed | text           | 7; string
points/search          | {"vector": [0, 1], "top_k": -1}             | 400 malformed | top_k          | -1; usize
points/search          | {"vector": [0, 1], "top_k": 2.5}            | 400 malformed | top_k          | 2.5
points/search          | {"vector": [0, 1], "mode": "psychic"}       | 400 malformed | mode           | psychic; vector
points/search          | {"vector": [0, 1], "params": {"efs": 9}}    | 400 malformed | params.efs     | efs; ef_search
points/search          | {"vector": [0, 1], "with": {"vectors": 1}}  | 400 malformed | with.vectors   | 1; boolean
points/search          | {"vector": [0, 1], "vector": [0, 1]}        | 400 malformed | -              | duplicate field `vector`
points/search          | "red"                                       | 400 malformed | -              | red; Query
points/search/batch    | {"text": "a"}                               | 400 malformed | -              | sequence
points/search/batch    | [{}, {"k": 1}]                              | 400 malformed | [1].k          | top_k
points/documents       |                                             | 400 malformed | -              | JSON array; application/x-ndjson
points/documents       | {"key": 2, "vector": [0, 1]}                | 400 malformed | -              | JSON array; application/x-ndjson
points/documents       | [{"vector": [0, 1]}]                        | 400 malformed | [0]            | missing field `key`
points/documents       | [{"key": 2.5, "vector": [0, 1]}]            | 400 malformed | [0].key        | 2.5; key
points/documents       | [{"key": 2, "vector": [0, -1e39]}]          | 400 malformed | [0].vector[1]  | out of range
points/documents       | [{"key": 2, "metadata": [1]}]               | 400 malformed | [0].metadata   | map
points/documents       | [{"key": 2, "price": 3}]                    | 400 malformed | [0].price      | price; metadata
points/documents/get   |                                             | 400 malformed | -              | missing field `keys`
points/documents/get   | {"keys": 1}                                 | 400 malformed | keys           | sequence
points/documents/count | {"filters": {}}                             | 400 malformed | filters        | filters; filter
points/documents/scroll| {"cursor": "x"}                             | 400 invalid   | cursor         | next
"#;

const QUERIES: &str = r#"
points/search          |                                             | 400 invalid   | query          | none of them; text, vector and like
points/search          | {"text": "a", "vector": [0, 1]}             | 400 invalid   | query          | text and vector
points/search          | {"vector": [0, 1], "top_k": 0}              | 400 invalid   | top_k          | 0 was given; 10000
points/search          | {"vector": [0, 1], "top_k": 10001}          | 400 invalid   | top_k          | 10001
points/search          | {"vector": [0, 1], "top_k": 18446744073709551615} | 400 invalid | top_k      | 18446744073709551615
points/search          | {"text": "red"}                             | 422 no_model  | -              | "points"; dimension 2
points/search          | {"vector": [0, 1, 2]}                       | 422 dimension_mismatch | vector | 3; 2
points/search          | {"vector": []}                              | 422 dimension_mismatch | vector | 0; 2
points/search          | {"like": "nobody"}                          | 404 unknown_key | key nobody   | nobody
points/search          | {"vector": [0, 1], "params": {"nprobe": 0}} | 400 bad_parameter | params.nprobe | nprobe; 0
points/search          | {"vector": [0, 1], "params": {"nprobe": 4}} | 400 bad_parameter | params.nprobe | nprobe; IVF
points/search          | {"vector": [0, 1], "params": {"recall": 0}} | 400 bad_parameter | params.recall | recall; above 0
points/search          | {"vector": [0, 1], "params": {"recall": 1, "nprobe": 4}} | 400 bad_parameter | params.nprobe | recall; nprobe
points/search          | {"vector": [0, 1], "radius": 1e39}          | 400 malformed | radius         | out of range
points/search          | {"vector": [0, 1], "radius": "near"}        | 400 malformed | radius         | near; f32
wines/search           | {"text": " \n"}                             | 400 invalid   | text           | empty
wines/search           | {"vector": [0, 1]}                          | 422 dimension_mismatch | vector | 2; 64; hash
points/search/batch    | [{"vector": [0, 1]}, {"vector": [0]}]       | 422 dimension_mismatch | the vector of query 2 | 1; 2
points/documents/scroll| {"limit": 0}                                | 400 invalid   | limit          | 0; 10000
points/documents/scroll| {"limit": 10001}                            | 400 invalid   | limit          | 10001
points/documents/delete| {}                                          | 400 invalid   | keys           | neither; keys or filter
points/documents/delete| {"keys": [1], "filter": {"x": 1}}           | 400 invalid   | keys           | both
"#;

const FILTERS: &str = r#"
points/search          | {"vector": [0, 1], "filter": {"x": {"gtt": 1}}} | 400 malformed | filter     | gtt; gte; contains
points/search          | {"vector": [0, 1], "filter": {"x": {}}}     | 400 malformed | filter         | x
points/search          | {"vector": [0, 1], "filter": {"x": {"in": 1}}} | 400 malformed | filter      | in
points/search          | {"vector": [0, 1], "filter": {"any": {"x": 1}}} | 400 malformed | filter     | any
points/search          | {"vector": [0, 1], "filter": [1]}           | 400 malformed | filter         | filter
points/documents/count | {"filter": {"x": {"gtt": 1}}}               | 400 malformed | filter         | gtt
points/documents/delete| {"filter": {"x": {"gtt": 1}}}               | 400 malformed | filter         | gtt
points/documents/scroll| {"filter": {"x": {"gtt": 1}}}               | 400 malformed | filter         | gtt
"#;

const DOCUMENTS: &str = r#"
points/documents | [{"key": 3, "vector": [1, 1]}, {"key": 2, "vector": [1, 2, 3]}] | 422 dimension_mismatch | the vector of document 2 | 3; 2
points/documents | [{"key": 3, "vector": [1, 1]}, {"key": 2, "vector": []}]        | 422 dimension_mismatch | the vector of document 2 | 0; 2
points/documents | [{"key": 3, "vector": [1, 1]}, {"key": 2, "text": "alone"}]     | 422 unusable_document  | key 2   | document 2; vector
points/documents | [{"key": 3, "vector": [1, 1]}, {"key": 3, "vector": [1, 1]}]    | 422 duplicate_key      | key 3   | 1 and 2
points/documents | [{"key": 17, "vector": [1, 1]}, {"key": "17", "vector": [1, 1]}]| 422 duplicate_key      | key 17  | 1 and 2
points/documents | [{"key": 3, "vector": [1, 1]}, {"key": "", "vector": [1, 1]}]   | 422 bad_key            | -       | key
wines/documents  | [{"key": 1, "text": "fine"}, {"key": 2, "text": " "}]           | 422 unusable_document  | key 2   | document 2; empty
wines/documents  | [{"key": 1, "text": "fine"}, {"key": 2}]                        | 422 unusable_document  | key 2   | neither text nor vector
wines/documents  | [{"key": 1, "text": "fine"}, {"key": 2, "vector": [1]}]         | 422 dimension_mismatch | the vector of document 2 | 64; hash
"#;

const COLLECTIONS: &str = r#"
points  | {"dimension": 3}                            | 409 collection_exists | -             | "points"
a%20b   | {"dimension": 3}                            | 400 bad_name          | -             | "a b"; letters
%2e%2e  | {"dimension": 3}                            | 400 bad_name          | -             | ".."
a%2Fb   | {"dimension": 3}                            | 400 bad_name          | -             | "a/b"
new     | {"dimension": 0}                            | 400 invalid           | dimension     | 0; 65536
new     | {"dimension": 65537}                        | 400 invalid           | dimension     | 65537
new     | {"dimension": 2, "model": "m"}              | 400 malformed         | -             | dimension; "m"
new     | {"dimensions": 2}                           | 400 malformed         | dimensions    | `dimension`
new     | {"dimension": 2, "metric": "manhattan"}     | 400 malformed         | metric        | manhattan; cosine
new     | {"dimension": 2, "index": "Falt"}           | 400 malformed         | index         | Falt; Flat
new     | {"dimension": 2, "metric": "lp(0)"}         | 400 malformed         | metric        | lp(0); 0.1 to 64
new     | {"dimension": 2, "device": "gpu"}           | 400 malformed         | device        | gpu; cuda:N
new     | {"dimension": 2, "device": "cuda"}          | 400 bad_device        | device        | no GPU support; use cpu
new     | {"template": "{{ name"}                     | 422 template          | -             | template
new     | {"model": "absent"}                         | 422 unknown_model     | -             | absent
"#;

#[cfg(feature = "faiss")]
const KINDS_OF_FAISS: &str = r#"
new     | {"dimension": 6, "index": "PQ4"}            | 400 bad_index         | index         | PQ4; do not divide; PQ3
new     | {"dimension": 6, "index": "IVF4,SQ8", "metric": "l1"} | 400 bad_index | index       | l1; IVF4,Flat
"#;

/// An embedded collection `wines` of three documents, and `points` of one.
async fn app() -> App {
    let app = App::with_wines().await;
    let points = json!([{"key": 1, "vector": [0, 1], "metadata": {"x": 1}}]);
    app.put("/collections/points", &json!({"dimension": 2}))
        .await
        .is(201);
    app.post("/collections/points/documents", &points)
        .await
        .is(200);
    app
}

/// All that the database says of itself, so that a change of anything shows.
async fn state(app: &App) -> Value {
    let mut state = app.get("/collections").await.is(200);
    for name in ["points", "wines"] {
        state[name] = app.get(&format!("/collections/{name}")).await.is(200);
        state[name]["keys"] = app.keys(name).await;
    }
    state
}

/// Sends what a table says and asserts that it fails as that says, and that nothing changes.
async fn check(method: &str, table: &str) {
    let app = app().await;
    let before = state(&app).await;
    for case in table.trim().lines() {
        let cells: Vec<&str> = case.split('|').map(str::trim).collect();
        let [route, body, expected, field, says] = cells[..] else {
            panic!("five cells in {case}")
        };
        let uri = format!("/collections/{route}");
        let reply = app.json(method, &uri, body.to_owned()).await;
        let code = reply.json["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let status = reply.status.as_u16();
        assert_eq!(format!("{status} {code}"), expected, "{case}: {reply:?}");
        let failed = reply.fails(status, &code);
        let missing = says.split("; ").find(|part| !failed.message.contains(part));
        assert_eq!(missing, None, "{case}: {failed:?}");
        assert_eq!(
            failed.field.as_deref().unwrap_or("-"),
            field,
            "{case}: {failed:?}"
        );
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn bodies_that_are_no_json_or_of_another_shape() {
    check("POST", SHAPES).await;
}

#[tokio::test]
async fn queries_that_make_no_sense() {
    check("POST", QUERIES).await;
}

#[tokio::test]
async fn filters_that_make_no_sense() {
    check("POST", FILTERS).await;
}

#[tokio::test]
async fn documents_that_cannot_be_taken() {
    check("POST", DOCUMENTS).await;
}

#[tokio::test]
async fn collections_that_cannot_be_made() {
    check("PUT", COLLECTIONS).await;
    #[cfg(feature = "faiss")]
    check("PUT", KINDS_OF_FAISS).await;
}

#[tokio::test]
async fn what_is_too_much_of_something() {
    let app = app().await;
    let before = state(&app).await;
    let document = |fields: Value| {
        let mut document = json!({"key": 2, "vector": [0, 1]});
        document
            .as_object_mut()
            .unwrap()
            .append(&mut fields.as_object().unwrap().clone());
        json!([document])
    };
    let deep_filter = (0..100).fold(json!({"x": 1}), |filter, _| json!({"not": filter}));
    let wide_filter = json!({"any": vec![json!({"x": 1}); 100_000]});
    let deep = (0..120).fold(json!(1), |value, _| json!([value]));
    let query = json!({"vector": [0, 1], "top_k": 10_000});
    let long_text = "x".repeat(Document::MAX_TEXT_BYTES + 1);
    for (route, body, status, code, says) in [
        (
            "documents/count",
            json!({"filter": deep_filter}),
            400,
            "malformed",
            "deep",
        ),
        (
            "documents/delete",
            json!({"filter": wide_filter}),
            400,
            "malformed",
            "filter",
        ),
        (
            "documents/get",
            json!({"keys": vec![1; 10_001]}),
            400,
            "invalid",
            "10001",
        ),
        (
            "search/batch",
            json!(vec![query; 11]),
            400,
            "invalid",
            "110000 was given, at most 100000",
        ),
        (
            "documents",
            document(json!({"metadata": {"deep": deep}})),
            422,
            "metadata_too_deep",
            "2",
        ),
        (
            "documents",
            document(json!({"text": long_text})),
            422,
            "unusable_document",
            "16777217",
        ),
        (
            "documents",
            document(json!({"key": "k".repeat(1025)})),
            422,
            "bad_key",
            "1025",
        ),
    ] {
        app.post(&format!("/collections/points/{route}"), &body)
            .await
            .fails(status, code)
            .says(&[says]);
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn bodies_over_the_limit() {
    let app = app().await;
    let uri = "/collections/points/documents";
    let announced = Request::post(uri)
        .body(Body::from(vec![b' '; MAX_BODY_BYTES + 1]))
        .unwrap();
    app.request(announced)
        .await
        .fails(413, "too_large")
        .says(&["67108864", "application/x-ndjson"]);
    let parts = (0..70).map(|_| vec![b' '; 1024 * 1024]);
    app.json("POST", uri, chunked(parts))
        .await
        .fails(413, "too_large");
    let fits = Request::post(uri)
        .body(Body::from(vec![b' '; MAX_BODY_BYTES]))
        .unwrap();
    app.request(fits).await.fails(400, "malformed");
}
