//! Out: an index of the live documents, under their keys where those are numbers.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use engine::{Index, Metric, Watch, unwatched};
use storage::Key;

use super::{CHUNK, Exported, IndexFile};
use crate::{
    Collection, Error, Result,
    build::build,
    collection::Core,
    compaction::{Effort, Order, Start},
    view::{Sealed, View},
};

/// How often an export begins anew when documents were deleted meanwhile.
const ATTEMPTS: usize = 3;

impl Collection {
    /// Writes the collection's index into the new file `path`, as FAISS itself writes one: the vectors of all documents, and of
    /// none that were deleted. The ids are the keys, where every key is a whole number of 0 or more, else the numbers from 0,
    /// and `path` with `.keys.jsonl` behind it tells which key each is. For the metric `cosine`, vectors are scaled to length 1.
    ///
    /// # Errors
    /// A file that exists, an empty collection, a kind that FAISS does not have; what building an index and the disk say.
    pub fn export_index(&self, path: impl AsRef<Path>) -> Result<Exported> {
        self.export_index_with(path, &unwatched)
    }

    /// As [`Collection::export_index`], telling `watch` of each step of building what is not there already. When it answers to
    /// stop, no file is left.
    ///
    /// # Errors
    /// As [`Collection::export_index`]; [`engine::Error::Cancelled`] when told to stop.
    pub fn export_index_with(&self, path: impl AsRef<Path>, watch: Watch<'_>) -> Result<Exported> {
        let path = path.as_ref();
        let listing = with_ending(path, ".keys.jsonl");
        for file in [path, &listing] {
            if file.exists() {
                return Err(Error::io(file, io::ErrorKind::AlreadyExists.into()));
            }
        }
        let (index, keys) = self.core.whole_index(watch)?;
        let numbers: Option<Vec<i64>> = keys.iter().map(as_id).collect();
        let listing = match &numbers {
            Some(_) => None,
            None => Some(listing),
        };
        let numbers = numbers.unwrap_or_else(|| (0..).take(keys.len()).collect());
        if let Some(listing) = &listing {
            write_keys(listing, &keys).map_err(|error| Error::io(listing, error))?;
        }
        let index = index.index();
        index.export_with_ids(path, &numbers)?;
        let unit_length = index.metric() == Metric::Cosine;
        Ok(Exported {
            file: IndexFile::of(index),
            unit_length,
            keys: listing,
        })
    }
}

/// The index that is exported: the sealed one, or one that was built for it.
enum Whole {
    Sealed(Arc<Sealed>),
    Built(Box<Index>),
}

impl Whole {
    fn index(&self) -> &Index {
        match self {
            Self::Sealed(sealed) => &sealed.index,
            Self::Built(index) => index,
        }
    }
}

impl Core {
    /// An index of all live documents and no other, and the key of each of its rows.
    fn whole_index(&self, watch: Watch<'_>) -> Result<(Whole, Vec<Key>)> {
        for _ in 0..ATTEMPTS {
            let start = Start::of(self, self.current_view()?)?;
            if start.rows == 0 {
                let expected = "at least one: there is nothing to export";
                return Err(Error::invalid("documents", 0, expected));
            }
            let whole = match untouched(&start.view) {
                Some(sealed) => Whole::Sealed(sealed),
                None => Whole::Built(Box::new(live(self, &start, watch)?)),
            };
            if let Some(keys) = self.keys_of(whole.index().ids())? {
                return Ok((whole, keys));
            }
        }
        Err(Error::Changing {
            name: self.name.clone(),
        })
    }

    /// The keys of these documents; `None` when one of them was deleted meanwhile.
    fn keys_of(&self, ids: &[i64]) -> Result<Option<Vec<Key>>> {
        let reader = self.read()?;
        let mut keys = Vec::with_capacity(ids.len());
        for ids in ids.chunks(CHUNK) {
            let records = reader.records(ids, false)?.into_iter();
            keys.extend(records.map_while(|record| Some(record?.key)));
        }
        Ok((keys.len() == ids.len()).then_some(keys))
    }
}

/// The sealed index, where it is all there is.
fn untouched(view: &View) -> Option<Arc<Sealed>> {
    let sealed = view.sealed.as_ref()?;
    (view.fresh_len() == 0 && view.deleted.is_empty()).then(|| Arc::clone(sealed))
}

/// Without what was deleted: then it is built from nothing.
fn live(core: &Core, start: &Start, watch: Watch<'_>) -> Result<Index> {
    let order = Order {
        effort: Effort::Foreground,
        retrain: !start.view.deleted.is_empty(),
        watch,
    };
    build(core, start, order).map(|(index, _)| index)
}

/// A key that can be an id in FAISS.
fn as_id(key: &Key) -> Option<i64> {
    match key {
        Key::Integer(number) if *number >= 0 => Some(*number),
        _ => None,
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn write_keys(path: &Path, keys: &[Key]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create_new(path)?);
    for (id, key) in keys.iter().enumerate() {
        writeln!(file, "{}", serde_json::json!({"id": id, "key": key}))?;
    }
    file.into_inner()?.sync_all()
}
