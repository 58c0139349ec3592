//! `POST /collections/{name}/cluster`.

use std::time::Duration;

use serde_json::json;
use vinedb::cluster::Clusters;

use crate::http::{App, typed};

const ROUTE: &str = "/collections/points/cluster";

#[tokio::test]
async fn the_answer_is_the_library_s() {
    let app = App::with_points().await;
    let found: Clusters = typed(app.post(ROUTE, &json!({"k": 2})).await.is(200));
    assert_eq!(
        found,
        app.db.collection("points").unwrap().cluster(2).unwrap()
    );
    assert_eq!((found.documents, found.clusters.len()), (5, 2));
    let body = json!({"k": 1, "seed": 3, "iterations": 2, "redo": 2, "spherical": true, "sample": 4, "nearest": 1,
        "words": 0, "filter": {"x": {"lt": 3}}});
    let found: Clusters = typed(app.post(ROUTE, &body).await.is(200));
    assert_eq!((found.documents, found.seed, found.spherical), (3, 3, true));
    let found: Clusters = typed(app.post(ROUTE, &json!({"k": "auto"})).await.is(200));
    assert_eq!(found.choice.unwrap().scores.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_named() {
    let app = App::with_points().await;
    let k = app.post(ROUTE, &json!({"k": 6})).await;
    k.fails(400, "invalid")
        .says(&["6 was given", "1 to 5"])
        .names("k");
    let k = app.post(ROUTE, &json!({"k": 0})).await;
    k.fails(400, "invalid").names("k");
    for (body, says) in [
        (json!({"k": "many"}), "1 or more, or auto"),
        (json!({"k": -1}), "1 or more, or auto"),
        (json!({"k": 2.5}), "1 or more, or auto"),
        (json!({}), "missing field `k`"),
        (json!({"k": 2, "iteration": 3}), "unknown field `iteration`"),
    ] {
        let reply = app.post(ROUTE, &body).await;
        reply.fails(400, "malformed").says(&[says]);
    }
    let reply = app
        .post("/collections/none/cluster", &json!({"k": 2}))
        .await;
    reply.fails(404, "unknown_collection");
}

/// More clients than may cluster at a time leave; the one that comes then is only answered if they made room.
#[tokio::test]
async fn work_that_nobody_waits_for_ends() {
    let app = App::with_points().await;
    let rows = (5..3000).map(|x| json!({"key": x, "vector": [x, x * x % 1009]}));
    app.post("/collections/points/documents", &rows.collect())
        .await
        .is(200);
    let endless = json!({"k": 600, "iterations": 1000, "redo": 100});
    for _ in 0..4 {
        let leaves = tokio::time::timeout(Duration::from_millis(50), app.post(ROUTE, &endless));
        assert!(leaves.await.is_err(), "the work was meant to take minutes");
    }
    let quick = json!({"k": 2, "iterations": 1});
    let answered = tokio::time::timeout(Duration::from_secs(60), app.post(ROUTE, &quick));
    answered.await.expect("a turn within a minute").is(200);
}
