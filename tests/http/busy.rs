//! Many clients at once: those who read get whole and correct answers while documents are added.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{App, keys_of};

const CLIENTS: usize = 16;
const ROUNDS: usize = 20;
const PER_ROUND: usize = 25;

/// The documents that a round adds, beside the five that are there: far from those, so that searches near them are known.
fn round(number: usize) -> Value {
    let first = 1000 + number * PER_ROUND;
    (first..first + PER_ROUND)
        .map(|key| json!({"key": key, "vector": [key, 1], "metadata": {"x": key}}))
        .collect()
}

/// Searches until the writer is done; says how often.
async fn client(app: Arc<App>, done: Arc<AtomicBool>, number: usize) -> usize {
    let mut asked = 0;
    let mut seen = 0;
    while !done.load(Ordering::Acquire) || asked == 0 {
        let at = (number + asked) % 5;
        let answer = app
            .post(
                "/collections/points/search",
                &json!({"vector": [at, 1], "top_k": 5}),
            )
            .await
            .is(200);
        let keys = keys_of(&answer);
        assert_eq!(keys[0], json!(at));
        assert_eq!(
            keys.as_array()
                .unwrap()
                .iter()
                .filter(|key| key.as_u64().unwrap() < 5)
                .count(),
            5,
            "{keys}"
        );
        let count = app.get("/collections/points").await.is(200)["documents"]
            .as_u64()
            .unwrap();
        assert!(
            count >= seen && (count - 5) % PER_ROUND as u64 == 0,
            "{count} after {seen}"
        );
        seen = count;
        asked += 1;
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clients_search_while_documents_are_added() {
    let app = Arc::new(App::with_points().await);
    let done = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(Arc::clone(&app), Arc::clone(&done), number));
    }
    for number in 0..ROUNDS {
        let added = app
            .post("/collections/points/documents", &round(number))
            .await
            .is(200);
        assert_eq!(added["added"], PER_ROUND);
        let last = 1000 + number * PER_ROUND + PER_ROUND - 1;
        let found = app
            .post(
                "/collections/points/search",
                &json!({"vector": [last, 1], "top_k": 1}),
            )
            .await
            .is(200);
        assert_eq!(
            keys_of(&found),
            json!([last]),
            "an acknowledged document is found at once"
        );
    }
    done.store(true, Ordering::Release);
    let asked: usize = clients.join_all().await.into_iter().sum();
    assert!(asked >= CLIENTS);
    assert_eq!(
        app.get("/collections/points").await.is(200)["documents"],
        5 + ROUNDS * PER_ROUND
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clients_write_and_nothing_is_lost() {
    let app = Arc::new(App::with_points().await);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let app = Arc::clone(&app);
        clients.spawn(async move {
            let shared = json!([{"key": "shared", "vector": [0, 7], "metadata": {"by": number}}]);
            app.post("/collections/points/documents", &shared)
                .await
                .is(200);
            app.post("/collections/points/documents", &round(number))
                .await
                .is(200);
            app.delete(&format!(
                "/collections/points/documents/{}",
                1000 + number * PER_ROUND
            ))
            .await
            .is(200);
        });
    }
    clients.join_all().await;
    let mut keys: Vec<String> = app
        .keys("points")
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    let expected = 5 + 1 + CLIENTS * (PER_ROUND - 1);
    assert_eq!(keys.len(), expected);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), expected);
}
