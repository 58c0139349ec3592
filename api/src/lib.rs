//! The vinedb facade.
