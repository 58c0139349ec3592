//! What users of the crate rely on, each against an independent reference: a map for writes, plain rules over JSON values for
//! filters, a second process for snapshots and crashes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clusterings;
mod environments;
mod filters;
mod fixtures;
mod model;
mod passages;
mod processes;
mod rules;
mod writes;
