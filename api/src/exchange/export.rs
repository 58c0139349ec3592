//! Out: an index of the live documents, under their keys where those are numbers.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use engine::{Index, Metric, Watch, unwatched};
use serde::Serialize;
use storage::{Key, Reader};

use super::file::{CHUNK, Exported, IndexFile};
use crate::{
    backend::local::Local,
    collection::Collection,
    error::{Error, Result},
    space::{
        Space,
        build::build,
        due::Effort,
        order::{Order, Start},
        view::{Sealed, View},
    },
};

/// How often an export begins anew when documents were deleted meanwhile.
const ATTEMPTS: usize = 3;

impl Collection {
    /// Writes the collection's index into the new file `path`, as FAISS itself writes one: the vectors of all documents, and of
    /// none that were deleted. The ids are the keys, where every key is a whole number of 0 or more, else the numbers from 0,
    /// and `path` with `.keys.jsonl` behind it tells which key each is; so too, with the passage, where texts are cut into such. For the metric `cosine`, vectors are scaled to length 1.
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
        let (index, rows) = self.core.local().whole_index(watch)?;
        let numbers: Option<Vec<i64>> = rows.iter().map(Row::as_id).collect();
        let listing = match &numbers {
            Some(_) => None,
            None => Some(listing),
        };
        let numbers = numbers.unwrap_or_else(|| (0..).take(rows.len()).collect());
        if let Some(listing) = &listing {
            write_rows(listing, &rows).map_err(|error| Error::io(listing, error))?;
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

/// What a row of the index is the vector of.
#[derive(Serialize)]
struct Row {
    key: Key,
    /// Which bytes of the document's text, where it is cut into passages.
    #[serde(flatten)]
    range: Option<Range<usize>>,
}

impl Row {
    /// The key, where it can be an id in FAISS and no other row has it.
    fn as_id(&self) -> Option<i64> {
        match (&self.key, &self.range) {
            (Key::Integer(number), None) if *number >= 0 => Some(*number),
            _ => None,
        }
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

impl Local {
    /// An index of all live documents and no other, and what each of its rows is of.
    fn whole_index(&self, watch: Watch<'_>) -> Result<(Whole, Vec<Row>)> {
        for _ in 0..ATTEMPTS {
            let start = Start::of(&self.space, self.space.current_view()?)?;
            if start.rows == 0 {
                let expected = "at least one: there is nothing to export";
                return Err(Error::invalid("documents", 0, expected));
            }
            let whole = match untouched(&start.view) {
                Some(sealed) => Whole::Sealed(sealed),
                None => Whole::Built(Box::new(live(&self.space, &start, watch)?)),
            };
            if let Some(rows) = self.rows_of(whole.index().ids())? {
                return Ok((whole, rows));
            }
        }
        Err(Error::Changing {
            name: self.documents.name.clone(),
        })
    }

    /// What these ids are of; `None` when one of the documents was deleted meanwhile.
    fn rows_of(&self, ids: &[i64]) -> Result<Option<Vec<Row>>> {
        let reader = self.read()?;
        let mut rows = Vec::with_capacity(ids.len());
        for ids in ids.chunks(CHUNK) {
            let places = self.places(&reader, ids)?;
            // Those of one document come one behind the other, and it is read once: its text may be long.
            let mut documents: Vec<i64> = places.iter().map(|place| place.0).collect();
            documents.dedup();
            let records = reader.records(&documents, false)?.into_iter().flatten();
            let keys: HashMap<i64, Key> = records.map(|record| (record.id, record.key)).collect();
            rows.extend(places.into_iter().filter_map(|(document, range)| {
                let key = keys.get(&document)?.clone();
                Some(Row { key, range })
            }));
        }
        Ok((rows.len() == ids.len()).then_some(rows))
    }

    /// The document of each id that is alive, and which bytes of its text, where it is cut into passages.
    fn places(&self, reader: &Reader<'_>, ids: &[i64]) -> Result<Vec<(i64, Option<Range<usize>>)>> {
        if !self.has_passages() {
            return Ok(ids.iter().map(|id| (*id, None)).collect());
        }
        let alive = reader.passages(ids)?.into_iter().flatten();
        Ok(alive
            .map(|place| (place.document, Some(place.start..place.end)))
            .collect())
    }
}

/// The sealed index, where it is all there is.
fn untouched(view: &View) -> Option<Arc<Sealed>> {
    let sealed = view.sealed.as_ref()?;
    (view.fresh_len() == 0 && view.deleted.is_empty()).then(|| Arc::clone(sealed))
}

/// Without what was deleted: then it is built from nothing.
fn live(space: &Space, start: &Start, watch: Watch<'_>) -> Result<Index> {
    let order = Order {
        effort: Effort::Foreground,
        retrain: !start.view.deleted.is_empty(),
        watch,
    };
    build(space, start, order).map(|(index, _)| index)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn write_rows(path: &Path, rows: &[Row]) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        id: usize,
        #[serde(flatten)]
        row: &'a Row,
    }
    let mut file = BufWriter::new(File::create_new(path)?);
    for (id, row) in rows.iter().enumerate() {
        writeln!(file, "{}", serde_json::to_string(&Line { id, row })?)?;
    }
    file.into_inner()?.sync_all()
}
