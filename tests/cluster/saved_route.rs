//! `/collections/{name}/clusters`: saved clusterings over HTTP.

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use vinedb::cluster::{Assignment, Label, SavedClustering};

use crate::http::{App, typed};

const CLUSTERS: &str = "/collections/points/clusters";
const STYLES: &str = "/collections/points/clusters/styles";

/// The five points with two clusters: 0 to 2, and 3 and 4.
async fn saved() -> App {
    let app = App::with_points().await;
    let body = json!({"k": 2, "save": "styles", "words": 0});
    app.post("/collections/points/cluster", &body).await.is(200);
    app
}

#[tokio::test]
async fn a_clustering_is_saved_shown_renamed_and_dropped() {
    let app = saved().await;
    let collection = app.db.collection("points").unwrap();
    let listed = app.get(CLUSTERS).await.is(200);
    assert_eq!(listed["clusterings"].as_array().unwrap().len(), 1);
    let shown: SavedClustering = typed(app.get(STYLES).await.is(200));
    assert_eq!(shown, collection.clustering("styles").unwrap());
    assert_eq!((shown.k, shown.documents), (2, 5));
    let names = json!({"names": {"1": "far", "0": null}});
    let renamed = app.json("PATCH", STYLES, names.to_string()).await.is(200);
    assert_eq!(renamed["clusters"][1]["name"], "far");
    let count = json!({"filter": {"cluster": "far"}});
    let counted = app
        .post("/collections/points/documents/count", &count)
        .await
        .is(200);
    assert_eq!(counted["count"], renamed["clusters"][1]["size"]);
    let again = json!({"k": 1, "save": {"name": "styles", "replace": true}});
    app.post("/collections/points/cluster", &again)
        .await
        .is(200);
    assert_eq!(app.get(STYLES).await.is(200)["k"], 1);
    assert_eq!(
        app.delete(STYLES).await.is(200),
        json!({"dropped": "styles"})
    );
    let gone = app.get(STYLES).await;
    gone.fails(404, "unknown_clustering").says(&["none"]);
}

#[tokio::test]
async fn points_are_assigned_one_by_one_or_several_at_once() {
    let app = saved().await;
    let route = format!("{STYLES}/assign");
    let one = json!({"vector": [9, 1]});
    let assigned: Assignment = typed(app.post(&route, &one).await.is(200));
    let several = json!([{"vector": [9, 1]}, {"key": 4}, {"vector": [-9, 1]}]);
    let all: Vec<Assignment> = typed(app.post(&route, &several).await.is(200));
    assert_eq!((&all[0], all[1].cluster), (&assigned, assigned.cluster));
    assert_ne!(all[2].cluster, assigned.cluster);
    assert_eq!(app.post(&route, &json!([])).await.is(200), json!([]));
    for (body, status, code, says) in [
        (
            json!({"vector": [1]}),
            422,
            "dimension_mismatch",
            "dimension 1",
        ),
        (json!({"text": "a"}), 422, "no_model", "no model"),
        (json!({"key": 99}), 404, "unknown_key", "99"),
        (json!({}), 400, "malformed", "exactly one of"),
        (
            json!({"text": "a", "key": 1}),
            400,
            "malformed",
            "exactly one of",
        ),
        (json!([{"vectors": []}]), 400, "malformed", "unknown field"),
        (
            json!("a"),
            400,
            "malformed",
            "a point or an array of points",
        ),
    ] {
        let reply = app.post(&route, &body).await;
        reply.fails(status, code).says(&[says]);
    }
    let unknown = app.post(&format!("{CLUSTERS}/none/assign"), &one).await;
    unknown
        .fails(404, "unknown_clustering")
        .says(&["none", "styles"]);
}

#[tokio::test]
async fn labels_are_streamed_a_line_each_and_only_as_fast_as_they_are_taken() {
    let app = saved().await;
    let more = (5..20_000).map(|x| json!({"key": x, "vector": [x % 7, 1], "metadata": {"x": x}}));
    let route = "/collections/points/documents";
    app.post(route, &more.collect()).await.is(200);
    let collection = app.db.collection("points").unwrap();
    let expected: Vec<Label> = collection
        .clusters("styles")
        .unwrap()
        .labels()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let lines = |bytes: &[u8]| -> Vec<Label> {
        let lines = std::str::from_utf8(bytes).unwrap().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = app.stream(&format!("{STYLES}/labels")).await;
    let all = all.collect().await.unwrap().to_bytes();
    assert_eq!(lines(&all), expected);
    let few = app
        .stream(&format!(
            "{STYLES}/labels?filter=%7B%22x%22:%7B%22lt%22:3%7D%7D"
        ))
        .await;
    let few = few.collect().await.unwrap().to_bytes();
    assert_eq!(lines(&few), expected[..3]);
    // The rest is read after the first part is taken: then the clustering is gone, and the answer is cut off.
    let mut slow: Body = app.stream(&format!("{STYLES}/labels")).await;
    let first = slow.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(lines(&first).len() < expected.len());
    app.delete(STYLES).await.is(200);
    let mut frames: Vec<Value> = Vec::new();
    while let Some(frame) = slow.frame().await {
        frames.push(frame.is_ok().into());
    }
    assert_eq!(frames, [Value::Bool(false)]);
    let gone = app.get(&format!("{STYLES}/labels")).await;
    gone.fails(404, "unknown_clustering");
}

#[tokio::test]
async fn what_cannot_be_saved_is_refused_and_named() {
    let app = saved().await;
    for (save, status, code) in [
        (json!("styles"), 409, "clustering_conflict"),
        (json!("a.b"), 400, "bad_cluster_name"),
        (json!({"name": "x", "place": 1}), 400, "malformed"),
        (json!(7), 400, "malformed"),
    ] {
        let body = json!({"k": 2, "save": save});
        let reply = app.post("/collections/points/cluster", &body).await;
        reply.fails(status, code);
    }
    for names in [json!({"9": "x"}), json!({"0": "7"})] {
        let body = json!({ "names": names }).to_string();
        let status = app.json("PATCH", STYLES, body).await.status();
        assert!(status == 404 || status == 400, "{status}");
    }
    for (filter, status, code) in [
        (json!({"cluster": 2}), 404, "unknown_cluster"),
        (json!({"cluster": {"lt": 2}}), 400, "malformed"),
        (json!({"cluster.none": 1}), 404, "unknown_clustering"),
    ] {
        let body = json!({"vector": [0, 1], "filter": filter});
        let reply = app.post("/collections/points/search", &body).await;
        reply.fails(status, code);
    }
}
