//! The pool of sessions: how many there are, and which batch may take one now. Pure: no threads, no model.
//!
//! Up to [`Share::sessions`] batches run at once. While one of them holds documents, [`Share::for_queries`] more may run that
//! hold queries only, so that a query need not wait for a batch of documents to end. Sessions are opened on demand and kept;
//! a lost one stays counted until it is reopened or given up.

/// How many sessions are used at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// By batches of any kind; at least 1.
    pub(crate) sessions: usize,
    /// More, by queries while documents are embedded.
    pub(crate) for_queries: usize,
}

/// What a batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Queries,
    /// Documents, possibly with queries.
    Documents,
}

/// The sessions of type `S`.
#[derive(Debug)]
pub(crate) struct Slots<S> {
    share: Share,
    free: Vec<S>,
    /// To be opened or reopened.
    unopened: usize,
    /// All sessions: free, in use, being opened or yet to be opened.
    total: usize,
    busy: usize,
    busy_with_documents: usize,
}

impl<S> Slots<S> {
    /// No session yet.
    pub(crate) fn new(share: Share) -> Self {
        Self {
            share,
            free: Vec::new(),
            unopened: 0,
            total: 0,
            busy: 0,
            busy_with_documents: 0,
        }
    }

    /// Sessions in all.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Batches among which the queue is shared out evenly.
    pub(crate) fn sharers(&self) -> usize {
        self.total.min(self.share.sessions)
    }

    /// Adds a session, already open or to be opened by whoever calls [`unopened`](Self::unopened).
    pub(crate) fn add(&mut self, opened: Option<S>) {
        self.total += 1;
        self.put(opened);
    }

    /// Gives up a session that does not open.
    pub(crate) fn lose(&mut self) {
        self.total -= 1;
    }

    /// Whether a session is to be opened; if so, the caller opens it and returns it by [`put`](Self::put) or calls
    /// [`lose`](Self::lose).
    pub(crate) fn unopened(&mut self) -> bool {
        let any = self.unopened > 0;
        self.unopened -= usize::from(any);
        any
    }

    /// Adds a free session, or one to be reopened.
    pub(crate) fn put(&mut self, session: Option<S>) {
        match session {
            Some(session) => self.free.push(session),
            None => self.unopened += 1,
        }
    }

    /// Whether documents are being embedded.
    pub(crate) fn run_documents(&self) -> bool {
        self.busy_with_documents > 0
    }

    /// How many batches may run at once if one of such content is among them.
    fn most(&self, content: Content) -> usize {
        if content == Content::Queries && self.run_documents() {
            self.share.sessions + self.share.for_queries
        } else {
            self.share.sessions
        }
    }

    /// Whether a batch of such content may run now and has a session.
    pub(crate) fn admits(&self, content: Content) -> bool {
        self.busy < self.most(content) && !self.free.is_empty()
    }

    /// Whether a batch of such content would use one more session.
    pub(crate) fn is_short(&self, content: Content) -> bool {
        self.free.is_empty() && self.total < self.most(content)
    }

    /// Takes a session for a batch, if one is admitted.
    pub(crate) fn take(&mut self, content: Content) -> Option<S> {
        if !self.admits(content) {
            return None;
        }
        let session = self.free.pop()?;
        self.busy += 1;
        self.busy_with_documents += usize::from(content == Content::Documents);
        Some(session)
    }

    /// Takes back the session of such a batch, as given by [`take`](Self::take); `None` when it was lost.
    pub(crate) fn give_back(&mut self, session: Option<S>, content: Content) {
        self.busy -= 1;
        self.busy_with_documents -= usize::from(content == Content::Documents);
        self.put(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Content::{Documents, Queries};

    fn slots(sessions: usize, for_queries: usize, open: u32) -> Slots<u32> {
        let mut slots = Slots::new(Share {
            sessions,
            for_queries,
        });
        (0..open).for_each(|session| slots.add(Some(session)));
        slots
    }

    #[test]
    fn beside_documents_queries_have_a_session_more() {
        let mut slots = slots(1, 1, 2);
        let session = slots.take(Documents);
        assert!(session.is_some());
        assert!(slots.take(Documents).is_none());
        assert!(slots.take(Queries).is_some());
        assert!(slots.take(Queries).is_none(), "one more and no more");
        slots.give_back(session, Documents);
        assert!(
            slots.take(Queries).is_none(),
            "without documents they have as many as others"
        );
    }

    #[test]
    fn queries_alone_and_zero_more_leave_it_at_the_sessions() {
        let mut none = slots(2, 0, 3);
        assert!(none.take(Documents).is_some() && none.take(Queries).is_some());
        assert!(none.take(Queries).is_none());
        let mut alone = slots(1, 4, 3);
        assert!(alone.take(Queries).is_some());
        assert!(alone.take(Queries).is_none());
    }

    #[test]
    fn sessions_are_wanted_where_they_would_be_used() {
        let mut slots = slots(2, 1, 1);
        assert!(!slots.is_short(Documents), "one is free");
        let first = slots.take(Documents);
        assert!(slots.is_short(Documents));
        slots.add(None);
        assert!(slots.unopened() && !slots.unopened());
        assert!(!slots.is_short(Documents) && slots.is_short(Queries));
        slots.lose();
        assert!(slots.is_short(Documents));
        slots.give_back(first, Documents);
        assert_eq!((slots.total(), slots.sharers()), (1, 1));
    }

    #[test]
    fn a_lost_session_is_opened_anew() {
        let mut slots = slots(1, 0, 1);
        assert!(slots.take(Queries).is_some());
        slots.give_back(None, Queries);
        assert!(!slots.admits(Queries) && slots.unopened());
        slots.put(Some(9));
        assert_eq!(slots.take(Queries), Some(9));
    }
}
