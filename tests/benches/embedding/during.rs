//! Searches by text, one after the other, alone and while another thread imports texts as fast as it can.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use vinedb::{Collection, CollectionConfig, Document, Options, Query};
use vinedb_tests::measure::{self, Failure, median, spread};

/// Texts that lie in the collection before.
const STORED: usize = 2_000;
const AT_A_TIME: usize = 512;
const TIME: Duration = Duration::from_secs(6);

/// Measures in turns, and prints.
pub(crate) fn report(texts: &[String], passes: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let database = Options::from_env().open(folder.path())?;
    let collection = database.create_collection("reviews", CollectionConfig::embedded())?;
    let import = Import {
        collection: &collection,
        texts,
        next: AtomicUsize::new(0),
    };
    import.add(STORED)?;
    let mut rows = Vec::new();
    let mut ratios = Vec::new();
    for pass in 0..=passes {
        let idle = searches(&collection)?;
        let (busy, rate) = import.beside(|| searches(&collection))?;
        if pass > 0 {
            ratios.push(at(&busy, 99) / at(&idle, 99));
            rows.push(vec![cell(&idle), cell(&busy), format!("{rate:.0}")]);
        }
    }
    let head = [
        "searches alone: p50, p99, highest, ms",
        "during an import",
        "imported meanwhile, texts/s",
    ];
    let ratio = spread(ratios);
    println!("{}\nRatio of p99: {ratio}\n", measure::table(&head, &rows));
    Ok(())
}

struct Import<'a> {
    collection: &'a Collection,
    texts: &'a [String],
    next: AtomicUsize,
}

impl Import<'_> {
    /// Texts that are in no document yet.
    fn add(&self, count: usize) -> Result<(), Failure> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let document = |number: usize| -> Result<Document, Failure> {
            let text = format!("{} {number}", self.texts[number % self.texts.len()]);
            Ok(Document::new(i64::try_from(number)?, text))
        };
        let documents = (first..first + count).map(document);
        self.collection
            .upsert(documents.collect::<Result<_, _>>()?)?;
        Ok(())
    }

    /// Imports while `work` lasts; the texts a second as well.
    fn beside<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<(T, f64), Failure> {
        let done = AtomicBool::new(false);
        let (began, before) = (Instant::now(), self.next.load(Ordering::Relaxed));
        let importing = || -> Result<(), Failure> {
            while !done.load(Ordering::Relaxed) {
                self.add(AT_A_TIME)?;
            }
            Ok(())
        };
        let worked = thread::scope(|scope| {
            let importer = scope.spawn(importing);
            let worked = work();
            done.store(true, Ordering::Relaxed);
            importer.join().map_err(|_| "the importer panicked")??;
            worked
        })?;
        let count = self.next.load(Ordering::Relaxed) - before;
        Ok((worked, count as f64 / began.elapsed().as_secs_f64()))
    }
}

/// Milliseconds, ascending, of the searches of a set time.
fn searches(collection: &Collection) -> Result<Vec<f64>, Failure> {
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < TIME {
        let start = Instant::now();
        collection.search(&Query::text(super::QUERY).top_k(10))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn at(times: &[f64], percent: usize) -> f64 {
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or(f64::NAN)
}

fn cell(times: &[f64]) -> String {
    let middle = median(times.iter().copied());
    format!("{middle:.2}, {:.2}, {:.1}", at(times, 99), at(times, 100))
}
