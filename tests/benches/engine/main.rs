//! `engine` against FAISS's own Python package: the same vectors, factory strings, parameters and threads, in one run.
//!
//! Each side is a process of its own that loads the vectors, builds the index and searches, and rests while the other one
//! works. Building starts both anew each time, in turn. Searches take turns too, all modes in every turn: single queries and
//! batches of 256, on one thread and on two (single queries then come from two threads at once, on the one index). Rates
//! are medians over the turns, a ratio is the median of the turns' ratios. Recall is against brute force; where the sides
//! differ in it at equal parameters, FAISS's rate at our recall is read off its own curve. For cosine both scale their
//! vectors to length 1 while building; queries Python gets scaled beforehand.
//!
//! ```text
//! make bench BENCH=engine
//! cargo bench -p vinedb-tests --bench engine -- [--set glove] [--kind HNSW32] [--turns 7] [--builds 3]
//!     [--queries 1024] [--vectors 400000] [--milliseconds 300]
//! ```
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

mod cases;
mod ours;
mod report;
mod side;

use std::{path::Path, time::Duration};

use cases::{Case, Files, cases};
use report::{Measured, Outcome};
use serde_json::Value;
use side::{Built, Mode, Pace, Side};
use vinedb_tests::{
    measure::{self, Failure},
    sets::Set,
};

/// The modes of searching, in the order of the reports.
const MODES: [Mode; 4] = [
    Mode {
        batch: 1,
        threads: 1,
    },
    Mode {
        batch: 1,
        threads: 2,
    },
    Mode {
        batch: 256,
        threads: 1,
    },
    Mode {
        batch: 256,
        threads: 2,
    },
];
const BUILD_THREADS: usize = 2;
/// Queries that warm a side up, and tell how many fill a pass.
const WARM: usize = 32;

/// How much is measured.
struct Plan {
    turns: usize,
    builds: usize,
    vectors: usize,
    queries: usize,
    pass: Duration,
}

fn main() -> Result<(), Failure> {
    if measure::flag("--serve") {
        return ours::serve();
    }
    let plan = Plan {
        turns: measure::number("--turns", 7)?,
        builds: measure::number("--builds", 3)?,
        vectors: measure::number("--vectors", usize::MAX / 1024)?,
        queries: measure::number("--queries", 1024)?,
        pass: Duration::from_millis(u64::try_from(measure::number("--milliseconds", 300)?)?),
    };
    println!("{}", measure::machine());
    let folder = tempfile::tempdir_in(measure::kept_folder()?)?;
    let mut outcomes = Vec::new();
    for name in ["fashion", "glove"] {
        if measure::text("--set").is_none_or(|wanted| wanted == name) {
            outcomes.extend(compare(name, &plan, folder.path())?);
        }
    }
    println!("{}", report::summary(&outcomes));
    Ok(())
}

/// Every kind on one set of vectors.
fn compare(name: &str, plan: &Plan, folder: &Path) -> Result<Vec<Outcome>, Failure> {
    let set = Set::named(name, plan.vectors, plan.queries)?;
    let files = Files::write(&set, folder)?;
    println!(
        "\n## {name}: {} × {}, {}, {} queries, k = {}\n",
        set.len(),
        set.dimension,
        set.metric,
        set.truth.len(),
        vinedb_tests::sets::K
    );
    let wanted = measure::text("--kind");
    let mut outcomes = Vec::new();
    for case in cases(set.dimension) {
        if wanted.as_ref().is_none_or(|wanted| *wanted == case.factory) {
            let outcome = outcome(&set, &files, &case, plan)?;
            println!("{}", report::details(&outcome));
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}

fn outcome(set: &Set, files: &Files, case: &Case, plan: &Plan) -> Result<Outcome, Failure> {
    let (mut sides, builds) = built(files, &case.factory, plan.builds.max(1))?;
    let mut settings = Vec::new();
    for params in &case.settings {
        settings.push(measured(set, &mut sides, params, plan)?);
    }
    Ok(Outcome {
        set: set.name,
        factory: case.factory.clone(),
        versions: sides.map(|side| side.version.clone()),
        builds,
        settings,
    })
}

/// Both sides with their indexes, built so many times, each time in new processes; who begins changes from time to time.
fn built(
    files: &Files,
    factory: &str,
    times: usize,
) -> Result<([Side; 2], Vec<[Built; 2]>), Failure> {
    let mut builds = Vec::new();
    loop {
        let mut sides = [Side::start(0, files)?, Side::start(1, files)?];
        builds.push(in_turn(builds.len(), &mut sides, |side| {
            side.build(factory, BUILD_THREADS)
        })?);
        if builds.len() == times {
            return Ok((sides, builds));
        }
    }
}

fn measured(
    set: &Set,
    sides: &mut [Side; 2],
    params: &Value,
    plan: &Plan,
) -> Result<Measured, Failure> {
    let recall = in_turn(0, sides, |side| Ok(set.recall(&side.find(params)?)))?;
    let mut counts = [0; MODES.len()];
    for (count, mode) in counts.iter_mut().zip(MODES) {
        let warm = in_turn(0, sides, |side| {
            side.pass(params, mode, WARM.max(mode.batch))
        })?;
        let slower = warm[0].clock.max(warm[1].clock) * mode.batch as f64;
        let call = Duration::try_from_secs_f64(slower)?.as_nanos().max(1);
        let calls = usize::try_from(plan.pass.as_nanos() / call)?;
        *count = calls.max(WARM / mode.batch).max(1) * mode.batch;
    }
    let mut turns = Vec::new();
    for turn in 0..plan.turns.max(1) {
        let mut paces = [[Pace::default(); 2]; MODES.len()];
        for ((pace, count), mode) in paces.iter_mut().zip(counts).zip(MODES) {
            *pace = in_turn(turn, sides, |side| side.pass(params, mode, count))?;
        }
        turns.push(paces);
    }
    Ok(Measured {
        params: params.clone(),
        recall,
        turns,
    })
}

/// Asks one side after the other; in odd turns FAISS begins.
fn in_turn<T: Copy>(
    turn: usize,
    sides: &mut [Side; 2],
    mut ask: impl FnMut(&mut Side) -> Result<T, Failure>,
) -> Result<[T; 2], Failure> {
    let [ours, theirs] = sides;
    if turn.is_multiple_of(2) {
        let first = ask(ours)?;
        return Ok([first, ask(theirs)?]);
    }
    let first = ask(theirs)?;
    Ok([ask(ours)?, first])
}
