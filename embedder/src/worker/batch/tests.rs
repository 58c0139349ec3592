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
fn a_document_too_long_to_share_goes_with_a_single_query() {
    let texts = [[(Document, 100)].as_slice(), &[(Query, 5); 20]].concat();
    let mut planner = planner(20, &texts);
    let batches: Vec<_> = (0..6).map(|_| numbers(planner.next(1))).collect();
    assert_eq!(
        batches[3..],
        [vec![13, 14, 15, 16], vec![0, 17], vec![18, 19, 20]]
    );
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
fn queries_go_first_and_take_documents_along_in_one_batch_of_five() {
    let texts = [
        [(Document, 18), (Document, 5), (Document, 4)].as_slice(),
        &[(Query, 5); 26],
    ]
    .concat();
    let mut planner = planner(20, &texts);
    let order: Vec<_> = std::iter::from_fn(|| planner.next(1))
        .map(|batch| numbers(Some(batch)))
        .collect();
    assert_eq!(
        order[3..],
        [
            vec![15, 16, 17, 18],
            vec![1, 2, 19],
            vec![20, 21, 22, 23],
            vec![24, 25, 26, 27],
            vec![28],
            vec![0],
        ]
    );
}

#[test]
fn where_a_batch_is_one_text_documents_have_one_in_five() {
    let texts = [[(Document, 10); 2].as_slice(), &[(Query, 10); 10]].concat();
    let size = Size {
        tokens: 100,
        texts: 1,
    };
    let mut planner = sized(size, &texts);
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
            let queries = batch.iter().filter(|(number, _)| texts[*number].0 == Query).count();
            let one_of_each = batch.len() == 2 && queries == 1;
            prop_assert!(batch.len() == 1 || one_of_each || batch.len() * longest <= budget);
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

    /// Queries come in all the time, as many as a batch takes and more: the oldest is always in the next batch, and
    /// the documents come to their end all the same.
    #[test]
    fn a_query_waits_for_no_documents_and_documents_for_no_end(
        documents in prop::collection::vec(1_usize..300, 1..60),
        queries in prop::collection::vec(1_usize..300, 1..9),
        budget in 1_usize..1000,
        most in 2_usize..90,
        workers in 1_usize..4,
    ) {
        let size = Size { tokens: budget, texts: most };
        let texts: Vec<_> = documents.iter().map(|&tokens| (Document, tokens)).collect();
        let mut planner = sized(size, &texts);
        let mut waiting = std::collections::BTreeSet::new();
        let mut number = texts.len();
        for _ in 0..5 * texts.len() {
            for &tokens in &queries {
                planner.push(Query, tokens, (number, tokens));
                waiting.insert(number);
                number += 1;
            }
            let batch = numbers(planner.next(workers));
            let oldest = waiting.first().copied().expect("queries were added");
            prop_assert!(batch.contains(&oldest));
            waiting.retain(|query| !batch.contains(query));
        }
        prop_assert_eq!(planner.len(Document), 0);
    }
}
