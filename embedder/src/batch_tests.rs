//! The planner's promises: nothing lost, nothing over budget, queries first, documents never starved.

use super::*;
use Purpose::{Document, Query};
use proptest::prelude::*;

/// A planner over texts that are known by their number and length.
fn planner(tokens: usize, texts: &[(Purpose, usize)]) -> Planner<(usize, usize)> {
    sized(
        Size {
            tokens,
            texts: 1000,
        },
        texts,
    )
}

fn sized(size: Size, texts: &[(Purpose, usize)]) -> Planner<(usize, usize)> {
    let mut planner = Planner::new(size);
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
    for number in [2, 3, 0, 1] {
        assert_eq!(numbers(planner.next(1)), [number]);
    }
}

#[test]
fn no_batch_has_more_texts_than_allowed() {
    let size = Size {
        tokens: 1000,
        texts: 3,
    };
    for purpose in [Query, Document] {
        let mut planner = sized(size, &[(purpose, 2); 7]);
        let sizes = std::iter::from_fn(|| planner.next(1)).map(|batch| batch.len());
        let mut sizes: Vec<_> = sizes.collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 3, 3]);
    }
}

#[test]
fn a_batch_is_full_by_its_texts_or_its_tokens() {
    let size = Size {
        tokens: 20,
        texts: 3,
    };
    let is_full = |texts: &[_]| sized(size, texts).has_a_full_batch();
    assert!(!is_full(&[]) && !is_full(&[(Query, 9), (Document, 9)]));
    assert!(is_full(&[(Query, 1), (Query, 1), (Document, 1)]));
    assert!(is_full(&[(Query, 9), (Document, 11)]));
}

#[test]
fn a_smaller_budget_holds_for_the_batches_made_after_it() {
    let mut planner = planner(40, &[(Query, 10); 6]);
    assert_eq!(planner.next(1).unwrap().len(), 4);
    planner.set_tokens(10);
    assert_eq!(planner.next(1).unwrap().len(), 1);
}

#[test]
fn queries_go_first_and_leave_documents_one_batch_in_five() {
    let texts = [[(Document, 10); 2].as_slice(), &[(Query, 10); 10]].concat();
    let mut planner = planner(10, &texts);
    let order: Vec<_> = std::iter::from_fn(|| planner.next(1))
        .map(|batch| numbers(Some(batch))[0])
        .collect();
    assert_eq!(order, [2, 3, 4, 5, 0, 6, 7, 8, 9, 1, 10, 11]);
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
    fn every_text_comes_out_once_and_within_the_budget(texts in texts(), budget in 1_usize..2000, most in 1_usize..90, workers in 0_usize..5) {
        let mut planner = sized(Size { tokens: budget, texts: most }, &texts);
        let mut seen = Vec::new();
        while let Some(batch) = planner.next(workers) {
            let longest = batch.iter().map(|&(_, tokens)| tokens).max().expect("no batch is empty");
            prop_assert!(batch.len() == 1 || batch.len() * longest <= budget);
            prop_assert!(batch.len() <= most);
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
