//! Random histories of a collection: what may happen to it, and running what happened against a reference of the test's own.

use std::{collections::BTreeMap, fs, ops::Range, path::Path};

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use vinedb::{Collection, SearchParams};

use crate::sample::index_file;

const CASES: u32 = 5;

/// What happens to a collection.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Keys with the seeds of their documents; a key that is there is replaced.
    Upsert(BTreeMap<u16, u64>),
    /// Other metadata under the same text and vectors.
    Regroup(u16, u64),
    Delete(Vec<u16>),
    DeleteGroup(u64),
    Compact,
    Reopen,
    LoseIndex,
}

/// How large things are.
pub(crate) struct Sizes {
    /// Keys there are.
    pub(crate) keys: u16,
    /// Groups that documents are in.
    pub(crate) groups: u64,
    pub(crate) upserted: Range<usize>,
    pub(crate) deleted: Range<usize>,
}

fn step(sizes: &Sizes) -> impl Strategy<Value = Step> + use<> {
    let (keys, groups) = (0..sizes.keys, 0..sizes.groups);
    let seeds = btree_map(keys.clone(), 1_u64..1 << 40, sizes.upserted.clone());
    prop_oneof![
        6 => seeds.prop_map(Step::Upsert),
        2 => (keys.clone(), groups.clone()).prop_map(|(key, group)| Step::Regroup(key, group)),
        3 => vec(keys, sizes.deleted.clone()).prop_map(Step::Delete),
        1 => groups.prop_map(Step::DeleteGroup),
        3 => Just(Step::Compact),
        1 => Just(Step::Reopen),
        1 => Just(Step::LoseIndex),
    ]
}

/// Runs a few histories, always the same for a seed: each begins with `fill` documents, which are sealed, and goes on with
/// steps, after each of which `live` checks with the number that comes with it.
pub(crate) fn run(
    seed: u8,
    sizes: &Sizes,
    fill: u16,
    live: impl Fn(&mut dyn Iterator<Item = (Step, Option<u64>)>),
) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let steps = vec((step(sizes), any::<u32>()), 4..14);
    let outcome = TestRunner::new_with_rng(config, rng).run(&steps, |steps| {
        let first = (0..fill).map(|key| (key, u64::from(key) + (1 << 41)));
        let begin = [Step::Upsert(first.collect()), Step::Compact];
        let begin = begin.into_iter().map(|step| (step, None));
        let steps = steps.into_iter();
        live(&mut begin.chain(steps.map(|(step, number)| (step, Some(u64::from(number))))));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// As little as an index of this kind can be asked for, so that graphs and lists err.
pub(crate) fn least(index: &str) -> SearchParams {
    SearchParams {
        ef_search: index.to_lowercase().contains("hnsw").then_some(1),
        nprobe: index.contains("IVF").then_some(1),
        ..SearchParams::DEFAULT
    }
}

/// Closes a collection that nobody else holds, with its database, and takes its index file away if `lose` says so.
pub(crate) fn close(
    dir: &Path,
    name: &str,
    collection: Collection,
    database: impl Sized,
    lose: bool,
) {
    let sealed = collection
        .stats()
        .unwrap()
        .local
        .expect("the index is in this process")
        .generation
        > 0;
    drop((collection, database));
    if lose && sealed {
        fs::remove_file(index_file(&dir.join(name))).unwrap();
    }
}
