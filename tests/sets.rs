//! The vectors of the benches, with queries and their true neighbours: Fashion-MNIST (images, squared L2) and GloVe (words,
//! cosine). Both are real: vectors drawn at random have no neighbourhoods, and say nothing about recall.

use std::{fs, path::PathBuf, thread};

use vinedb::Metric;

use crate::{
    fashion::{self, Images},
    measure::Failure,
};

/// How many neighbours are asked for.
pub const K: usize = 10;

/// Every so-manieth word of GloVe, which lists them by frequency, is a query and not in the base.
const HELD_OUT: usize = 40;

/// Vectors to index, queries, and which rows each query should find.
pub struct Set {
    /// As on the command line.
    pub name: &'static str,
    /// Components of a vector.
    pub dimension: usize,
    /// How they are compared.
    pub metric: Metric,
    /// Row-major.
    pub base: Vec<f32>,
    /// Row-major, none of them in the base.
    pub queries: Vec<f32>,
    /// The [`K`] nearest rows of each query, by brute force.
    pub truth: Vec<Vec<usize>>,
}

impl Set {
    /// The set of this name with at most so many vectors and queries.
    ///
    /// # Errors
    /// For an unknown name, and where the data are not on this machine.
    pub fn named(name: &str, vectors: usize, queries: usize) -> Result<Self, Failure> {
        match name {
            "fashion" => fashion_mnist(vectors, queries),
            "glove" => glove(vectors, queries),
            _ => Err(format!("there is no set {name}; there are fashion and glove").into()),
        }
    }

    /// Vectors in the base.
    #[must_use]
    pub fn len(&self) -> usize {
        self.base.len() / self.dimension
    }

    /// Whether the base is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_empty()
    }

    /// The mean share of the true nearest among the rows that were found for each query.
    #[must_use]
    pub fn recall(&self, found: &[Vec<usize>]) -> f64 {
        recall(&self.truth, found)
    }
}

/// The mean share of the true nearest among the rows that were found for each query.
#[must_use]
pub fn recall(truth: &[Vec<usize>], found: &[Vec<usize>]) -> f64 {
    let shares = truth.iter().zip(found).map(|(truth, found)| {
        let hits = truth.iter().filter(|row| found.contains(row)).count();
        hits as f64 / truth.len().max(1) as f64
    });
    shares.sum::<f64>() / truth.len().max(1) as f64
}

fn fashion_mnist(vectors: usize, queries: usize) -> Result<Set, Failure> {
    let (base, queries) = (Images::train(vectors)?, Images::test(queries)?);
    Ok(Set {
        name: "fashion",
        dimension: fashion::DIMENSION,
        metric: Metric::L2,
        base: base.vectors(),
        queries: queries.vectors(),
        truth: fashion::nearest(&base, &queries, K),
    })
}

fn glove(vectors: usize, queries: usize) -> Result<Set, Failure> {
    let Words {
        dimension,
        mut base,
        queries: mut held_out,
    } = Words::read()?;
    base.truncate(vectors.saturating_mul(dimension));
    held_out.truncate(queries.saturating_mul(dimension));
    let truth = most_similar(&base, &held_out, dimension);
    Ok(Set {
        name: "glove",
        dimension,
        metric: Metric::Cosine,
        base,
        queries: held_out,
        truth,
    })
}

/// The vectors of GloVe, some of them held out to search with.
pub struct Words {
    /// Components of a vector.
    pub dimension: usize,
    /// Row-major, frequent words first; no vector comes twice.
    pub base: Vec<f32>,
    /// Row-major, none of them in the base.
    pub queries: Vec<f32>,
}

impl Words {
    /// All of them.
    ///
    /// # Errors
    /// Where the file is not in the cache folder.
    pub fn read() -> Result<Self, Failure> {
        let path = vinedb::models::default_home().join("bench/glove.npy");
        let (rows, dimension) = read_npy(&path)?;
        let (mut base, mut queries) = (Vec::new(), Vec::new());
        for (place, row) in rows.chunks_exact(dimension).enumerate() {
            let held_out = place % HELD_OUT == HELD_OUT - 1;
            let part = if held_out { &mut queries } else { &mut base };
            part.extend_from_slice(row);
        }
        Ok(Self {
            dimension,
            base,
            queries,
        })
    }
}

/// Rows of a two-dimensional NumPy array of float32, stored by rows or by columns, and their length.
fn read_npy(path: &PathBuf) -> Result<(Vec<f32>, usize), Failure> {
    const PREFIX: usize = 10;
    let bytes = fs::read(path)
        .map_err(|error| format!("{}: {error}; `make bench` fetches it", path.display()))?;
    let wrong = || format!("{} is no array of float32 in rows", path.display());
    let length = bytes.get(8..PREFIX).ok_or_else(wrong)?;
    let data = PREFIX + usize::from(u16::from_le_bytes([length[0], length[1]]));
    let header = String::from_utf8_lossy(bytes.get(PREFIX..data).ok_or_else(wrong)?).into_owned();
    let shape = header.split_once("'shape': (").ok_or_else(wrong)?.1;
    let mut sizes = shape
        .split([',', ')'])
        .map_while(|n| n.trim().parse::<usize>().ok());
    let (count, dimension) = sizes.next().zip(sizes.next()).ok_or_else(wrong)?;
    let numbers: Vec<f32> = bytes[data..]
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect();
    if !header.contains("'<f4'") || numbers.len() != count * dimension {
        return Err(wrong().into());
    }
    if !header.contains("'fortran_order': True") {
        return Ok((numbers, dimension));
    }
    let by_rows = |place| numbers[place % dimension * count + place / dimension];
    Ok(((0..numbers.len()).map(by_rows).collect(), dimension))
}

/// The [`K`] rows of `base` with the largest cosine to each query, compared one by one.
#[must_use]
pub fn most_similar(base: &[f32], queries: &[f32], dimension: usize) -> Vec<Vec<usize>> {
    let (base, queries) = (unit(base, dimension), unit(queries, dimension));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = (queries.len() / dimension).div_ceil(threads).max(1) * dimension;
    let nearest = |query: &[f32]| {
        let score = |vector: &[f32]| -dot(query, vector);
        let mut rows: Vec<(f32, usize)> =
            base.chunks_exact(dimension).map(score).zip(0..).collect();
        let last = K.min(rows.len()).saturating_sub(1);
        rows.select_nth_unstable_by(last, |one, other| one.0.total_cmp(&other.0));
        rows.truncate(K);
        rows.into_iter().map(|(_, row)| row).collect()
    };
    thread::scope(|scope| {
        let parts: Vec<_> = queries
            .chunks(share)
            .map(|part| {
                scope.spawn(|| {
                    part.chunks_exact(dimension)
                        .map(nearest)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = parts.into_iter().map(|part| {
            part.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.flatten().collect()
    })
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// Every vector scaled to length 1.
fn unit(vectors: &[f32], dimension: usize) -> Vec<f32> {
    let scaled = |vector: &[f32]| {
        let norm = dot(vector, vector).sqrt().max(f32::MIN_POSITIVE);
        vector
            .iter()
            .map(|component| component / norm)
            .collect::<Vec<_>>()
    };
    vectors.chunks_exact(dimension).flat_map(scaled).collect()
}
