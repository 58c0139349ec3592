//! Texts that pass others by: those that are made in their caller's thread, and queries beside documents.

use super::*;

fn text(token: u32) -> Encoding {
    Encoding {
        ids: vec![token; 4],
        type_ids: vec![0; 4],
        prompt: 0,
        truncated: false,
    }
}

fn here(workers: &Workers, token: u32) -> Option<Result<Vec<f32>>> {
    workers.run_here(&text(token), Purpose::Query)
}

/// A session is free a moment after the answers of its batch were sent.
fn here_at_last(workers: &Workers, token: u32) -> Result<Vec<f32>> {
    loop {
        match here(workers, token) {
            Some(row) => return row,
            None => std::thread::yield_now(),
        }
    }
}

#[test]
fn a_text_before_which_nobody_is_goes_by_itself_in_its_callers_thread() {
    let (rig, _release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    assert_eq!(here(&workers, 7).unwrap().unwrap(), [7.0]);
    assert_eq!(rows(submit(&workers, &[8], Purpose::Query).unwrap()), [8.0]);
    assert_eq!(here_at_last(&workers, 9).unwrap(), [9.0]);
    assert_eq!(rig.opened.load(Ordering::SeqCst), 1);
}

#[test]
fn a_text_that_finds_no_session_free_is_left_to_the_queue() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    let running = submit(&workers, &[WAIT], Purpose::Query).unwrap();
    rig.await_batches(1);
    assert!(here(&workers, 7).is_none());
    drop(release);
    assert_eq!(rows(running).len(), 1);
}

#[test]
fn what_is_queued_while_a_caller_has_the_session_follows() {
    let (rig, release) = Rig::new(1);
    let workers = rig.start(limits(1, 100));
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| here(&workers, WAIT));
        rig.await_batches(1);
        let queued = submit(&workers, &[7], Purpose::Document).unwrap();
        drop(release);
        assert_eq!(rows(queued), [7.0]);
        assert!(caller.join().unwrap().unwrap().is_ok());
    });
}

#[test]
fn texts_that_are_to_wait_for_others_are_not_made_alone() {
    let (rig, _release) = Rig::new(1);
    let mut limits = limits(1, 100);
    limits.longest_wait = Duration::from_millis(1);
    let workers = rig.start(limits);
    assert!(here(&workers, 7).is_none());
}

#[test]
fn a_panic_in_the_callers_thread_is_an_error_and_the_session_is_opened_anew() {
    let (rig, _release) = Rig::new(2);
    let workers = rig.start(limits(1, 100));
    let error = here(&workers, PANIC).unwrap().unwrap_err();
    assert!(error.to_string().contains("made to panic"), "{error}");
    assert_eq!(rows(submit(&workers, &[7], Purpose::Query).unwrap()), [7.0]);
    let error = here_at_last(&workers, BAD).unwrap_err();
    assert!(error.to_string().contains("bad text"), "{error}");
    assert_eq!(here_at_last(&workers, 8).unwrap(), [8.0]);
    assert_eq!(rig.opened.load(Ordering::SeqCst), 2);
}

/// The one session is at a document that does not end before the query is answered.
#[test]
fn a_query_need_not_wait_for_documents_where_a_session_is_kept_for_it() {
    let (rig, release) = Rig::new(3);
    let mut limits = limits(1, 100);
    limits.share.for_queries = 1;
    let workers = rig.start(limits);
    let running = submit(&workers, &[WAIT], Purpose::Document).unwrap();
    rig.await_batches(1);
    let documents = submit(&workers, &[1, 2, 3], Purpose::Document).unwrap();
    for token in 10..20 {
        assert_eq!(
            rows(submit(&workers, &[token], Purpose::Query).unwrap()).len(),
            1
        );
    }
    assert_eq!(
        here_at_last(&workers, 9).unwrap(),
        [9.0],
        "past documents that wait"
    );
    drop(release);
    assert_eq!(rows(running).len() + rows(documents).len(), 4);
    assert!(
        rig.batches()[1..12].iter().all(|batch| batch[0] >= 9),
        "{:?}",
        rig.batches()
    );
    assert_eq!(rig.opened.load(Ordering::SeqCst), 2);
}
