//! A space: one set of vectors, in the store and in the index. It knows nothing of databases, models or HTTP.

pub(crate) mod build;
pub(crate) mod compact;
pub(crate) mod measure;
pub(crate) mod open;
pub(crate) mod pace;
pub(crate) mod seal;
pub(crate) mod view;
