//! Adding vectors that come in pieces. A graph that links each piece by itself has its upper layers made of the first ones;
//! here it links them all when the last has come. Checks of ids and vectors are `add_by`'s.

use std::ops::ControlFlow;

use crate::backend::Backend;
use crate::error::Result;
use crate::index::Index;
use crate::progress::{Progress, Stage, Watch, report};
use crate::spec::Structure;

/// Ids, and their vectors row-major.
pub type Piece = (Vec<i64>, Vec<f32>);

impl Index {
    /// Adds the pieces that `next` gives until it gives none, as [`Index::add`] does, but that HNSW links all of them at
    /// once, in an order of its own: then the graph does not depend on how the vectors were cut up. It goes by what the
    /// index keeps of a vector, so no more than one piece is in memory beside it.
    ///
    /// `watch` hears how many of the `expected` vectors are added, for graphs of those that are linked.
    ///
    /// # Errors
    /// As [`Index::add`]; what `next` and `watch` end with. The index is as new then, and where one of them panics: empty,
    /// and to be trained.
    pub fn add_pieces<E: From<crate::Error>>(
        &mut self,
        expected: usize,
        watch: Watch<'_>,
        next: impl FnMut() -> Result<Option<Piece>, E>,
    ) -> Result<(), E> {
        self.or_empty(|index| index.take_pieces(expected, watch, next))
    }

    /// Does work that leaves the index unusable where it ends early: then an empty one, to be trained, takes its place,
    /// also where the work panics in a function of the caller's.
    pub(crate) fn or_empty<E: From<crate::Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.raw_mut()?;
        let empty = Backend::create(self.dimension(), self.kind(), self.metric())?;
        let mut unfinished = Unfinished {
            index: self,
            empty: Some(empty),
        };
        work(unfinished.index)?;
        unfinished.empty = None;
        Ok(())
    }

    fn take_pieces<E: From<crate::Error>>(
        &mut self,
        expected: usize,
        watch: Watch<'_>,
        mut next: impl FnMut() -> Result<Option<Piece>, E>,
    ) -> Result<(), E> {
        let before = self.len();
        let later = matches!(self.kind().structure, Structure::Hnsw { .. });
        let told = |done| report(watch, Stage::Adding, done, expected);
        loop {
            told(if later { 0 } else { self.len() - before })?;
            let Some((ids, vectors)) = next()? else {
                break;
            };
            self.add_by(Backend::store, &ids, &vectors)?;
        }
        let total = self.len() - before;
        self.raw_mut()?
            .link(&mut |linked| adding(watch, linked, total))?;
        Ok(())
    }

    /// How many vectors there were when [`Index::reach`] last looked for every one; other kinds than HNSW have no need of it.
    #[must_use]
    pub fn reached(&self) -> usize {
        match self.kind().structure {
            Structure::Hnsw { .. } => self.reached.min(self.len()),
            _ => self.len(),
        }
    }

    /// Looks for every vector of an HNSW graph but the first `known`, by the shortest walk that a search may take, and has
    /// those that are missed be found: the places where such a walk ends get a link to it. In a graph as it was built about one in a thousand is
    /// missed, more where it grew often; afterwards hardly any. It takes about a seventh of the time that the graph took.
    /// Other kinds are left as they are.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`] when `watch` says to stop; the index can be used as ever.
    pub fn reach(&mut self, known: usize, watch: Watch<'_>) -> Result<()> {
        let total = self.len().saturating_sub(known);
        let all = known == 0;
        self.raw_mut()?;
        if all {
            self.reached = 0;
        }
        self.raw_mut()?
            .reach(known, &mut |sought| adding(watch, sought, total))?;
        if all {
            self.reached = self.len();
        }
        Ok(())
    }
}

/// Empties its index when it goes out of scope, unless the work on it has come to its end.
struct Unfinished<'a> {
    index: &'a mut Index,
    empty: Option<Backend>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(empty) = self.empty.take() {
            self.index.replace_backend(empty, 0);
        }
    }
}

fn adding(watch: Watch<'_>, done: usize, total: usize) -> ControlFlow<()> {
    watch(Progress {
        stage: Stage::Adding,
        done: done.min(total),
        total,
    })
}
