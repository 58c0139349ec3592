//! A library that is none, in a process that has not loaded one yet: an error with its path, and the right one loads after.

mod home;

use vinedb_embedder::{Embed, Error, OnnxEmbedder, Options, Purpose};

#[test]
fn a_file_that_is_no_library_is_refused_and_the_right_one_loads_after() {
    let bad = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bad.path(), "no library").unwrap();
    let error =
        OnnxEmbedder::open("m", &home::model(), bad.path(), &Options::default()).unwrap_err();
    assert!(matches!(error, Error::RuntimeLoad { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(&*bad.path().canonicalize().unwrap().to_string_lossy()),
        "{error}"
    );
    let rows = home::open(&Options::default())
        .embed(&["wine"], Purpose::Query)
        .unwrap();
    assert_eq!(rows.len(), 1);
}
