//! How hard a query searches: from the recall or parameters that it asks for, and the sealed index's measured curve, to a
//! setting; and when an exact scan of what passes a filter is cheaper. It searches nothing itself.

use std::time::Instant;

use engine::{
    Curve, DEFAULT_EF_SEARCH, DEFAULT_NPROBE, DEFAULT_RECALL, DEFAULT_RESCORE, IndexSpec, Kind,
    Rung, SearchParams, Structure,
};

use crate::{
    error::Result,
    space::{
        measure::{CANDIDATE_MICROS, NEAREST},
        view::View,
    },
};

/// Microseconds to compare a vector in memory, and what each component adds: at 384 dimensions, 10,000 vectors a millisecond.
const VECTOR_MICROS: f64 = 0.03;
const COMPONENT_MICROS: f64 = 0.000_2;
/// Microseconds of an approximate search where nothing was measured.
const USUAL_MICROS: f32 = 300.0;
/// Up to this many documents that pass the filter are compared exactly, whatever the index.
const FEW: usize = 1_000;

/// Which kind of search a query gets when it names nothing, over how many vectors, and what it takes, in words; and, while
/// there are too few for the index that was asked for, how many that takes.
pub(crate) fn explanation(view: &View, asked: &IndexSpec) -> Result<String> {
    let vectors = with_thousands(view.len());
    let Some(sealed) = view.sealed.as_ref().filter(|_| !view.is_flat()) else {
        let time = milliseconds(exact_micros(view)?);
        let least = asked.min_vectors(view.dimension);
        let awaited = if view.len() < least {
            format!("; {asked} from {} vectors on", with_thousands(least))
        } else {
            String::new()
        };
        return Ok(format!("exact: {vectors} vectors, {time}{awaited}"));
    };
    let kind = sealed.index.kind();
    let setting = Setting::new(view, &SearchParams::DEFAULT, NEAREST);
    let Some(rung) = setting.rung else {
        return Ok(format!("{kind}: {vectors} vectors, not measured"));
    };
    let time = milliseconds(f64::from(rung.micros));
    if rung.is_exact() {
        return Ok(format!(
            "exact: {vectors} vectors, {time}, the quickest way here to a recall of {DEFAULT_RECALL}; index {kind}"
        ));
    }
    let short = setting.short_of.map_or_else(String::new, |target| {
        format!(", the best there is: {target} was the aim")
    });
    Ok(format!(
        "{kind}: {vectors} vectors, {time} for a recall of {:.3}{short}",
        rung.recall
    ))
}

/// What comparing every vector takes: as measured when they were sealed, for as many as there are now, or measured now.
fn exact_micros(view: &View) -> Result<f64> {
    let measured = view.curve().and_then(|curve| curve.rungs.last());
    if let Some(rung) = measured {
        return Ok(f64::from(rung.micros) * view.len() as f64 / view.sealed_len().max(1) as f64);
    }
    let query = vec![1.0; view.dimension];
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        view.search(&query, NEAREST, &SearchParams::EXACT, view.alive())?;
        best = best.min(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(best)
}

fn milliseconds(micros: f64) -> String {
    match micros {
        micros if micros < 95.0 => format!("{:.2} ms", micros / 1e3),
        micros => format!("{:.1} ms", micros / 1e3),
    }
}

fn with_thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a query is to be searched with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setting {
    pub(crate) params: SearchParams,
    /// How many candidates for each match are compared by their stored vectors; `None` where the index's distances stand: it
    /// keeps whole vectors, or the query wants no second look.
    pub(crate) compared: Option<usize>,
    /// The rung of the curve that it stands on, if it does.
    pub(crate) rung: Option<Rung>,
    /// The recall asked for, where no rung reaches it.
    pub(crate) short_of: Option<f32>,
}

impl Setting {
    /// The setting for `k` hits from the sealed index of `view`.
    pub(crate) fn new(view: &View, asked: &SearchParams, k: usize) -> Self {
        let plain = Self {
            params: *asked,
            compared: None,
            rung: None,
            short_of: None,
        };
        let Some(sealed) = view
            .sealed
            .as_ref()
            .filter(|_| !asked.exact && !view.is_flat())
        else {
            return plain;
        };
        let named = asked
            .ef_search
            .or(asked.nprobe)
            .or(asked.max_codes)
            .or(asked.rescore);
        let curve = sealed.index.curve().filter(|_| named.is_none());
        let kind = sealed.index.kind();
        let compressed = kind.refine.is_some() || !kind.is_lossless();
        let measured = curve.and_then(|curve| Self::measured(curve, asked, k));
        let setting = measured.unwrap_or(Self {
            params: SearchParams {
                rescore: asked.rescore.or(compressed.then_some(DEFAULT_RESCORE)),
                ..*asked
            },
            ..plain
        });
        Self {
            compared: compared(kind, asked, &setting.params),
            ..setting
        }
    }

    /// What was measured is recall of the nearest `curve.k`: for more of them a graph is searched that much wider, and for fewer
    /// as many candidates are compared.
    fn measured(curve: &Curve, asked: &SearchParams, k: usize) -> Option<Self> {
        let target = asked.recall.unwrap_or(DEFAULT_RECALL);
        let rung = curve.rung(target)?;
        let wider = |ef: usize| ef.saturating_mul(k.max(curve.k)).div_ceil(curve.k.max(1));
        let more = |factor: usize| factor.saturating_mul(curve.k.max(k)).div_ceil(k.max(1));
        Some(Self {
            params: SearchParams {
                ef_search: rung.ef_search.map(wider),
                rescore: rung.rescore.map(more),
                ..rung.params()
            },
            compared: None,
            rung: Some(*rung),
            short_of: (rung.recall < target).then_some(target),
        })
    }

    /// Under a selective filter, a graph or inverted lists must be searched wider to find as much: by the root of the inverse
    /// selectivity, and a margin. With 100,000 vectors of 50 dimensions in HNSW32, at an `ef_search` that finds 0.949 unfiltered, half
    /// of them found 0.935 with it and 0.975 with twice of it, three in ten 0.955 with 1.7 times of it, one in ten 0.979 with 5.
    pub(crate) fn widened(&self, view: &View, matching: usize) -> Self {
        const MARGIN: f64 = 1.25;
        let share = matching.max(1) as f64 / view.len().max(1) as f64;
        let factor = (MARGIN / share.min(1.0).sqrt()).max(1.0);
        let widen = |given: Option<usize>, usual| Some(times(given.unwrap_or(usual), factor));
        let mut params = self.params;
        match view.kind().map(|kind| kind.structure) {
            None | Some(Structure::Scan) => {}
            Some(Structure::Ivf { nlist, .. }) => {
                params.nprobe =
                    widen(params.nprobe, DEFAULT_NPROBE).map(|nprobe| nprobe.min(nlist));
            }
            Some(_) => params.ef_search = widen(params.ef_search, DEFAULT_EF_SEARCH),
        }
        Self { params, ..*self }
    }

    /// With at most how many documents that pass the filter each of them is compared: where that takes as long as the search
    /// widened for so few. One takes `matching` comparisons, the other the root of `total / matching` times what it takes
    /// unfiltered; they meet where `matching` to the power of 3/2 is as below.
    pub(crate) fn scan_limit(&self, view: &View) -> usize {
        let lossless = view.kind().is_none_or(Kind::is_lossless);
        let one = if lossless {
            VECTOR_MICROS + view.dimension as f64 * COMPONENT_MICROS
        } else {
            f64::from(CANDIDATE_MICROS)
        };
        let total = view.len() as f64;
        let unfiltered = f64::from(self.rung.map_or(USUAL_MICROS, |rung| rung.micros));
        let even = (total.sqrt() * unfiltered / one).powf(2.0 / 3.0);
        times(1, even).max(FEW)
    }
}

/// Where the index refines its candidates itself, its hits are rescored once more, for their true distances.
fn compared(kind: &Kind, asked: &SearchParams, params: &SearchParams) -> Option<usize> {
    if kind.is_lossless() || asked.rescore == Some(1) {
        None
    } else if kind.refine.is_some() {
        Some(1)
    } else {
        Some(params.rescore.unwrap_or(DEFAULT_RESCORE))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number; `as` keeps it in range"
)]
fn times(number: usize, factor: f64) -> usize {
    (number as f64 * factor).ceil() as usize
}
