//! What each kind can do, tried: every kind with every metric, under a selection, grown, saved. The table in
//! `docs/indexes.md` is written from what was seen (`VINEDB_WRITE_TABLE=1 cargo test -p vinedb-engine table`), and a cell
//! that says otherwise fails.

use std::fs;
use std::path::Path;

use super::fixtures::*;
use crate::{Device, Error, IdSet, Index, Kind, Metric, SearchParams, Select, Stamp};

const DIMENSION: usize = 16;
const BEGIN: &str = "<!-- kinds -->";
const END: &str = "<!-- /kinds -->";

/// What was seen of one kind.
struct Row {
    kind: Kind,
    metrics: Vec<Metric>,
    trains: bool,
    grows: bool,
    selects: bool,
    removes: bool,
    saves: bool,
    maps: bool,
    gpu: bool,
}

fn data(metric: Metric, seed: u64, rows: usize) -> Vec<f32> {
    suited(metric, &clustered(seed, rows, DIMENSION, 4))
}

/// Builds the kind with the metric, and looks for what is nearest by brute force: all of it where whole vectors are kept,
/// most of it elsewhere.
fn works_with(kind: &Kind, metric: Metric) -> bool {
    let Ok(mut index) = Index::new(DIMENSION, metric, kind) else {
        return false;
    };
    let rows = kind.min_vectors(DIMENSION).max(300);
    let (points, queries) = (data(metric, 61, rows), data(metric, 62, 10));
    index.train(&points).unwrap();
    index.add(&ids(rows), &points).unwrap();
    let found = index
        .search(&queries, 10, &SearchParams::EXACT, Select::All)
        .unwrap();
    let truth: Vec<_> = queries
        .chunks(DIMENSION)
        .map(|query| brute_force(metric, &points, DIMENSION, query, 10, Select::All))
        .collect();
    let share = recall(&found, &truth);
    // By chance it would be 10 of 300 or fewer.
    let least = if kind.is_lossless() { 0.98 } else { 0.12 };
    assert!(share >= least, "{kind} {metric}: {share}");
    true
}

fn built(kind: &Kind) -> Index {
    let rows = kind.min_vectors(DIMENSION).max(300);
    build(Metric::L2, kind, DIMENSION, &data(Metric::L2, 61, rows))
}

/// With every second vector left out, none of those comes back and all others can.
fn selects(index: &Index) -> bool {
    let gone: IdSet = index.ids().iter().copied().step_by(2).collect();
    let query = data(Metric::L2, 63, 1);
    let left = index.len() - gone.len();
    let hits = index.search(
        &query,
        usize::MAX,
        &SearchParams::DEFAULT,
        Select::Except(&gone),
    );
    let hits = hits.unwrap().remove(0);
    hits.len() == left && hits.iter().all(|hit| !gone.contains(hit.id))
}

fn grows(index: &Index) -> bool {
    let mut grown = index.try_clone().unwrap();
    let last = index.last_id().unwrap();
    match grown.add(&[last + 1], &data(Metric::L2, 64, 1)) {
        Ok(()) => grown.len() == index.len() + 1,
        Err(Error::Unsupported { .. }) => false,
        Err(error) => panic!("{}: {error}", index.kind()),
    }
}

fn saves(index: &Index) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    index.save(&path, &Stamp::default()).unwrap();
    Index::load(&path, &Stamp::default()).is_ok_and(|loaded| loaded.ids() == index.ids())
}

fn removes(index: &Index) -> bool {
    let mut less = index.try_clone().unwrap();
    let gone: IdSet = index.ids().iter().copied().step_by(2).collect();
    match less.remove(&gone) {
        Ok(removed) => removed == gone.len() && less.len() == index.len() - gone.len(),
        Err(Error::Unsupported { .. }) => false,
        Err(error) => panic!("{}: {error}", index.kind()),
    }
}

/// Whether the file is among what the process has mapped while the index lives.
fn maps(index: &Index) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    index.save(&path, &Stamp::default()).unwrap();
    let mapped = Index::load_mapped(&path, &Stamp::default()).unwrap();
    assert_eq!(mapped.ids(), index.ids());
    match fs::read_to_string("/proc/self/maps") {
        Ok(list) => list.contains(path.to_str().unwrap()),
        Err(_) => mapped.kind().maps(), // no Linux: nothing to look at
    }
}

fn seen(kind: Kind) -> Row {
    let index = built(&kind);
    let metrics = all_metrics();
    let metrics: Vec<Metric> = metrics
        .into_iter()
        .filter(|m| works_with(&kind, *m))
        .collect();
    for metric in all_metrics() {
        assert_eq!(
            kind.supports(metric),
            metrics.contains(&metric),
            "{kind} {metric}"
        );
    }
    let empty = Index::new(DIMENSION, Metric::L2, &kind).unwrap();
    let row = Row {
        metrics,
        trains: !empty.is_trained(),
        grows: grows(&index),
        selects: selects(&index),
        removes: removes(&index),
        saves: saves(&index),
        maps: maps(&index),
        gpu: Device::Cuda(None).check().is_ok(),
        kind,
    };
    assert_eq!(row.trains, row.kind.trains(), "{}", row.kind);
    assert_eq!(row.grows, row.kind.can_grow(), "{}", row.kind);
    assert_eq!(row.removes, row.kind.can_remove(), "{}", row.kind);
    assert_eq!(row.maps, row.kind.maps(), "{}", row.kind);
    assert!(row.selects, "{}: deletes are selections", row.kind);
    assert!(row.saves, "{}", row.kind);
    row
}

fn line(row: &Row) -> String {
    let yes = |is| if is { "yes" } else { "no" };
    let metrics: Vec<String> = match row.metrics.len() {
        10 => vec!["all".to_owned()],
        _ => row.metrics.iter().map(Metric::to_string).collect(),
    };
    format!(
        "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} |",
        row.kind,
        metrics.join(", "),
        yes(row.trains),
        yes(row.grows),
        yes(row.selects),
        yes(row.removes),
        yes(row.saves),
        yes(row.maps),
        yes(row.gpu)
    )
}

#[test]
fn the_table_of_kinds_is_what_was_seen() {
    let heading = "| kind | metrics | trained | grows | filter, deletes by selection | removes | saved | mapped | GPU |\n\
                   |---|---|---|---|---|---|---|---|---|";
    let lines: Vec<String> = catalogue()
        .into_iter()
        .map(|kind| line(&seen(kind)))
        .collect();
    let table = format!("{BEGIN}\n{heading}\n{}\n{END}", lines.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/indexes.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let written = format!("{before}{table}{after}");
    if std::env::var_os("VINEDB_WRITE_TABLE").is_some() {
        fs::write(&path, &written).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap();
    assert_eq!(page, written, "docs/indexes.md is not what was seen");
}
