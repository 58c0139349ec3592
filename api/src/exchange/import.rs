//! In: a new collection whose documents are the vectors of an index file, under its ids, with that very index as the sealed
//! one.

use std::{collections::HashSet, path::Path};

use engine::{Error::BadForeign, Foreign, Metric, Stage, Watch, report, unwatched};
use storage::{Key, Metadata, NewDocument, Seal, Store};

use super::file::{CHUNK, IndexFile};
use crate::{
    collection::Collection,
    config::{CollectionConfig, Locked},
    database::Database,
    error::{Error, Result},
    folder::{DOCUMENTS, move_into_place, sync_folder},
    space::file::{index_file, stamp},
};

/// What an import made.
#[derive(Debug, Clone)]
pub struct ImportedIndex {
    /// The new collection.
    pub collection: Collection,
    /// What was in the file.
    pub file: IndexFile,
}

impl Database {
    /// Makes the collection `name` of the index in the file `path`, which FAISS wrote: a document of each vector, as the index
    /// keeps it, under its id as the key. `metric` is that of the file where it is `None`; it may be `cosine` where the file has
    /// vectors of length 1 under the metric that the kind keeps cosine in. See [`crate::index::inspect`] about files that are not
    /// trusted.
    ///
    /// # Errors
    /// A name that is taken, a file that is no index or one that keeps nothing of its vectors, ids that stand twice, another
    /// metric than the file's. Nothing is left then.
    pub fn import_index(
        &self,
        name: &str,
        path: impl AsRef<Path>,
        metric: Option<Metric>,
    ) -> Result<ImportedIndex> {
        self.import_index_with(name, path, metric, &unwatched)
    }

    /// As [`Database::import_index`], telling `watch` of each step. When it answers to stop, nothing is left.
    ///
    /// # Errors
    /// As [`Database::import_index`]; [`engine::Error::Cancelled`] when told to stop.
    pub fn import_index_with(
        &self,
        name: &str,
        path: impl AsRef<Path>,
        metric: Option<Metric>,
        watch: Watch<'_>,
    ) -> Result<ImportedIndex> {
        let path = path.as_ref();
        self.check_writable("import an index")?;
        let folder = self.free_folder(name)?;
        let foreign = Foreign::read(path)?;
        check_ids(path, foreign.ids())?;
        let metric = metric.unwrap_or_else(|| foreign.metric());
        foreign.check_metric(metric)?;
        let file = IndexFile::found(&foreign);
        let config = CollectionConfig::given(foreign.dimension())
            .metric(metric)
            .index(foreign.kind().clone());
        let pending = self.pending(name)?;
        let store = new_store(name, &config, pending.path())?;
        let rows = fill(&store, &foreign, metric, watch)?;
        seal(&store, pending.path(), foreign, metric, &rows)?;
        drop(store);
        sync_folder(pending.path())?;
        move_into_place(&pending.keep(), &folder)?;
        let collection = self.collection(name)?;
        if let Err(error) = collection.core.local().space.measure_sealed(watch) {
            drop(collection);
            self.drop_collection(name)?;
            return Err(error);
        }
        Ok(ImportedIndex { collection, file })
    }
}

fn check_ids(path: &Path, ids: &[i64]) -> Result<()> {
    let bad = |reason: String| {
        let path = path.to_owned();
        Err(BadForeign { path, reason }.into())
    };
    if ids.is_empty() {
        return bad("it holds no vectors".to_owned());
    }
    let mut seen = HashSet::with_capacity(ids.len());
    match ids.iter().find(|id| !seen.insert(**id)) {
        Some(id) => bad(format!(
            "the id {id} stands twice in it, and ids become the documents' keys"
        )),
        None => Ok(()),
    }
}

fn new_store(name: &str, config: &CollectionConfig, folder: &Path) -> Result<Store> {
    config.validate()?;
    let locked = Locked {
        config: config.clone(),
        model: None,
    };
    let json = serde_json::to_string(&locked).map_err(|source| Error::BadConfig {
        name: name.to_owned(),
        source: source.into(),
    })?;
    Ok(Store::create(
        folder.join(DOCUMENTS),
        &json,
        locked.dimension(),
    )?)
}

/// Stores a document of each vector; their internal ids, in the order of the rows.
fn fill(store: &Store, foreign: &Foreign, metric: Metric, watch: Watch<'_>) -> Result<Vec<i64>> {
    let total = foreign.ids().len();
    let mut rows = Vec::with_capacity(total);
    let metadata = Metadata::new();
    for ids in foreign.ids().chunks(CHUNK) {
        report(watch, Stage::Adding, rows.len(), total)?;
        let vectors = foreign.vectors(rows.len()..rows.len() + ids.len(), metric)?;
        let keys: Vec<Key> = ids.iter().map(|&id| Key::Integer(id)).collect();
        let document = |(key, vector)| NewDocument {
            key,
            text: None,
            metadata: &metadata,
            passages: &[],
            vector,
        };
        let pairs = keys.iter().zip(vectors.chunks_exact(foreign.dimension()));
        let documents: Vec<NewDocument<'_>> = pairs.map(document).collect();
        rows.extend(store.upsert(&documents)?.ids);
    }
    Ok(rows)
}

/// Makes the index that was read the sealed one of the new collection.
fn seal(
    store: &Store,
    folder: &Path,
    foreign: Foreign,
    metric: Metric,
    rows: &[i64],
) -> Result<()> {
    let index = foreign.into_index(metric, rows)?;
    let seal = Seal {
        generation: 1,
        file: index_file(1),
        kind: index.kind().to_string(),
        last_id: rows.last().copied().unwrap_or(0),
        sequence: store.read()?.sequence(),
        keeps_removed: false,
    };
    index.save(&folder.join(&seal.file), &stamp(store.config(), &seal))?;
    Ok(store.seal(&seal)?)
}
