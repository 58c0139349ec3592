//! Seeded data, a brute-force search written without the engine, and indexes to test.

use crate::{Hit, Index, Kind, Metric, Select};

pub(super) const METRICS: [Metric; 3] = [Metric::L2, Metric::Cosine, Metric::InnerProduct];

/// Every metric there is, `lp` with two exponents.
pub(super) fn all_metrics() -> Vec<Metric> {
    let mut all = METRICS.to_vec();
    all.extend([Metric::L1, Metric::Linf, Metric::Canberra]);
    all.extend([Metric::BrayCurtis, Metric::JensenShannon]);
    all.extend([0.5, 3.0].map(|p| Metric::lp(p).unwrap()));
    all
}

/// The points as the metric takes them: without components below 0 where it has to be.
pub(super) fn suited(metric: Metric, points: &[f32]) -> Vec<f32> {
    let negative = !metric.is_for_nonnegative();
    let points = points.iter();
    points
        .map(|x| if negative { *x } else { x.abs() })
        .collect()
}

/// Those that this build has.
pub(super) fn had<const N: usize>(kinds: [Kind; N]) -> Vec<Kind> {
    kinds.into_iter().filter(Kind::is_built_in).collect()
}

/// Kinds to test with.
pub(super) fn kinds() -> Vec<Kind> {
    had([
        Kind::hnsw_rs(16, 100),
        Kind::flat(),
        Kind::hnsw(16),
        Kind::hnsw(16).sq8(),
        Kind::ivf(8),
    ])
}

/// One of every kind there is, for vectors of dimension 16 (or another multiple of it): each structure over all codes that
/// it takes, each transform but OPQ, which takes long to train, each second look.
const CATALOGUE: &str = "
    Flat SQ8 SQ6 SQ4 SQfp16 SQbf16 PQ8x4 PQ8x4fs RaBitQ LSH LSH64r LSH32rt HNSW8 HNSW8,SQ8 HNSW8,SQ6 HNSW8,SQ4
    HNSW8,SQfp16 HNSW8,SQbf16 HNSW8,PQ8x4 NSG8 NSG8,SQ8 NSG8,PQ8x4 IVF16,Flat IVF16,SQ8 IVF16,SQ6 IVF16,SQ4
    IVF16,SQfp16 IVF16,SQbf16 IVF16,PQ8x4 IVF16,PQ8x4fs IVF16,PQ8x4fsr IVF16,RaBitQ IVF16_HNSW8,Flat
    IVF16_HNSW8,SQ8 IVF16_HNSW8,PQ8x4 PCA8,Flat PCAW8,Flat L2norm,Flat PCAR8,HNSW8 RR16,IVF16,RaBitQ ITQ,LSH
    Pad24,SQ8 PCA8,IVF16,PQ8x4 SQ4,RFlat PQ8x4,RFlat RaBitQ,Refine(SQ8) HNSW8,SQ4,RFlat
    IVF16,PQ8x4fs,RFlat IVF16,RaBitQ,Refine(SQfp16) hnsw_rs(m=8,ef_construction=100)
";

/// Those of them that this build has.
pub(super) fn catalogue() -> Vec<Kind> {
    let kinds = CATALOGUE.split_whitespace();
    let kinds = kinds.map(|kind| kind.parse().unwrap());
    kinds.filter(Kind::is_built_in).collect()
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// From -1 to 1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }

    /// About normal: the sum of four uniform numbers.
    pub(super) fn normal(&mut self) -> f32 {
        (0..4).map(|_| self.unit()).sum::<f32>() * 0.87
    }
}

/// Points around `centers` random centers, most of their spread along a few directions, as embeddings have it.
pub(super) fn clustered(seed: u64, rows: usize, dimension: usize, centers: usize) -> Vec<f32> {
    const DIRECTIONS: usize = 8;
    let mut random = Random(seed);
    let middle: Vec<f32> = (0..centers * dimension).map(|_| random.normal()).collect();
    let directions: Vec<f32> = (0..DIRECTIONS * dimension)
        .map(|_| random.normal() * 0.3)
        .collect();
    let mut points = Vec::with_capacity(rows * dimension);
    for _ in 0..rows {
        let center = random.below(centers) * dimension;
        let along: Vec<f32> = (0..DIRECTIONS).map(|_| random.normal()).collect();
        for d in 0..dimension {
            let spread: f32 = along
                .iter()
                .enumerate()
                .map(|(i, a)| a * directions[i * dimension + d])
                .sum();
            points.push(middle[center + d] + spread + random.normal() * 0.1);
        }
    }
    points
}

/// Ids with gaps, ascending: 10, 13, 16, …
pub(super) fn ids(rows: usize) -> Vec<i64> {
    (0..i64::try_from(rows).unwrap())
        .map(|row| 10 + 3 * row)
        .collect()
}

pub(super) fn build(metric: Metric, kind: &Kind, dimension: usize, points: &[f32]) -> Index {
    let mut index = Index::new(dimension, metric, kind).unwrap();
    index.train(points).unwrap();
    index.add(&ids(points.len() / dimension), points).unwrap();
    index
}

pub(super) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    match metric {
        Metric::L2 => a
            .iter()
            .zip(b)
            .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2))
            .sum(),
        Metric::InnerProduct => dot(a, b),
        Metric::Cosine => {
            let norms = (dot(a, a) * dot(b, b)).sqrt();
            if norms == 0.0 { 0.0 } else { dot(a, b) / norms }
        }
        other => componentwise(other, a, b),
    }
}

fn componentwise(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    match metric {
        Metric::L1 => pairs().map(|(x, y)| (x - y).abs()).sum(),
        Metric::Linf => pairs().map(|(x, y)| (x - y).abs()).fold(0.0, f64::max),
        Metric::Lp(p) => pairs()
            .map(|(x, y)| (x - y).abs().powf(f64::from(p.get())))
            .sum(),
        Metric::Canberra => {
            let share = |(x, y): (f64, f64)| match x.abs() + y.abs() {
                0.0 => 0.0,
                both => (x - y).abs() / both,
            };
            pairs().map(share).sum()
        }
        Metric::BrayCurtis => {
            let (apart, both) = pairs().fold((0.0, 0.0), |(apart, both), (x, y)| {
                (apart + (x - y).abs(), both + (x + y).abs())
            });
            if both == 0.0 { 0.0 } else { apart / both }
        }
        Metric::JensenShannon => {
            let term = |x: f64, mean: f64| if x == 0.0 { 0.0 } else { x * (x / mean).ln() };
            pairs()
                .map(|(x, y)| 0.5 * (term(x, (x + y) / 2.0) + term(y, (x + y) / 2.0)))
                .sum()
        }
        Metric::L2 | Metric::Cosine | Metric::InnerProduct => unreachable!("measured by products"),
    }
}

/// All allowed points by distance: the reference.
pub(super) fn brute_force(
    metric: Metric,
    points: &[f32],
    dimension: usize,
    query: &[f32],
    k: usize,
    select: Select<'_>,
) -> Vec<(i64, f64)> {
    let rows = points.chunks(dimension).zip(ids(points.len() / dimension));
    let mut all: Vec<(i64, f64)> = rows
        .filter(|(_, id)| match select {
            Select::All => true,
            Select::Only(set) => set.iter().any(|inside| inside == *id),
            Select::Except(set) => set.iter().all(|inside| inside != *id),
            Select::Between(first, last) => *id >= first && *id <= last,
        })
        .map(|(point, id)| (id, distance(metric, query, point)))
        .collect();
    let sign = if metric.is_similarity() { -1.0 } else { 1.0 };
    all.sort_by(|one, two| {
        (sign * one.1)
            .total_cmp(&(sign * two.1))
            .then(one.0.cmp(&two.0))
    });
    all.truncate(k);
    all
}

/// The same distances in the same order, within rounding, and ids whose true distance is what is claimed.
pub(super) fn assert_same(found: &[Hit], expected: &[(i64, f64)], scale: f64, context: &str) {
    assert_eq!(found.len(), expected.len(), "{context}: number of hits");
    let tolerance = 2e-5 * scale.max(1.0);
    for (hit, (id, distance)) in found.iter().zip(expected) {
        let off = (f64::from(hit.distance) - distance).abs();
        assert!(
            off <= tolerance,
            "{context}: {hit:?} where {id} at {distance} was expected"
        );
    }
    let mut seen: Vec<i64> = found.iter().map(|hit| hit.id).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), found.len(), "{context}: an id came twice");
}

/// As many hits as there are to be, of rows of the index, each once, the closest first.
#[cfg(feature = "faiss")]
pub(super) fn assert_sound(index: &Index, hits: &[Hit], count: usize, context: &str) {
    assert_eq!(hits.len(), count, "{context}: number of hits");
    let score = |hit: &Hit| index.metric().score(hit.distance);
    assert!(
        hits.is_sorted_by(|one, two| score(one) >= score(two)),
        "{context}: {hits:?}"
    );
    let mut ids: Vec<i64> = hits.iter().map(|hit| hit.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), hits.len(), "{context}: an id came twice");
    let inside = |id: &i64| index.ids().binary_search(id).is_ok();
    assert!(ids.iter().all(inside), "{context}: {hits:?}");
}

/// The share of the true nearest that were found.
pub(super) fn recall(found: &[Vec<Hit>], expected: &[Vec<(i64, f64)>]) -> f64 {
    let of_one = |(hits, truth): (&Vec<Hit>, &Vec<(i64, f64)>)| {
        truth
            .iter()
            .filter(|(id, _)| hits.iter().any(|hit| hit.id == *id))
            .count()
    };
    let right: usize = found.iter().zip(expected).map(of_one).sum();
    right as f64 / expected.iter().map(Vec::len).sum::<usize>() as f64
}

/// Every metric with every kind that keeps whole vectors.
pub(super) fn lossless() -> impl Iterator<Item = (Metric, Kind)> {
    METRICS.into_iter().flat_map(|metric| {
        kinds()
            .into_iter()
            .filter(Kind::is_lossless)
            .map(move |kind| (metric, kind))
    })
}
