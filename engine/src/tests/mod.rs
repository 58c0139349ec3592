//! What users of the engine rely on, against references of the tests' own: brute force in double precision, and numbers
//! that FAISS gave in Python.

mod boundary;
mod choose;
#[cfg(feature = "faiss")] // measured on its kinds
mod curve;
mod damage;
#[cfg(feature = "faiss")]
mod every_kind;
mod exact;
mod extremes;
mod fixtures;
#[cfg(feature = "faiss")]
mod foreign;
#[cfg(feature = "faiss")]
mod golden;
mod graph;
#[cfg(feature = "faiss")]
mod interrupted;
#[cfg(all(feature = "faiss", target_arch = "x86_64"))]
mod kernels;
#[cfg(feature = "faiss")]
mod kinds;
mod kmeans;
#[cfg(feature = "faiss")]
mod kmeans_golden;
#[cfg(feature = "faiss")]
mod links;
mod lloyd;
#[cfg(feature = "faiss")]
mod memory;
mod operations;
mod persist;
#[cfg(feature = "faiss")]
mod pieces;
mod pins;
#[cfg(feature = "faiss")]
mod quick;
mod recall;
mod reported;
mod search;
mod sharing;
#[cfg(feature = "faiss")]
mod soundness;
mod spec;
#[cfg(feature = "faiss")]
mod table;
