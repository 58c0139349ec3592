//! Our side: [`engine::Index`] in a process of its own, so that its memory can be told from everything else. It answers the
//! requests that `peer.py` does, a JSON value a line, and does the same work for each.

use std::{
    fs,
    io::{self, BufRead, Write},
    path::Path,
    sync::Barrier,
    thread,
};

use engine::{Index, Kind, Metric, SearchParams, Select, with_threads};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use vinedb_tests::measure::{Failure, cost};

/// Answers requests until there are no more.
pub(crate) fn serve() -> Result<(), Failure> {
    let mut side = Side::default();
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let answer = match side.answer(request) {
            Ok(answer) => answer,
            Err(error) => json!({"error": error.to_string()}),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

#[derive(Default)]
struct Side {
    dimension: usize,
    metric: Option<Metric>,
    base: Vec<f32>,
    queries: Vec<f32>,
    index: Option<Index>,
}

#[derive(Deserialize)]
struct Load {
    base: String,
    queries: String,
    dimension: usize,
    metric: String,
}

#[derive(Deserialize)]
struct Build {
    factory: String,
    threads: usize,
}

#[derive(Deserialize)]
struct Find {
    params: SearchParams,
    k: usize,
}

#[derive(Deserialize)]
struct Search {
    params: SearchParams,
    k: usize,
    batch: usize,
    threads: usize,
    count: usize,
}

impl Side {
    fn answer(&mut self, request: Value) -> Result<Value, Failure> {
        match request["do"].as_str().unwrap_or_default() {
            "load" => self.load(&read(request)?),
            "build" => self.build(&read(request)?),
            "find" => self.find(&read(request)?),
            "search" => self.search(&read(request)?),
            other => Err(format!("nothing does {other}").into()),
        }
    }

    fn load(&mut self, load: &Load) -> Result<Value, Failure> {
        self.dimension = load.dimension;
        self.metric = Some(load.metric.parse()?);
        self.base = numbers(load.base.as_ref())?;
        self.queries = numbers(load.queries.as_ref())?;
        Ok(json!({"version": concat!("vinedb ", env!("CARGO_PKG_VERSION"))}))
    }

    fn build(&mut self, build: &Build) -> Result<Value, Failure> {
        let kind: Kind = build.factory.parse()?;
        let metric = self.metric.ok_or("nothing is loaded")?;
        let rows = i64::try_from(self.base.len() / self.dimension)?;
        let ids: Vec<i64> = (0..rows).collect();
        self.index = None;
        let before = resident()?;
        let mut built = None;
        let spent = cost(|| {
            built = Some(with_threads(build.threads, || {
                let mut index = Index::new(self.dimension, metric, &kind)?;
                index.train(&self.base)?;
                index.add(&ids, &self.base)?;
                index.use_huge_pages();
                Ok::<_, engine::Error>(index)
            })?);
            Ok(())
        })?;
        let index = built.ok_or("nothing was built")?;
        let grown = resident()? - before;
        let bytes = index.memory_bytes();
        self.index = Some(index);
        Ok(json!({
            "clock": spent.clock, "processor": spent.processor, "resident": grown, "bytes": bytes,
        }))
    }

    fn find(&self, find: &Find) -> Result<Value, Failure> {
        let answers = self
            .index()?
            .search(&self.queries, find.k, &find.params, Select::All)?;
        let ids = |hits: &Vec<engine::Hit>| hits.iter().map(|hit| hit.id).collect::<Vec<_>>();
        Ok(json!({"rows": answers.iter().map(ids).collect::<Vec<_>>()}))
    }

    fn index(&self) -> Result<&Index, Failure> {
        Ok(self.index.as_ref().ok_or("nothing is built")?)
    }

    /// `count` queries, `batch` at a time: a batch spreads itself, single queries go out on threads of their own.
    fn search(&self, search: &Search) -> Result<Value, Failure> {
        let index = self.index()?;
        let workers = if search.batch == 1 { search.threads } else { 1 };
        let views: Vec<&[f32]> = self
            .queries
            .chunks_exact(search.batch * self.dimension)
            .collect();
        let calls: Vec<&[f32]> = views
            .iter()
            .copied()
            .cycle()
            .take(search.count / search.batch)
            .collect();
        let parts: Vec<_> = calls.chunks(calls.len().div_ceil(workers).max(1)).collect();
        let ready = Barrier::new(parts.len() + 1);
        let work = |part: &[&[f32]]| {
            ready.wait();
            with_threads(search.threads / workers, || {
                part.iter().try_for_each(|queries| {
                    index
                        .search(queries, search.k, &search.params, Select::All)
                        .map(drop)
                })
            })
        };
        let spent = thread::scope(|scope| {
            let crew: Vec<_> = parts
                .iter()
                .map(|part| scope.spawn(|| work(part)))
                .collect();
            ready.wait();
            cost(|| {
                for worker in crew {
                    worker
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                }
                Ok(())
            })
        })?;
        Ok(json!({"clock": spent.clock, "processor": spent.processor}))
    }
}

fn read<T: DeserializeOwned>(request: Value) -> Result<T, Failure> {
    Ok(serde_json::from_value(request)?)
}

fn numbers(path: &Path) -> Result<Vec<f32>, Failure> {
    let bytes = fs::read(path)?;
    let fours = bytes.chunks_exact(4);
    Ok(fours
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect())
}

/// Bytes of memory that this process holds (`proc_pid_statm(5)`), in pages of 4 KiB as x86-64 has them.
fn resident() -> Result<i64, Failure> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm
        .split(' ')
        .nth(1)
        .ok_or("/proc/self/statm has one field")?;
    Ok(pages.parse::<i64>()? * 4096)
}
