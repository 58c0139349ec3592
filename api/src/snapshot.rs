//! Snapshot and restore: one compressed file, all or nothing.
//!
//! The file is a tar archive in a zstd frame. Its first entry is the manifest (bincode): what the collection is, and length
//! and SHA-256 of each entry behind it. The documents are copied consistently while others write; the index file comes along
//! when it belongs to them, and is only a cache. Restoring checks everything before the collection gets its name.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storage::{Access, Store};

use crate::{
    collection::Collection,
    config::Locked,
    database::Database,
    error::{Error, Result},
    folder::{DOCUMENTS, move_into_place, sync_folder},
    space::file::is_index_file,
};

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest";
/// A manifest is a few hundred bytes; anything much larger is not one.
const MANIFEST_LIMIT: usize = 1 << 20;
const ZSTD_LEVEL: i32 = 3;

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the snapshot format.
    pub format: u32,
    /// Version of vinedb that wrote it.
    pub version: String,
    /// The collection's name at that time.
    pub collection: String,
    /// Documents in it.
    pub documents: u64,
    /// How many writes it had seen.
    pub sequence: u64,
    /// The files in it.
    pub entries: Vec<Entry>,
}

/// A file in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name within the collection's folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Collection {
    /// Writes the whole collection into the new file `path`, as it is at one moment, while searches and writes go on.
    ///
    /// # Errors
    /// A file that exists, a disk that is full; no file is left then.
    pub fn snapshot(&self, path: impl AsRef<Path>) -> Result<Manifest> {
        let path = path.as_ref();
        if path.exists() {
            return Err(Error::io(path, io::ErrorKind::AlreadyExists.into()));
        }
        let folder = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let work = tempfile::Builder::new()
            .prefix(".snapshot-")
            .tempdir_in(folder)
            .map_err(|error| Error::io(path, error))?;
        let manifest = self.copy_to(work.path())?;
        let archive = work.path().join("archive");
        pack(&archive, work.path(), &manifest).map_err(|error| Error::io(path, error))?;
        // Never in place of a file that came meanwhile, and where there are no hard links too.
        tempfile::TempPath::try_from_path(&archive)
            .and_then(|archive| archive.persist_noclobber(path).map_err(io::Error::from))
            .map_err(|error| Error::io(path, error))?;
        sync_folder(folder)?;
        Ok(manifest)
    }

    /// Copies documents and index into `folder` and describes them.
    fn copy_to(&self, folder: &Path) -> Result<Manifest> {
        let documents = folder.join(DOCUMENTS);
        let local = self.core.local();
        local.documents.check_there()?;
        local.documents.store.copy_to(&documents)?;
        let store = Store::open(&documents, Access::ReadOnly)?;
        let reader = store.read()?;
        let mut entries = vec![describe(&documents, DOCUMENTS)?];
        if let Some(seal) = reader.seal().filter(|seal| is_index_file(&seal.file)) {
            let copy = folder.join(&seal.file);
            // A compaction may have replaced it meanwhile; the restored collection then makes its index anew.
            if fs::copy(local.folder().join(&seal.file), &copy).is_ok() {
                entries.push(describe(&copy, &seal.file)?);
            }
        }
        Ok(Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            collection: self.core.name.clone(),
            documents: reader.count(None)?,
            sequence: reader.sequence(),
            entries,
        })
    }
}

impl Database {
    /// Restores the snapshot in the file `path` as the new collection `name`. Everything in it is checked first; when anything
    /// is wrong, nothing has changed.
    ///
    /// # Errors
    /// A name that is taken, a file that is no snapshot or is damaged, a disk that is full.
    pub fn restore(&self, name: &str, path: impl AsRef<Path>) -> Result<Collection> {
        let path = path.as_ref();
        self.check_writable("restore a snapshot")?;
        let folder = self.free_folder(name)?;
        let pending = self.pending(name)?;
        unpack(path, pending.path())?;
        check_documents(path, pending.path())?;
        sync_folder(pending.path())?;
        let pending = pending.keep();
        // The folder is free still, unless another thread took it meanwhile, in which case the rename fails.
        move_into_place(&pending, &folder).inspect_err(|_| drop(fs::remove_dir_all(&pending)))?;
        self.collection(name)
    }
}

fn check_documents(path: &Path, folder: &Path) -> Result<()> {
    let store = Store::open(folder.join(DOCUMENTS), Access::ReadWrite)?;
    serde_json::from_str::<Locked>(store.config())
        .map_err(|error| bad(path, format!("its configuration cannot be read: {error}")))?;
    Ok(store.check()?)
}

/// The hash of a whole file, in hexadecimal digits, and its length.
fn sha256_of(path: &Path) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut File::open(path)?, &mut hasher)?;
    let digits = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((digits, bytes))
}

fn describe(path: &Path, name: &str) -> Result<Entry> {
    let (sha256, bytes) = sha256_of(path).map_err(|error| Error::io(path, error))?;
    Ok(Entry {
        name: name.to_owned(),
        bytes,
        sha256,
    })
}

fn pack(archive: &Path, folder: &Path, manifest: &Manifest) -> io::Result<()> {
    let encoded = bincode::serde::encode_to_vec(manifest, bincode::config::standard())
        .map_err(io::Error::other)?;
    let file = BufWriter::new(File::create_new(archive)?);
    let mut encoder = zstd::Encoder::new(file, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    let mut tar = tar::Builder::new(encoder);
    append(&mut tar, MANIFEST, encoded.len() as u64, encoded.as_slice())?;
    for entry in &manifest.entries {
        append(
            &mut tar,
            &entry.name,
            entry.bytes,
            File::open(folder.join(&entry.name))?,
        )?;
    }
    let file = tar
        .into_inner()?
        .finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    bytes: u64,
    data: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, name, data.take(bytes))
}

/// Unpacks the archive into `folder` and compares every file with the manifest.
fn unpack(path: &Path, folder: &Path) -> Result<()> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let decoder =
        zstd::Decoder::new(BufReader::new(file)).map_err(|error| damaged(path, &error))?;
    let mut tar = tar::Archive::new(decoder);
    unpack_entries(path, folder, &mut tar)?;
    // To the end: the frame's checksum stands there, and covers the manifest too.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(|error| damaged(path, &error))?;
    Ok(())
}

fn unpack_entries(path: &Path, folder: &Path, tar: &mut tar::Archive<impl Read>) -> Result<()> {
    let mut entries = tar.entries().map_err(|error| damaged(path, &error))?;
    let manifest = read_manifest(path, entries.next())?;
    for expected in &manifest.entries {
        let found = entries
            .next()
            .ok_or_else(|| bad(path, format!("{} is missing", expected.name)))?;
        let mut found = found.map_err(|error| damaged(path, &error))?;
        write_entry(path, folder, expected, &mut found)?;
    }
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(bad(
            path,
            "it holds more than its manifest names".to_owned(),
        )),
    }
}

fn read_manifest<R: Read>(
    path: &Path,
    entry: Option<io::Result<tar::Entry<'_, R>>>,
) -> Result<Manifest> {
    let no_snapshot = || bad(path, "it is not a vinedb snapshot".to_owned());
    let entry = entry
        .ok_or_else(no_snapshot)?
        .map_err(|error| damaged(path, &error))?;
    if entry.path_bytes().as_ref() != MANIFEST.as_bytes() {
        return Err(no_snapshot());
    }
    let mut encoded = Vec::new();
    entry
        .take(MANIFEST_LIMIT as u64)
        .read_to_end(&mut encoded)
        .map_err(|error| damaged(path, &error))?;
    let config = bincode::config::standard().with_limit::<MANIFEST_LIMIT>();
    let (manifest, _): (Manifest, usize) =
        bincode::serde::decode_from_slice(&encoded, config).map_err(|_| no_snapshot())?;
    if manifest.format != FORMAT {
        let reason = format!(
            "its format is {}, this version reads {FORMAT}; use vinedb {} or newer",
            manifest.format, manifest.version
        );
        return Err(bad(path, reason));
    }
    Ok(manifest)
}

fn write_entry(path: &Path, folder: &Path, expected: &Entry, data: &mut impl Read) -> Result<()> {
    if expected.name != DOCUMENTS && !is_index_file(&expected.name) {
        return Err(bad(
            path,
            format!(
                "its manifest names {:?}, which is no file of a collection",
                expected.name
            ),
        ));
    }
    let target = folder.join(&expected.name);
    let mut file = File::create_new(&target).map_err(|error| Error::io(&target, error))?;
    io::copy(&mut data.take(expected.bytes.saturating_add(1)), &mut file).map_err(|error| {
        match error.kind() {
            // Not the snapshot is at fault: there is no room for what it holds.
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Error::io(&target, error)
            }
            _ => damaged(path, &error),
        }
    })?;
    file.sync_all().map_err(|error| Error::io(&target, error))?;
    let found = describe(&target, &expected.name)?;
    if found == *expected {
        return Ok(());
    }
    Err(bad(
        path,
        format!(
            "the checksum of {} does not match its manifest",
            expected.name
        ),
    ))
}

fn damaged(path: &Path, error: &io::Error) -> Error {
    bad(
        path,
        format!("it is damaged or not a vinedb snapshot ({error})"),
    )
}

fn bad(path: &Path, reason: String) -> Error {
    Error::BadSnapshot {
        path: path.to_owned(),
        reason,
    }
}
