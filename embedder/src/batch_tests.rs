//! The planner's promises: nothing lost, nothing over budget, queries first, documents never starved.

use super::*;
use Purpose::{Document, Query};
use proptest::prelude::*;

/// A planner over texts that are known by their number and length.
fn planner(budget: usize, texts: &[(Purpose, usize)]) -> Planner<(usize, usize)> {
    let mut planner = Planner::new(budget);
    for (number, &(purpose, tokens)) in texts.iter().enumerate() {
        planner.push(purpose, tokens, (number, tokens));
    }
    planner
}

fn numbers(batch: Option<Vec<(usize, usize)>>) -> Vec<usize> {
    let mut numbers: Vec<_> = batch
        .unwrap_or_default()
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn documents_of_similar_length_share_a_batch_longest_first() {
    let mut planner = planner(
        20,
        &[
            (Document, 10),
            (Document, 2),
            (Document, 9),
            (Document, 3),
            (Document, 2),
        ],
    );
    assert_eq!(numbers(planner.next(1)), [0, 2]);
    assert_eq!(numbers(planner.next(1)), [1, 3, 4]);
    assert!(planner.next(1).is_none());
}

#[test]
fn a_text_above_the_budget_goes_alone() {
    let mut planner = planner(
        20,
        &[(Document, 100), (Document, 5), (Query, 50), (Query, 50)],
    );
    assert_eq!(numbers(planner.next(1)), [2]);
    assert_eq!(numbers(planner.next(1)), [0]);
    assert_eq!(numbers(planner.next(1)), [3]);
    assert_eq!(numbers(planner.next(1)), [1]);
}

#[test]
fn queries_go_first_and_never_twice_while_documents_wait() {
    let mut planner = planner(
        10,
        &[
            (Document, 10),
            (Document, 10),
            (Query, 10),
            (Query, 10),
            (Query, 10),
        ],
    );
    let order: Vec<_> = std::iter::from_fn(|| planner.next(1))
        .map(|batch| numbers(Some(batch))[0])
        .collect();
    assert_eq!(order, [2, 0, 3, 1, 4]);
}

#[test]
fn the_oldest_query_is_in_the_batch_with_those_of_its_length() {
    let mut planner = planner(
        40,
        &[
            (Query, 10),
            (Query, 90),
            (Query, 11),
            (Query, 10),
            (Query, 8),
        ],
    );
    assert_eq!(numbers(planner.next(1)), [0, 2, 3]);
    assert_eq!(numbers(planner.next(1)), [1]);
    assert_eq!(numbers(planner.next(1)), [4]);
}

#[test]
fn little_work_is_shared_between_the_workers() {
    let mut documents = planner(1000, &[(Document, 10); 8]);
    assert_eq!(documents.next(2).unwrap().len(), 4);
    assert_eq!(documents.next(2).unwrap().len(), 4);
    let mut queries = planner(1000, &[(Query, 10); 8]);
    assert_eq!(queries.next(4).unwrap().len(), 2);
}

#[test]
fn later_documents_wait_for_the_next_generation() {
    let mut planner = planner(10, &[(Document, 3), (Document, 10)]);
    assert_eq!(numbers(planner.next(1)), [1]);
    planner.push(Document, 9, (2, 9));
    assert_eq!(
        numbers(planner.next(1)),
        [0],
        "an older text waits for no newer one"
    );
    assert_eq!(numbers(planner.next(1)), [2]);
}

#[test]
fn withdrawn_texts_are_dropped_from_every_lane() {
    let mut planner = planner(10, &[(Document, 10), (Document, 5), (Query, 5), (Query, 5)]);
    planner.push(Document, 1, (9, 1));
    assert_eq!(numbers(planner.next(1)), [2, 3]);
    assert_eq!(numbers(planner.next(1)), [0]);
    planner.push(Query, 5, (10, 5));
    planner.push(Document, 5, (11, 5));
    planner.retain(|&(number, _)| number == 11);
    assert_eq!((planner.len(Query), planner.len(Document)), (0, 1));
    assert_eq!(numbers(planner.next(1)), [11]);
    assert!(planner.is_empty());
}

fn texts() -> impl Strategy<Value = Vec<(Purpose, usize)>> {
    prop::collection::vec(
        (prop_oneof![Just(Query), Just(Document)], 1_usize..300),
        0..400,
    )
}

proptest! {
    #[test]
    fn every_text_comes_out_once_and_within_the_budget(texts in texts(), budget in 1_usize..2000, workers in 0_usize..5) {
        let mut planner = planner(budget, &texts);
        let mut seen = Vec::new();
        while let Some(batch) = planner.next(workers) {
            let longest = batch.iter().map(|&(_, tokens)| tokens).max().expect("no batch is empty");
            prop_assert!(batch.len() == 1 || batch.len() * longest <= budget);
            seen.extend(batch.into_iter().map(|(number, _)| number));
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..texts.len()).collect::<Vec<_>>());
        prop_assert!(planner.is_empty());
    }

    #[test]
    fn draining_gives_what_waits(texts in texts(), taken in 0_usize..4) {
        let mut planner = planner(300, &texts);
        let taken: usize = (0..taken).filter_map(|_| planner.next(2)).map(|batch| batch.len()).sum();
        prop_assert_eq!(planner.len(Query) + planner.len(Document), texts.len() - taken);
        prop_assert_eq!(planner.drain().len(), texts.len() - taken);
        prop_assert!(planner.is_empty());
    }
}
