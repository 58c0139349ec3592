//! Fashion-MNIST as Debian packages it: 60,000 images to index and 10,000 to search with, 28 × 28 bytes each.

use std::{fs::File, io::Read, path::Path};

use crate::measure::Failure;
use flate2::read::GzDecoder;

/// Components of a vector.
pub const DIMENSION: usize = 784;
const FOLDER: &str = "/usr/share/datasets/fashion-mnist";
const NAMES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Images and what they show.
pub struct Images {
    /// Row-major, a byte a pixel.
    pub pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    /// At most the first `limit` images to index.
    ///
    /// # Errors
    /// When Debian's package is not installed.
    pub fn train(limit: usize) -> Result<Self, Failure> {
        Self::read("train", limit)
    }

    /// At most the first `limit` images to search with.
    ///
    /// # Errors
    /// When Debian's package is not installed.
    pub fn test(limit: usize) -> Result<Self, Failure> {
        Self::read("t10k", limit)
    }

    /// The idx format: a big-endian header of 16 bytes before images and of 8 before labels, then bytes.
    fn read(part: &str, limit: usize) -> Result<Self, Failure> {
        let mut pixels = unzip(&format!("{part}-images-idx3-ubyte.gz"))?.split_off(16);
        let mut labels = unzip(&format!("{part}-labels-idx1-ubyte.gz"))?.split_off(8);
        pixels.truncate(limit * DIMENSION);
        labels.truncate(limit);
        if pixels.len() != labels.len() * DIMENSION {
            return Err(
                format!("{FOLDER}: {part} has not one label per image of 784 bytes").into(),
            );
        }
        Ok(Self { pixels, labels })
    }

    /// How many images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of one image.
    #[must_use]
    pub fn vector(&self, row: usize) -> Vec<f32> {
        self.pixels[row * DIMENSION..(row + 1) * DIMENSION]
            .iter()
            .copied()
            .map(f32::from)
            .collect()
    }

    /// All vectors, row-major.
    #[must_use]
    pub fn vectors(&self) -> Vec<f32> {
        self.pixels.iter().copied().map(f32::from).collect()
    }

    /// What the image shows.
    #[must_use]
    pub fn name(&self, row: usize) -> &'static str {
        NAMES
            .get(usize::from(self.labels[row]))
            .copied()
            .unwrap_or("unknown")
    }
}

fn unzip(name: &str) -> Result<Vec<u8>, Failure> {
    let path = Path::new(FOLDER).join(name);
    let file = File::open(&path).map_err(|error| {
        format!(
            "{}: {error}; install it: apt-get install dataset-fashion-mnist",
            path.display()
        )
    })?;
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The rows of `base` nearest to each image of `queries`, compared one by one in whole numbers, so exactly; ties go to
/// the earlier row.
#[must_use]
pub fn nearest(base: &Images, queries: &Images, k: usize) -> Vec<Vec<usize>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = queries.len().div_ceil(threads).max(1) * DIMENSION;
    std::thread::scope(|scope| {
        let search = |part| scope.spawn(move || nearest_to_each(base, part, k));
        let parts: Vec<_> = queries.pixels.chunks(share).map(search).collect();
        let joined = parts.into_iter().map(|part| {
            part.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.flatten().collect()
    })
}

fn nearest_to_each(base: &Images, queries: &[u8], k: usize) -> Vec<Vec<usize>> {
    let nearest = |query: &[u8]| {
        let distances = base
            .pixels
            .chunks_exact(DIMENSION)
            .map(|image| squared_distance(query, image));
        let mut rows: Vec<(i32, usize)> = distances.zip(0..).collect();
        let last = k.min(rows.len()).saturating_sub(1);
        rows.select_nth_unstable(last);
        rows.truncate(k);
        rows.into_iter().map(|(_, row)| row).collect()
    };
    queries.chunks_exact(DIMENSION).map(nearest).collect()
}

fn squared_distance(one: &[u8], two: &[u8]) -> i32 {
    let difference = |(one, two): (&u8, &u8)| i32::from(i16::from(*one) - i16::from(*two)).pow(2);
    one.iter().zip(two).map(difference).sum()
}
