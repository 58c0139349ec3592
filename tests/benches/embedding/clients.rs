//! Many clients that send one text each and wait for its vector, against the same texts all at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use embedder::{Embed, OnnxEmbedder, Purpose};
use vinedb_tests::measure::{Cost, Failure, cost, median, spread};

const CLIENTS: usize = 16;

/// Measures and prints, in turns.
pub(crate) fn report(
    embedder: &OnnxEmbedder,
    texts: &[String],
    passes: usize,
) -> Result<(), Failure> {
    let mut turns = Vec::new();
    for _ in 0..passes {
        turns.push((
            super::embed_all(embedder, texts)?.clock,
            from_clients(embedder, texts)?.clock,
        ));
    }
    let rate = |seconds: f64| texts.len() as f64 / seconds;
    println!(
        "{CLIENTS} clients, a text each: {:.1} texts/s, all at once {:.1}, ratio {}\n",
        rate(median(turns.iter().map(|turn| turn.1))),
        rate(median(turns.iter().map(|turn| turn.0))),
        spread(turns.iter().map(|turn| turn.0 / turn.1)),
    );
    Ok(())
}

fn from_clients(embedder: &OnnxEmbedder, texts: &[String]) -> Result<Cost, Failure> {
    let next = AtomicUsize::new(0);
    let client = || -> Result<(), Failure> {
        while let Some(text) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
            embedder.embed(&[text], Purpose::Query)?;
        }
        Ok(())
    };
    cost(|| {
        std::thread::scope(|scope| {
            let crew: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            crew.into_iter()
                .try_for_each(|worker| worker.join().map_err(|_| "a client panicked")?)
        })
    })
}
