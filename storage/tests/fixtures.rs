//! Stores in folders that vanish, and short ways to fill them. Asserts nothing.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use vinedb_storage::{Key, Metadata, NewDocument, Store, Written};

/// A store of 2-d vectors, and its folder.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(
            folder.path().join("documents.sqlite"),
            r#"{"metric":"l2"}"#,
            2,
        )
        .unwrap();
        Self { store, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.store.path().into()
    }

    /// Puts one document in, and gives its id.
    pub(crate) fn put(&self, key: impl Into<Key>, metadata: Value) -> i64 {
        put(&self.store, key, metadata).ids[0]
    }
}

pub(crate) fn put(store: &Store, key: impl Into<Key>, metadata: Value) -> Written {
    let (key, metadata) = (key.into(), fields(metadata));
    let document = NewDocument {
        key: &key,
        text: Some("text"),
        metadata: &metadata,
        passages: &[],
        vector: &[1.0, 2.0],
    };
    store.upsert(&[document]).unwrap()
}

pub(crate) fn fields(value: Value) -> Metadata {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}
