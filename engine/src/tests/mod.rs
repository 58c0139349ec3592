//! What users of the engine rely on, against references of the tests' own: brute force in double precision, and numbers
//! that FAISS gave in Python.

mod boundary;
mod exact;
mod fixtures;
mod golden;
mod graph;
mod kinds;
mod kmeans;
mod persist;
mod recall;
mod search;
mod sharing;
mod spec;
