//! Which texts share a batch: those that wait for each other, those that a failed batch is parted into, queries and documents;
//! and which none is made of: those whose caller left.

use super::*;

#[test]
fn the_text_at_fault_is_found_by_halves() {
    let (rig, release) = Rig::new(1);
    let mut limits = limits(1, 100);
    limits.batch.tokens = 1000;
    let workers = rig.start(limits);
    let blocker = submit(&workers, &[WAIT], Purpose::Document).unwrap();
    rig.await_batches(1);
    let good = submit(&workers, &[1, 2, 3], Purpose::Query).unwrap();
    let bad = submit(&workers, &[4, BAD, 6, 7, 8], Purpose::Query).unwrap();
    drop(release);
    assert_eq!(rows(good), [1.0, 2.0, 3.0]);
    assert!(matches!(bad.wait(), Err(Error::Text { index: 1, .. })));
    // The caller hears of its text at once; the other texts of its batch are embedded after that.
    rig.await_batches(8);
    assert_eq!(
        rig.batches()[1..],
        [
            vec![1, 2, 3, 4, BAD, 6, 7, 8],
            vec![1, 2, 3, 4],
            vec![BAD, 6, 7, 8],
            vec![BAD, 6],
            vec![BAD],
            vec![6],
            vec![7, 8]
        ]
    );
    drop(blocker);
}

/// The wait is far longer than any test: only a full batch can end it.
#[test]
fn texts_of_several_callers_wait_for_each_other_until_their_batch_is_full() {
    let (rig, _release) = Rig::new(1);
    let mut limits = limits(1, 100);
    limits.batch = Size {
        tokens: 1000,
        texts: 3,
    };
    limits.longest_wait = Duration::from_secs(86_400);
    let workers = rig.start(limits);
    let first = submit(&workers, &[1], Purpose::Query).unwrap();
    let second = submit(&workers, &[2], Purpose::Query).unwrap();
    let third = submit(&workers, &[3], Purpose::Query).unwrap();
    assert_eq!(
        (rows(first), rows(second), rows(third)),
        (vec![1.0], vec![2.0], vec![3.0])
    );
    assert_eq!(rig.batches(), [[1, 2, 3]]);
}

#[test]
fn a_text_that_nobody_joins_is_answered_after_the_longest_wait() {
    let (rig, _release) = Rig::new(1);
    let mut limits = limits(1, 100);
    limits.longest_wait = Duration::from_millis(20);
    let workers = rig.start(limits);
    assert_eq!(rows(submit(&workers, &[1], Purpose::Query).unwrap()), [1.0]);
}

#[test]
fn workers_that_wait_for_more_end_when_they_are_dropped() {
    let (rig, _release) = Rig::new(1);
    let mut limits = limits(1, 100);
    limits.longest_wait = Duration::from_secs(86_400);
    let workers = rig.start(limits);
    let waiting = submit(&workers, &[1], Purpose::Query).unwrap();
    drop(workers);
    assert!(matches!(waiting.wait(), Err(Error::Closed)));
    assert!(rig.batches().is_empty());
}

/// A query that comes while a batch of documents runs goes next, whatever else waits.
#[test]
fn a_query_waits_for_one_running_batch_at_most() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    let running = submit(&workers, &[WAIT], Purpose::Document).unwrap();
    rig.await_batches(1);
    let documents = submit(&workers, &[1, 2, 3, 4, 5, 6], Purpose::Document).unwrap();
    let query = submit(&workers, &[9], Purpose::Query).unwrap();
    drop(release);
    assert_eq!((rows(query), rows(documents).len()), (vec![9.0], 6));
    assert_eq!(rig.batches()[1], [9]);
    drop(running);
}

/// Queries wait all the time: each batch has the oldest of them, and documents come along before the last.
#[test]
fn under_constant_queries_documents_come_along_and_hold_up_none() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    let running = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(1);
    let documents = submit(&workers, &[1, 2, 3], Purpose::Document).unwrap();
    let tokens: Vec<u32> = (10..50).collect();
    let queries = submit(&workers, &tokens, Purpose::Query).unwrap();
    drop(release);
    assert_eq!(
        (rows(queries).len(), rows(documents)),
        (40, vec![1.0, 2.0, 3.0])
    );
    let batches = rig.batches().split_off(1);
    let mut waiting = tokens;
    for batch in &batches {
        if let Some(oldest) = waiting.first() {
            assert!(batch.contains(oldest), "{oldest} waits again: {batches:?}");
        }
        waiting.retain(|query| !batch.contains(query));
    }
    let place = |token| {
        batches
            .iter()
            .position(|batch| batch.contains(&token))
            .unwrap()
    };
    assert!(place(3) < place(49), "{batches:?}");
    drop(running);
}

#[test]
fn texts_of_a_caller_who_leaves_are_dropped_and_who_waits_for_them_is_told() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    let running = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(1);
    let client = Caller::default();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            client.attend(|| {
                let pending = submit(&workers, &[5, 6, 7], Purpose::Document).unwrap();
                client.leave();
                let told = pending.wait();
                let again = submit(&workers, &[8], Purpose::Query);
                (told, again.map(drop))
            })
        });
        let (told, again) = waiter.join().unwrap();
        assert!(
            matches!(told, Err(Error::Withdrawn)),
            "told while the batch before runs: {told:?}"
        );
        assert!(matches!(again, Err(Error::Withdrawn)), "{again:?}");
    });
    let last = submit(&workers, &[9], Purpose::Document).unwrap();
    drop(release);
    assert_eq!(rows(last), [9.0]);
    assert_eq!(rig.batches().concat(), [WAIT, 9]);
    drop(running);
}

/// The queue has no room, and none is made before the gate opens.
#[test]
fn a_caller_who_leaves_waits_for_no_room() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 2));
    let running = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(1);
    let before = submit(&workers, &[1, 2], Purpose::Document).unwrap();
    let client = Caller::default();
    std::thread::scope(|scope| {
        let waiter =
            scope.spawn(|| client.attend(|| submit(&workers, &[3], Purpose::Document).map(drop)));
        client.leave();
        assert!(matches!(waiter.join().unwrap(), Err(Error::Withdrawn)));
    });
    drop(release);
    assert_eq!(rows(before), [1.0, 2.0]);
    assert_eq!(rig.batches().concat(), [WAIT, 1, 2]);
    drop(running);
}
