//! The files that the crate `hnsw_rs` writes and reads: its version 4, as `hnsw_rs::hnswio` has it, numbers in the
//! machine's own order. They are made here for the crate to take up a graph, in the folder for temporary files
//! (`TMPDIR`), which has to have room for the vectors and their links, and are gone when it has.

use std::any::type_name;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use hnsw_rs::hnswio::HnswIo;

use super::stored::{Layers, Links};
use super::{LAYERS, Measure, Shape, failure, guarded};
use crate::error::{Error, Result};
use crate::metric::Metric;

/// What the crate adds to a name for the file of links, and for that of vectors.
const LINKS: &str = "graph.hnsw.graph";
const VECTORS: &str = "graph.hnsw.data";
const NAME: &str = "graph";

const MAGIC_HEAD: u32 = 0x002a_6779;
const MAGIC_LAYER: u32 = 0x000a_676f;
const MAGIC_POINT: u32 = 0x000a_678f;
const MAGIC_VECTOR: u32 = 0xa67f_0000;
/// With layer and rank of each link, not its row alone.
const WHOLE: u8 = 1;
/// The crate multiplies the scale of a new graph's layers by this.
const SCALE: f64 = 1.0;

/// The one reader of this process. A graph that the crate reads borrows from its reader for as long as it lives, in case
/// that the vectors are mapped from the file (they are not). So the reader has to live as long as the process does, and
/// its folder has one name.
pub(super) static READER: LazyLock<Reader> = LazyLock::new(Reader::new);

pub(super) struct Reader {
    io: HnswIo,
    folder: PathBuf,
    /// Held while the folder is there.
    busy: Mutex<()>,
}

impl Reader {
    fn new() -> Self {
        let unique = tempfile::Builder::new().prefix("vinedb-graph-").tempdir();
        let folder = unique.map_or_else(
            |_| std::env::temp_dir().join(format!("vinedb-graph-{}", std::process::id())),
            |made| made.path().to_owned(),
        );
        Self {
            io: HnswIo::new(&folder, NAME),
            folder,
            busy: Mutex::new(()),
        }
    }

    /// The folder, for one graph at a time.
    pub(super) fn files(&'static self) -> Result<Files> {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.folder)
            .map_err(|source| Error::io(&self.folder, source))?;
        Ok(Files {
            reader: self,
            _busy: busy,
        })
    }
}

/// A folder for the files of one graph, gone afterwards.
pub(super) struct Files {
    reader: &'static Reader,
    _busy: MutexGuard<'static, ()>,
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left over is a file in the folder for temporary ones.
        let _ = fs::remove_dir_all(&self.reader.folder);
    }
}

impl Files {
    /// Makes the file of vectors out of those that `each` hands on, in its order.
    pub(super) fn vectors<T>(
        &self,
        dimension: usize,
        each: impl FnOnce(&mut dyn FnMut(u32, &[f32]) -> io::Result<()>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut file = self.create(VECTORS)?;
        file.write_all(&MAGIC_VECTOR.to_ne_bytes())?;
        file.write_all(&dimension.to_ne_bytes())?;
        let done = each(&mut |row, vector| {
            file.write_all(&MAGIC_VECTOR.to_ne_bytes())?;
            file.write_all(&u64::from(row).to_ne_bytes())?;
            file.write_all(&(size_of_val(vector) as u64).to_ne_bytes())?;
            vector
                .iter()
                .try_for_each(|x| file.write_all(&x.to_ne_bytes()))
        })?;
        file.flush()?;
        Ok(done)
    }

    /// Makes the file of links, and has the crate read both.
    pub(super) fn load(
        &self,
        layers: &Layers,
        dimension: usize,
        metric: Metric,
        shape: Shape,
    ) -> Result<super::Links> {
        const OPERATION: &str = "read a graph";
        self.links(layers, dimension, shape)
            .map_err(|source| Error::io(&self.path(LINKS), source))?;
        let reader = &self.reader.io;
        let mut links = guarded(OPERATION, || reader.load_hnsw_with_dist(Measure(metric)))?
            .map_err(|error| failure(OPERATION, &error.to_string()))?;
        // As it is in a new graph.
        links.set_extend_candidates(false);
        Ok(links)
    }

    fn links(&self, layers: &Layers, dimension: usize, shape: Shape) -> io::Result<()> {
        let rows = layers.iter().map(Vec::len).sum();
        let mut places = vec![Place::default(); rows];
        for (layer, points) in (0..).zip(layers) {
            for (rank, (row, _)) in (0..).zip(points) {
                places[*row as usize] = Place { layer, rank };
            }
        }
        let mut file = self.create(LINKS)?;
        file.write_all(&head(rows, dimension, shape)?)?;
        file.write_all(&[number_of_layers()])?;
        for points in layers {
            file.write_all(&MAGIC_LAYER.to_ne_bytes())?;
            file.write_all(&points.len().to_ne_bytes())?;
            for (row, links) in points {
                file.write_all(&MAGIC_POINT.to_ne_bytes())?;
                write_point(&mut file, *row, links, &places)?;
            }
        }
        let top = layers.iter().rev().find_map(|points| points.first());
        if let Some((entry, _)) = top {
            write_place(&mut file, *entry, &places)?;
        }
        file.flush()
    }

    fn create(&self, name: &str) -> io::Result<BufWriter<File>> {
        File::create(self.path(name)).map(BufWriter::new)
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.reader.folder).join(name)
    }
}

/// Where the crate has a point.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    layer: u8,
    rank: i32,
}

fn head(rows: usize, dimension: usize, shape: Shape) -> io::Result<Vec<u8>> {
    let mut head = MAGIC_HEAD.to_ne_bytes().to_vec();
    head.push(WHOLE);
    head.push(u8::try_from(shape.m).map_err(io::Error::other)?);
    head.extend(SCALE.to_ne_bytes());
    head.push(number_of_layers());
    for number in [shape.ef_construction, rows, dimension] {
        head.extend(number.to_ne_bytes());
    }
    for name in [type_name::<Measure>(), type_name::<f32>()] {
        head.extend(name.len().to_ne_bytes());
        head.extend(name.as_bytes());
    }
    Ok(head)
}

fn write_point(file: &mut impl Write, row: u32, links: &Links, places: &[Place]) -> io::Result<()> {
    write_place(file, row, places)?;
    for links in links {
        file.write_all(&links.len().to_ne_bytes())?;
        for (row, distance) in links {
            write_place(file, *row, places)?;
            file.write_all(&distance.to_ne_bytes())?;
        }
    }
    Ok(())
}

fn write_place(file: &mut impl Write, row: u32, places: &[Place]) -> io::Result<()> {
    let Place { layer, rank } = places[row as usize];
    file.write_all(&(row as usize).to_ne_bytes())?;
    file.write_all(&[layer])?;
    file.write_all(&rank.to_ne_bytes())
}

fn number_of_layers() -> u8 {
    u8::try_from(LAYERS).unwrap_or(u8::MAX)
}
