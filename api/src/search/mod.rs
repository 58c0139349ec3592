//! Searching: from a query to whole records, which `rerank.rs` may then put into another order.
//!
//! The planner takes an exact scan when few documents pass the filter, the index otherwise, and falls back to comparing
//! everything when the index returns fewer than were asked for; so k matches come back whenever k documents match. The
//! view is read before the store, so that the store's word on what is alive is the newer one; rows that the store has and the
//! view lacks are read from it. So an answer is that of one moment, whatever is written meanwhile.

pub(crate) mod exact;
pub(crate) mod plan;
pub(crate) mod rerank;
mod target;

use std::time::Instant;

use engine::{Hit, IdSet, SearchParams};
use storage::Reader;

use crate::{
    Answer, Collection, Document, Match, Plan, Query, Result, Strategy,
    collection::Core,
    search::exact::{nearest, nearest_in, scan_rows, scan_some_rows},
    search::plan::Setting,
    space::open,
    space::view::View,
};
use target::Target;

/// Hits that a search within a radius asks for first; most radii hold few.
const RADIUS_FIRST: usize = 256;
/// How many times as many it asks for when they are all within.
const RADIUS_GROWTH: usize = 4;

impl Collection {
    /// Finds the documents nearest to a text, a vector or another document.
    ///
    /// # Errors
    /// A query that names none or several of the three, a vector of another dimension or with NaN, an unknown key, an empty
    /// text; what the model or the store says.
    pub fn search(&self, query: &Query) -> Result<Answer> {
        let mut answers = self.search_batch(std::slice::from_ref(query))?;
        Ok(answers
            .pop()
            .unwrap_or_else(|| unreachable!("one query has one answer")))
    }

    /// As [`Collection::search`] for several queries, which together take less time than one by one. The answers come in the
    /// queries' order; `took_ms` is that of the whole batch.
    ///
    /// # Errors
    /// As [`Collection::search`]; one bad query fails the batch.
    pub fn search_batch(&self, queries: &[Query]) -> Result<Vec<Answer>> {
        let started = Instant::now();
        let core = &self.core;
        core.pace.searched(started);
        queries.iter().try_for_each(Query::validate)?;
        let targets = core.targets(queries)?;
        let mut answers = core.answer_all(&targets)?;
        for (query, answer) in queries.iter().zip(&mut answers) {
            core.rerank(query, answer)?;
        }
        let took = started.elapsed();
        core.pace.searched(started + took);
        let took_ms = took.as_secs_f64() * 1e3;
        answers
            .iter_mut()
            .for_each(|answer| answer.took_ms = took_ms);
        Ok(answers)
    }
}

impl Core {
    /// Plain queries that ask for the same go through the index together, the others one by one.
    fn answer_all(&self, targets: &[Target<'_>]) -> Result<Vec<Answer>> {
        let Some(first) = targets.first() else {
            return Ok(Vec::new());
        };
        let view = self.current_view()?;
        let reader = self.read()?;
        let view = open::level(&reader, view)?;
        let alike = |target: &Target<'_>| {
            target.query.filter.is_none()
                && target.vectors.len() == view.dimension
                && target.query.radius.is_none()
                && target.wanted() == first.wanted()
                && target.query.params == first.query.params
        };
        let mut hits = Vec::new();
        if !first.query.params.exact && targets.iter().all(alike) {
            let queries: Vec<f32> = targets
                .iter()
                .flat_map(|target| target.vectors.iter().copied())
                .collect();
            let setting = self.setting(&view, first)?;
            hits = nearest(&view, &reader, &queries, first.wanted(), &setting)?;
        }
        let mut hits = hits.into_iter();
        targets
            .iter()
            .map(|target| self.answer(&view, &reader, target, hits.next()))
            .collect()
    }

    fn answer(
        &self,
        view: &View,
        reader: &Reader<'_>,
        target: &Target<'_>,
        hits: Option<Vec<Hit>>,
    ) -> Result<Answer> {
        let setting = self.setting(view, target)?;
        let (matches, plan) = match &target.query.filter {
            Some(filter) => {
                let documents = reader.matching(filter)?;
                let matching = Some(documents.len());
                let ids = self.vector_ids(reader, documents)?;
                let (matches, strategy) = self.filtered(view, reader, target, &ids, &setting)?;
                let plan = plan(view, &setting, strategy, ids.len());
                (matches, Plan { matching, ..plan })
            }
            None => {
                let (matches, strategy) = self.unfiltered(view, reader, target, &setting, hits)?;
                (matches, plan(view, &setting, strategy, 0))
            }
        };
        Ok(Answer {
            matches,
            plan: Plan {
                truncated: target.truncated,
                ..plan
            },
            took_ms: 0.0,
        })
    }

    /// The nearest among `ids`, which pass the filter. Asks for more while too many of them are passages of the same documents.
    fn filtered(
        &self,
        view: &View,
        reader: &Reader<'_>,
        target: &Target<'_>,
        ids: &[i64],
        setting: &Setting,
    ) -> Result<(Vec<Match>, Strategy)> {
        let mut asked = target.wanted();
        loop {
            let (hits, strategy) = nearest_of(view, reader, target, asked, ids, setting)?;
            let exhausted = hits.len() < asked;
            let (hits, cut) = target.within(hits, self.locked.config.metric);
            let matches = self.matches(reader, target, &hits)?;
            if matches.len() == target.query.candidates() || cut || exhausted {
                return Ok((matches, strategy));
            }
            asked = asked.saturating_mul(4);
        }
    }

    /// Asks for more while some of what was found is no longer alive or of the same documents, or while all of it is within the
    /// radius, and compares everything when the index gives no more.
    fn unfiltered(
        &self,
        view: &View,
        reader: &Reader<'_>,
        target: &Target<'_>,
        setting: &Setting,
        mut hits: Option<Vec<Hit>>,
    ) -> Result<(Vec<Match>, Strategy)> {
        let wanted = target.wanted();
        let mut exact = target.is_exact(view) || view.is_exact(wanted, &setting.params);
        let (mut asked, growth) = match target.query.radius {
            Some(_) => (wanted.min(RADIUS_FIRST), RADIUS_GROWTH),
            None => (wanted, 2),
        };
        loop {
            let found = match hits.take() {
                Some(hits) => hits,
                None if exact => target.nearest(view, asked, |vector| {
                    everything(view, reader, vector, asked)
                })?,
                None => target.nearest(view, asked, |vector| {
                    let found = nearest(view, reader, vector, asked, setting)?.pop();
                    Ok(found.unwrap_or_default())
                })?,
            };
            let exhausted = found.len() < asked;
            let (found, cut) = target.within(found, self.locked.config.metric);
            let matches = self.matches(reader, target, &found)?;
            if matches.len() == target.query.candidates() || cut || (exhausted && exact) {
                let strategy = match exact {
                    true => Strategy::Exact,
                    false => Strategy::Approximate,
                };
                return Ok((matches, strategy));
            }
            exact |= exhausted;
            asked = asked.saturating_mul(growth);
        }
    }

    /// The documents behind the hits.
    fn matches(
        &self,
        reader: &Reader<'_>,
        target: &Target<'_>,
        hits: &[Hit],
    ) -> Result<Vec<Match>> {
        let with_vectors = target.query.with.vectors;
        let found = self.found(reader, hits, target.documents(), with_vectors)?;
        let metric = self.locked.config.metric;
        let others = found
            .into_iter()
            .filter(|found| !target.is_itself(&found.record));
        let matches = others.map(|found| {
            let document = Document::from(found.record);
            Match {
                key: document.key.clone(),
                score: metric.score(found.distance),
                distance: found.distance,
                document,
                passage: found.passage,
            }
        });
        Ok(matches.take(target.query.candidates()).collect())
    }

    /// What the query is searched with; refused when its parameters do not fit the kind of index that the collection grows into.
    fn setting(&self, view: &View, target: &Target<'_>) -> Result<Setting> {
        let (config, params) = (&self.locked.config, &target.query.params);
        params.check(&config.index)?;
        Ok(Setting::new(view, params, target.wanted()))
    }
}

/// How a search was done, for its answer; under a filter among `passing` vectors.
fn plan(view: &View, setting: &Setting, strategy: Strategy, passing: usize) -> Plan {
    let approximate = matches!(
        strategy,
        Strategy::Approximate | Strategy::ApproximateFiltered
    );
    let measured = strategy == Strategy::Approximate;
    let used = match (approximate, strategy) {
        (true, Strategy::Approximate) => setting.params,
        (true, _) => setting.widened(view, passing).params,
        (false, _) => SearchParams::EXACT,
    };
    Plan {
        strategy,
        index: view
            .kind()
            .map_or_else(|| "none".to_owned(), |kind| kind.to_string()),
        ef_search: used.ef_search,
        nprobe: used.nprobe,
        rescore: used.rescore,
        recall: setting.rung.filter(|_| measured).map(|rung| rung.recall),
        short_of: setting.short_of.filter(|_| measured),
        matching: None,
        reranked: None,
        truncated: false,
        sealed: view.sealed_len(),
        fresh: view.fresh_len(),
    }
}

/// Compares every vector there is.
fn everything(view: &View, reader: &Reader<'_>, query: &[f32], k: usize) -> Result<Vec<Hit>> {
    if view.kind().is_some_and(|kind| !kind.is_lossless()) {
        return scan_rows(view, reader, query, k);
    }
    Ok(view
        .search(query, k, &SearchParams::EXACT, view.alive())?
        .pop()
        .unwrap_or_default())
}

/// The `k` nearest among `ids`, and how they were found.
fn nearest_of(
    view: &View,
    reader: &Reader<'_>,
    target: &Target<'_>,
    k: usize,
    ids: &[i64],
    setting: &Setting,
) -> Result<(Vec<Hit>, Strategy)> {
    let may_miss = !target.is_exact(view) && !view.is_flat() && !setting.params.exact;
    if may_miss && ids.len() > setting.scan_limit(view) {
        let wider = setting.widened(view, ids.len());
        let set = IdSet::from_sorted(ids);
        let hits = target.nearest(view, k, |vector| {
            nearest_in(view, reader, vector, k, &wider, &set)
        })?;
        if hits.len() == k.min(ids.len()) {
            return Ok((hits, Strategy::ApproximateFiltered));
        }
    }
    let hits = target.nearest(view, k, |vector| match view.scan(vector, k, ids)? {
        Some(hits) => Ok(hits),
        None => scan_some_rows(view, reader, vector, k, ids),
    })?;
    Ok((hits, Strategy::ExactFiltered))
}
