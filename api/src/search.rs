//! Searching: from a query to whole records, which `rerank.rs` may then put into another order.
//!
//! The planner takes an exact scan when few documents pass the filter, the index otherwise, and falls back to comparing
//! everything when the index returns fewer than were asked for; so k matches come back whenever k documents match. The
//! view is read before the store, so that the store's word on what is alive is the newer one; rows that the store has and the
//! view lacks are read from it. So an answer is that of one moment, whatever is written meanwhile.

use std::time::Instant;

use embedder::Purpose;
use engine::{Hit, IdSet, Kind, Metric, SearchParams};
use storage::{Key, Reader, Record};

use crate::{
    Answer, Collection, Document, Error, Match, Plan, Query, Result, Strategy,
    collection::Core,
    document::MAX_TEXT_BYTES,
    recovery,
    scan::{nearest, nearest_in, scan_rows, scan_some_rows},
    setting::Setting,
    view::View,
    write::check_vector,
};

/// Hits that a search within a radius asks for first; most radii hold few.
const RADIUS_FIRST: usize = 256;
/// How many times as many it asks for when they are all within.
const RADIUS_GROWTH: usize = 4;

/// A query with its vector.
struct Target<'a> {
    query: &'a Query,
    vector: Vec<f32>,
    /// Whether the vector is of the beginning of the query's text alone.
    truncated: bool,
}

impl Target<'_> {
    /// Hits to ask for: one more when the document itself will be among them.
    fn wanted(&self) -> usize {
        self.query.candidates() + usize::from(self.query.like.is_some())
    }

    /// Whether everything is to be compared: on request, or because "all within a radius" means all, where the index can
    /// tell and nothing less was asked for.
    fn is_exact(&self, view: &View) -> bool {
        let all = self.query.radius.is_some()
            && self.query.params == SearchParams::DEFAULT
            && view.kind().is_none_or(Kind::is_lossless);
        self.query.params.exact || all
    }

    /// Leaves the hits within the radius, closest first as before; second: whether some were farther away.
    fn within(&self, mut hits: Vec<Hit>, metric: Metric) -> (Vec<Hit>, bool) {
        let Some(radius) = self.query.radius else {
            return (hits, false);
        };
        let found = hits.len();
        let is_within = |hit: &Hit| metric.score(hit.distance) >= metric.score(radius);
        hits.truncate(hits.partition_point(is_within));
        let cut = hits.len() < found;
        (hits, cut)
    }

    /// Whether this is the document that the query starts from, which it must not find, in whichever version.
    fn is_itself(&self, record: &Record) -> bool {
        self.query.like.as_ref() == Some(&record.key)
    }
}

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
        queries.iter().try_for_each(Query::validate)?;
        let targets = core.targets(queries)?;
        let mut answers = core.answer_all(&targets)?;
        for (query, answer) in queries.iter().zip(&mut answers) {
            core.rerank(query, answer)?;
        }
        let took_ms = started.elapsed().as_secs_f64() * 1e3;
        answers
            .iter_mut()
            .for_each(|answer| answer.took_ms = took_ms);
        Ok(answers)
    }
}

impl Core {
    fn targets<'a>(&self, queries: &'a [Query]) -> Result<Vec<Target<'a>>> {
        let mut embedded = self.embed_queries(queries)?.into_iter();
        let mut targets = Vec::with_capacity(queries.len());
        for (number, query) in queries.iter().enumerate() {
            let mut truncated = false;
            let vector = match (&query.text, &query.vector, &query.like) {
                (Some(_), ..) => {
                    let (vector, cut) = embedded.next().unwrap_or_default();
                    truncated = cut;
                    vector
                }
                (None, Some(vector), _) => {
                    check_vector(self, vector, || match queries {
                        [_] => "vector".to_owned(),
                        _ => format!("the vector of query {}", number + 1),
                    })?;
                    vector.clone()
                }
                (None, None, Some(key)) => self.stored_vector(key)?,
                (None, None, None) => Vec::new(),
            };
            targets.push(Target {
                query,
                vector,
                truncated,
            });
        }
        Ok(targets)
    }

    /// The vectors of the queries' texts, and whether the model took only the beginning of each.
    fn embed_queries(&self, queries: &[Query]) -> Result<Vec<(Vec<f32>, bool)>> {
        let texts: Vec<&str> = queries
            .iter()
            .filter_map(|query| query.text.as_deref())
            .collect();
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        texts.iter().try_for_each(|text| check_query_text(text))?;
        let embedded = self.model()?.embed(&texts, Purpose::Query)?;
        let rows = embedded.rows().map(<[f32]>::to_vec);
        Ok(rows.zip(embedded.truncated().iter().copied()).collect())
    }

    fn stored_vector(&self, key: &Key) -> Result<Vec<f32>> {
        let record = self
            .read()?
            .get(std::slice::from_ref(key), true)?
            .pop()
            .flatten();
        let record = record.ok_or_else(|| Error::UnknownKey { key: key.clone() })?;
        Ok(record.vector.unwrap_or_default())
    }

    /// Plain queries that ask for the same go through the index together, the others one by one.
    fn answer_all(&self, targets: &[Target<'_>]) -> Result<Vec<Answer>> {
        let Some(first) = targets.first() else {
            return Ok(Vec::new());
        };
        let view = self.current_view()?;
        let reader = self.read()?;
        let view = recovery::level(&reader, view)?;
        let alike = |target: &Target<'_>| {
            target.query.filter.is_none()
                && target.query.radius.is_none()
                && target.wanted() == first.wanted()
                && target.query.params == first.query.params
        };
        let mut hits = Vec::new();
        if !first.query.params.exact && targets.iter().all(alike) {
            let queries: Vec<f32> = targets
                .iter()
                .flat_map(|target| target.vector.iter().copied())
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
        let (matches, strategy, matching) = match &target.query.filter {
            Some(filter) => {
                let ids = reader.matching(filter)?;
                let (hits, strategy) = filtered(view, reader, target, &ids, &setting)?;
                let (hits, _) = target.within(hits, self.locked.config.metric);
                (
                    self.matches(reader, target, &hits)?,
                    strategy,
                    Some(ids.len()),
                )
            }
            None => {
                let (matches, strategy) = self.unfiltered(view, reader, target, &setting, hits)?;
                (matches, strategy, None)
            }
        };
        let plan = plan(view, &setting, strategy, matching);
        Ok(Answer {
            matches,
            plan: Plan {
                truncated: target.truncated,
                ..plan
            },
            took_ms: 0.0,
        })
    }

    /// Asks for more while some of what was found is no longer alive, or while all of it is within the radius, and compares
    /// everything when the index gives no more.
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
                None if exact => everything(view, reader, &target.vector, asked)?,
                None => nearest(view, reader, &target.vector, asked, setting)?
                    .pop()
                    .unwrap_or_default(),
            };
            let exhausted = found.len() < asked;
            let (found, cut) = target.within(found, self.locked.config.metric);
            let matches = self.matches(reader, target, &found)?;
            if matches.len() == target.query.candidates() || cut || (exhausted && exact) {
                return Ok((
                    matches,
                    if exact {
                        Strategy::Exact
                    } else {
                        Strategy::Approximate
                    },
                ));
            }
            exact |= exhausted;
            asked = asked.saturating_mul(growth);
        }
    }

    /// The records behind the hits; those that are no longer alive drop out.
    fn matches(
        &self,
        reader: &Reader<'_>,
        target: &Target<'_>,
        hits: &[Hit],
    ) -> Result<Vec<Match>> {
        let ids: Vec<i64> = hits.iter().map(|hit| hit.id).collect();
        let records = reader.records(&ids, target.query.with.vectors)?;
        let metric = self.locked.config.metric;
        let mut matches = Vec::with_capacity(target.query.candidates().min(ids.len()));
        for (hit, record) in hits.iter().zip(records) {
            let Some(record) = record.filter(|record| !target.is_itself(record)) else {
                continue;
            };
            if matches.len() == target.query.candidates() {
                break;
            }
            let document = Document::from(record);
            matches.push(Match {
                key: document.key.clone(),
                score: metric.score(hit.distance),
                distance: hit.distance,
                document,
            });
        }
        Ok(matches)
    }

    /// What the query is searched with; refused when its parameters do not fit the kind of index that the collection grows into.
    fn setting(&self, view: &View, target: &Target<'_>) -> Result<Setting> {
        let (config, params) = (&self.locked.config, &target.query.params);
        params.check(&config.index.kind_for(usize::MAX, self.locked.dimension()))?;
        Ok(Setting::new(view, params, target.wanted()))
    }
}

/// How a search was done, for its answer.
fn plan(view: &View, setting: &Setting, strategy: Strategy, matching: Option<usize>) -> Plan {
    let approximate = matches!(
        strategy,
        Strategy::Approximate | Strategy::ApproximateFiltered
    );
    let measured = strategy == Strategy::Approximate;
    let used = match (approximate, strategy) {
        (true, Strategy::Approximate) => setting.params,
        (true, _) => setting.widened(view, matching.unwrap_or_default()).params,
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
        matching,
        reranked: None,
        truncated: false,
        sealed: view.sealed_len(),
        fresh: view.fresh_len(),
    }
}

fn check_query_text(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid(
            "text",
            "an empty text",
            "some words to search for",
        ));
    }
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::invalid(
            "text",
            format!("{} bytes", text.len()),
            format!("at most {MAX_TEXT_BYTES} bytes"),
        ));
    }
    Ok(())
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

/// The nearest among `ids`, which pass the filter, and how they were found.
fn filtered(
    view: &View,
    reader: &Reader<'_>,
    target: &Target<'_>,
    ids: &[i64],
    setting: &Setting,
) -> Result<(Vec<Hit>, Strategy)> {
    let (query, k) = (target.vector.as_slice(), target.wanted());
    if !target.is_exact(view) && !view.is_flat() && ids.len() > setting.scan_limit(view) {
        let wider = setting.widened(view, ids.len());
        let hits = nearest_in(view, reader, query, k, &wider, &IdSet::from_sorted(ids))?;
        if hits.len() == k.min(ids.len()) {
            return Ok((hits, Strategy::ApproximateFiltered));
        }
    }
    let hits = match view.scan(query, k, ids)? {
        Some(hits) => hits,
        None => scan_some_rows(view, reader, query, k, ids)?,
    };
    Ok((hits, Strategy::ExactFiltered))
}
