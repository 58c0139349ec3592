//! `vinedb import` of real texts against bare ONNX Runtime on the same model, in one run, pass by pass in turn.
//!
//! The import is the whole command: it starts, loads the model, reads the file, tokenizes, embeds, writes to SQLite, builds
//! the index and ends, each time into a new database. Bare ONNX Runtime (`bare.rs`) has nothing to do but run the model, in
//! whichever setting of several is best on this machine: one single-threaded session per core or one session on all cores,
//! with batches of 256 to 2,048 tokens. The median of the turns' ratios is what counts.
//!
//! ```text
//! cargo bench -p vinedb-tests --bench import -- [--texts 2000] [--passes 3]
//! ```
//!
//! `VINEDB_DATA` names a folder with `wine/winemag_130k_v2_first5811.csv`; without it the texts are those of the sommelier's
//! list. Model and runtime are those of `VINEDB_HOME`, as everywhere.
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

mod bare;
#[path = "../reviews.rs"]
mod reviews;

use std::path::Path;

use bare::{Bare, Setting};
use reviews::Reviews;
use vinedb_tests::measure::{self, Cost, Failure, cost, median};

/// The settings are compared on every so-manieth text.
const SAMPLE_STEP: usize = 5;
const BUDGETS: [usize; 4] = [256, 512, 1024, 2048];

fn main() -> Result<(), Failure> {
    let passes = measure::number("--passes", 3)?;
    let program = vinedb_tests::binary();
    println!("{}", measure::machine());
    let folder = tempfile::tempdir_in(measure::kept_folder()?)?;
    let reviews = Reviews::write(folder.path(), measure::number("--texts", 2_000)?)?;
    let bare = Bare::new(&reviews.texts)?;
    let tokens = bare.tokens() as f64 / reviews.texts.len() as f64;
    println!(
        "{} {}, ONNX Runtime {}",
        program.file_name().unwrap_or_default().display(),
        env!("CARGO_PKG_VERSION"),
        measure::runtime_version()
    );
    println!(
        "{} {}, {tokens:.0} tokens each; {}\n",
        reviews.texts.len(),
        reviews.source,
        vinedb::models::DEFAULT_MODEL
    );
    let setting = best_setting(&bare)?;
    let turns = turns(
        &bare,
        setting,
        &reviews,
        &folder.path().join("import.vinedb"),
        passes,
    )?;
    println!(
        "Bare at its best ({setting}), {passes} passes each:\n\n{}",
        report(&turns, reviews.texts.len())
    );
    Ok(())
}

/// The setting in which bare ONNX Runtime is fastest, by the better of two passes over a sample.
fn best_setting(bare: &Bare) -> Result<Setting, Failure> {
    let cores = std::thread::available_parallelism()?.get();
    let mut rates = Vec::new();
    for (sessions, threads) in [(cores, 1), (1, cores)] {
        let mut open = bare.sessions(Setting {
            sessions,
            threads,
            budget: 0,
        })?;
        bare.pass(&mut open, BUDGETS[0], SAMPLE_STEP)?;
        for budget in BUDGETS {
            let mut pass = || cost(|| bare.pass(&mut open, budget, SAMPLE_STEP));
            let rate = bare.len(SAMPLE_STEP) as f64 / pass()?.clock.min(pass()?.clock);
            rates.push((
                rate,
                Setting {
                    sessions,
                    threads,
                    budget,
                },
            ));
        }
    }
    for (rate, setting) in &rates {
        println!("bare, {setting}: {rate:.1} texts/s");
    }
    let best = rates
        .into_iter()
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, setting)| setting)
        .ok_or_else(|| "there are no settings".into())
}

/// A pass of each, one after the other.
struct Turn {
    bare: Cost,
    import: Cost,
}

fn turns(
    bare: &Bare,
    setting: Setting,
    reviews: &Reviews,
    database: &Path,
    passes: usize,
) -> Result<Vec<Turn>, Failure> {
    let mut sessions = bare.sessions(setting)?;
    bare.pass(&mut sessions, setting.budget, SAMPLE_STEP)?;
    let mut turn = |_| {
        reviews::create(database)?;
        let turn = Turn {
            bare: cost(|| bare.pass(&mut sessions, setting.budget, 1))?,
            import: cost(|| reviews::import(database, reviews))?,
        };
        check(database, reviews.texts.len())?;
        Ok(turn)
    };
    (0..passes).map(&mut turn).collect()
}

/// Everything must have arrived in the index.
fn check(database: &Path, count: usize) -> Result<(), Failure> {
    let stats =
        reviews::vinedb(&["stats", reviews::argument(database)?, "reviews", "--json"])?.json();
    let held = |name: &str| stats[name].as_u64().unwrap_or_default();
    if (held("documents"), held("sealed")) == (count as u64, count as u64) {
        return Ok(());
    }
    Err(format!("{count} documents should have been imported and indexed: {stats}").into())
}

fn report(turns: &[Turn], texts: usize) -> String {
    let rate = |cost: fn(&Turn) -> f64| {
        format!(
            "{:.1}",
            median(turns.iter().map(|turn| texts as f64 / cost(turn)))
        )
    };
    let row = |by: &str, bare: fn(&Turn) -> f64, import: fn(&Turn) -> f64| {
        let ratios = turns.iter().map(|turn| bare(turn) / import(turn));
        vec![
            by.to_owned(),
            rate(import),
            rate(bare),
            measure::spread(ratios),
        ]
    };
    let rows = [
        row(
            "by the clock",
            |turn| turn.bare.clock,
            |turn| turn.import.clock,
        ),
        row(
            "by processor time",
            |turn| turn.bare.processor,
            |turn| turn.import.processor,
        ),
    ];
    let head = [
        "texts per second",
        "vinedb import",
        "bare ONNX Runtime",
        "ratio (lowest to highest)",
    ];
    measure::table(&head, &rows)
}
