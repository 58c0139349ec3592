//! Searching: from vectors to whole records.
//!
//! The planner takes an exact scan when few documents pass the filter, the index otherwise, and falls back to comparing every
//! vector when the index returns fewer hits than asked for; so k matches come back whenever k documents match. The view is
//! read before the store, so that the store's word on what is alive is the newer one; rows that the store has and the view
//! lacks are read from it. So an answer is that of one moment, whatever is written meanwhile.

use engine::{Hit, IdSet, Kind, SearchParams};
use storage::Reader;

use super::{
    Local,
    exact::{nearest, nearest_in, scan_rows, scan_some_rows},
    plan::Setting,
};
use crate::{
    answer::{Answer, LocalPlan, Match, Plan, Strategy},
    backend::target::Target,
    document::Document,
    error::Result,
    space::{
        open::level,
        view::{View, merge},
    },
};

/// Hits that a search within a radius asks for first; most radii hold few.
const RADIUS_FIRST: usize = 256;
/// How many times as many it asks for when all of them are within.
const RADIUS_GROWTH: usize = 4;
/// Hits to ask for first per document wanted, where documents have passages: several of one are often near.
const PASSAGES_FIRST: usize = 4;

impl Local {
    /// Plain queries that ask for the same go through the index together, the others one by one.
    pub(crate) fn search(&self, targets: &[Target<'_>]) -> Result<Vec<Answer>> {
        let Some(first) = targets.first() else {
            return Ok(Vec::new());
        };
        let view = self.space.current_view()?;
        let reader = self.read()?;
        let view = level(&reader, view)?;
        let wanted = self.wanted(first);
        let alike = |target: &Target<'_>| {
            target.query.filter.is_none()
                && target.vectors.len() == view.dimension
                && target.query.radius.is_none()
                && self.wanted(target) == wanted
                && target.query.params == first.query.params
        };
        let mut hits = Vec::new();
        if !first.query.params.exact && targets.iter().all(alike) {
            let queries: Vec<&[f32]> = targets.iter().map(|target| &*target.vectors).collect();
            let setting = self.setting(&view, first)?;
            hits = nearest(&view, &reader, &queries.concat(), wanted, &setting)?;
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
        let (matches, mut plan) = match &target.query.filter {
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
        plan.truncated = target.truncated;
        Ok(Answer {
            matches,
            plan,
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
        let mut asked = self.wanted(target);
        loop {
            let (hits, strategy) = nearest_of(view, reader, target, asked, ids, setting)?;
            let exhausted = hits.len() < asked;
            let (hits, cut) = target.within(hits, view.metric);
            let matches = self.matches(reader, target, &hits)?;
            if matches.len() == target.query.candidates() || cut || exhausted {
                return Ok((matches, strategy));
            }
            asked = asked.saturating_mul(4);
        }
    }

    /// Asks for more while some hits are dead or of the same documents, or while all of them are within the radius, and compares
    /// every vector when the index gives no more.
    fn unfiltered(
        &self,
        view: &View,
        reader: &Reader<'_>,
        target: &Target<'_>,
        setting: &Setting,
        mut hits: Option<Vec<Hit>>,
    ) -> Result<(Vec<Match>, Strategy)> {
        let wanted = self.wanted(target);
        let mut exact = is_exact(target, view) || view.is_exact(wanted, &setting.params);
        let (mut asked, growth) = match target.query.radius {
            Some(_) => (wanted.min(RADIUS_FIRST), RADIUS_GROWTH),
            None => (wanted, 2),
        };
        loop {
            let found = match hits.take() {
                Some(hits) => hits,
                None if exact => nearest_any(target, view, asked, |vector| {
                    everything(view, reader, vector, asked)
                })?,
                None => nearest_any(target, view, asked, |vector| {
                    let found = nearest(view, reader, vector, asked, setting)?.pop();
                    Ok(found.unwrap_or_default())
                })?,
            };
            let exhausted = found.len() < asked;
            let (found, cut) = target.within(found, view.metric);
            let matches = self.matches(reader, target, &found)?;
            if matches.len() == target.query.candidates() || cut || (exhausted && exact) {
                let strategy = if exact {
                    Strategy::Exact
                } else {
                    Strategy::Approximate
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
        let metric = self.space.shape.metric;
        let others = found
            .into_iter()
            .filter(|found| !target.is_itself(&found.record.key));
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

    /// Hits to ask for.
    fn wanted(&self, target: &Target<'_>) -> usize {
        let each = if self.has_passages() {
            PASSAGES_FIRST
        } else {
            1
        };
        target.documents() * each + target.own
    }

    /// The setting that the query is searched with; refused when its parameters do not fit the kind of index that the collection
    /// grows into.
    fn setting(&self, view: &View, target: &Target<'_>) -> Result<Setting> {
        let params = &target.query.params;
        params.check(&self.space.shape.index)?;
        Ok(Setting::new(view, params, self.wanted(target)))
    }
}

/// Whether every vector is to be compared: on request, or because "all within a radius" means all, where the index can tell and
/// nothing less was asked for.
fn is_exact(target: &Target<'_>, view: &View) -> bool {
    let all = target.query.radius.is_some()
        && target.query.params == SearchParams::DEFAULT
        && view.kind().is_none_or(Kind::is_lossless);
    target.query.params.exact || all
}

/// What is nearest to any of the target's vectors: the `k` best of what `search` finds for each.
fn nearest_any(
    target: &Target<'_>,
    view: &View,
    k: usize,
    mut search: impl FnMut(&[f32]) -> Result<Vec<Hit>>,
) -> Result<Vec<Hit>> {
    let mut best = Vec::new();
    for vector in target.vectors.chunks_exact(view.dimension) {
        let found = search(vector)?;
        if best.is_empty() {
            best = found;
        } else {
            merge(&mut best, found, view.metric, k);
        }
    }
    Ok(best)
}

/// How a search was done, for its answer; under a filter among `passing` vectors.
fn plan(view: &View, setting: &Setting, strategy: Strategy, passing: usize) -> Plan {
    let measured = strategy == Strategy::Approximate;
    let used = match strategy {
        Strategy::Approximate => setting.params,
        Strategy::ApproximateFiltered => setting.widened(view, passing).params,
        Strategy::Exact | Strategy::ExactFiltered => SearchParams::EXACT,
    };
    let kind = view.kind();
    Plan {
        strategy,
        recall: setting.rung.filter(|_| measured).map(|rung| rung.recall),
        short_of: setting.short_of.filter(|_| measured),
        matching: None,
        reranked: None,
        truncated: false,
        local: Some(LocalPlan {
            index: kind.map_or_else(|| "none".to_owned(), |kind| kind.to_string()),
            ef_search: used.ef_search,
            nprobe: used.nprobe,
            rescore: used.rescore,
            sealed: view.sealed_len(),
            fresh: view.fresh_len(),
        }),
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
    let may_miss = !is_exact(target, view) && !view.is_flat() && !setting.params.exact;
    if may_miss && ids.len() > setting.scan_limit(view) {
        let wider = setting.widened(view, ids.len());
        let set = IdSet::from_sorted(ids);
        let hits = nearest_any(target, view, k, |vector| {
            nearest_in(view, reader, vector, k, &wider, &set)
        })?;
        if hits.len() == k.min(ids.len()) {
            return Ok((hits, Strategy::ApproximateFiltered));
        }
    }
    let hits = nearest_any(target, view, k, |vector| {
        match view.scan(vector, k, ids)? {
            Some(hits) => Ok(hits),
            None => scan_some_rows(view, reader, vector, k, ids),
        }
    })?;
    Ok((hits, Strategy::ExactFiltered))
}
