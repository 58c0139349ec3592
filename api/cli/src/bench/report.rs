//! What a bench says in the end: one JSON value, or a table.

use anyhow::Result;
use serde::Serialize;

use super::{
    searches::{Bench, Setting},
    timing::Timing,
};
use crate::output::{Output, thousands};

/// One setting, measured.
#[derive(Serialize)]
pub(super) struct Measured {
    param: String,
    recall: f64,
    k: usize,
    queries: usize,
    threads: usize,
    single: Timing,
    batch: Timing,
    #[serde(skip)]
    passes: Vec<(Timing, Timing)>,
}

impl Measured {
    pub(super) fn new(bench: &Bench<'_>, setting: &Setting, recall: f64) -> Self {
        let none = Timing::median(&[]);
        Self {
            param: setting.name.clone(),
            recall,
            k: bench.args.top_k,
            queries: bench.queries.len(),
            threads: bench.args.threads,
            single: none,
            batch: none,
            passes: Vec::new(),
        }
    }

    /// Takes in a pass.
    pub(super) fn add(&mut self, single: Timing, batch: Timing) {
        self.passes.push((single, batch));
        let (singles, batches): (Vec<_>, Vec<_>) = self.passes.iter().copied().unzip();
        (self.single, self.batch) = (Timing::median(&singles), Timing::median(&batches));
    }

    fn row(&self, width: usize) -> String {
        let Timing {
            qps,
            p50_ms,
            p99_ms,
        } = self.single;
        let batch = &self.batch;
        format!(
            "{:width$}  {:>9.4}  {qps:>10.0}  {p50_ms:>8.3}  {p99_ms:>8.3}  {:>10.0}  {:>8.3}  {:>8.3}",
            self.param, self.recall, batch.qps, batch.p50_ms, batch.p99_ms
        )
    }
}

/// An object where one setting was measured, an array of them where several were.
pub(super) fn print(bench: &Bench<'_>, mut measured: Vec<Measured>, output: &Output) -> Result<()> {
    let stats = bench.collection.stats()?;
    let about = format!(
        "queries: {}; nearest: {} of {} documents; index: {}; threads: {}; passes: {}, of which the medians",
        thousands(bench.queries.len() as u64),
        bench.args.top_k,
        thousands(stats.documents),
        stats
            .local
            .as_ref()
            .and_then(|local| local.index.as_deref())
            .unwrap_or("none"),
        bench.args.threads,
        bench.args.passes
    );
    match measured.pop() {
        Some(only) if measured.is_empty() => {
            output.result(&only, |only| table(&about, std::slice::from_ref(only)))
        }
        last => {
            measured.extend(last);
            output.result(&measured, |all| table(&about, all))
        }
    }
}

fn table(about: &str, all: &[Measured]) -> String {
    let names = all.iter().map(|one| one.param.len());
    let width = names.max().unwrap_or_default().max("param".len());
    let recall = format!("recall@{}", all.first().map_or(0, |one| one.k));
    let head = format!(
        "{:width$}  {recall:>9}  {:>10}  {:>8}  {:>8}  {:>10}  {:>8}  {:>8}",
        "param", "queries/s", "p50 ms", "p99 ms", "batch q/s", "p50 ms", "p99 ms"
    );
    let rows = all.iter().map(|one| one.row(width));
    let lines: Vec<String> = [about.to_owned(), head].into_iter().chain(rows).collect();
    lines.join("\n")
}
