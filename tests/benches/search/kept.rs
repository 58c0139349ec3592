//! What is built once and kept: the collection, FAISS's view of the very same index, and an index that FAISS built itself.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use vinedb::{Collection, CollectionConfig, Database, Document, IndexSpec, Metric};
use vinedb_tests::{
    fashion::{DIMENSION, Images},
    measure::{self, Failure},
};

use crate::raw::RawIndex;

/// The index of both sides.
pub(crate) const FACTORY: &str = "HNSW32";
const NAME: &str = "images";
/// Documents per transaction.
const BATCH: usize = 10_000;

/// Both sides' indexes, loaded.
pub(crate) struct Kept {
    pub(crate) collection: Collection,
    pub(crate) same: RawIndex,
    pub(crate) own: RawIndex,
}

impl Kept {
    pub(crate) fn open(images: &Images) -> Result<Self, Failure> {
        let folder = measure::kept_folder()?.join(format!("fashion-mnist-{}", images.len()));
        if measure::flag("--fresh") && folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let (database, own) = (folder.join("images.vinedb"), folder.join("own.faiss"));
        if !own.exists() {
            fs::create_dir_all(&folder)?;
            fill(images, &fresh(&database)?)?;
            let pending = folder.join("pending.faiss");
            RawIndex::build(DIMENSION, FACTORY, &images.vectors())?.write(&pending)?;
            fs::rename(pending, &own)?;
        }
        let same = extract(&database, &folder.join("same.faiss"))?;
        let collection = Database::open(&database)?.collection(NAME)?;
        let kept = Self {
            collection,
            same: RawIndex::read(&same)?,
            own: RawIndex::read(&own)?,
        };
        kept.check(images.len())?;
        Ok(kept)
    }

    fn check(&self, images: usize) -> Result<(), Failure> {
        let stats = self.collection.stats()?;
        let right = stats
            .local
            .as_ref()
            .expect("the index is in this process")
            .sealed
            == images
            && stats
                .local
                .as_ref()
                .expect("the index is in this process")
                .fresh
                == 0
            && stats
                .local
                .as_ref()
                .expect("the index is in this process")
                .index
                .as_deref()
                == Some(FACTORY);
        if right && self.same.len() == images && self.own.len() == images {
            return Ok(());
        }
        Err(format!(
            "what was kept is not {images} images in {FACTORY} ({stats:?}); run again with --fresh"
        )
        .into())
    }
}

/// An empty database, in place of one that was not finished.
fn fresh(path: &Path) -> Result<Database, Failure> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    Ok(Database::open(path)?)
}

/// Row n becomes the document with key n, so that FAISS's rows and the library's keys are the same numbers.
fn fill(images: &Images, database: &Database) -> Result<(), Failure> {
    let config = CollectionConfig::given(DIMENSION)
        .metric(Metric::L2)
        .index(IndexSpec::parse(FACTORY)?);
    let collection = database.create_collection(NAME, config)?;
    let document = |row: usize| {
        let metadata = serde_json::json!({"name": images.name(row), "row": row, "set": "train"});
        Document::from_vector(row as i64, images.vector(row)).metadata(metadata)
    };
    for from in (0..images.len()).step_by(BATCH) {
        collection.upsert(
            (from..images.len().min(from + BATCH))
                .map(document)
                .collect(),
        )?;
    }
    Ok(collection.compact()?)
}

/// FAISS's own bytes out of the collection's index file: what follows the header, whose length stands in bytes 12 to 16,
/// and its checksum of 8 bytes.
fn extract(database: &Path, target: &Path) -> Result<PathBuf, Failure> {
    let mut file = File::open(index_file(&database.join(NAME))?)?;
    let mut prefix = [0; 16];
    file.read_exact(&mut prefix)?;
    let header = u32::from_le_bytes([prefix[12], prefix[13], prefix[14], prefix[15]]);
    file.seek(SeekFrom::Start(16 + u64::from(header) + 8))?;
    io::copy(&mut file, &mut File::create(target)?)?;
    Ok(target.to_owned())
}

fn index_file(folder: &Path) -> Result<PathBuf, Failure> {
    let is_index = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("index-"))
    };
    let mut paths = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    paths
        .find(is_index)
        .ok_or_else(|| format!("{}: there is no sealed index", folder.display()).into())
}
