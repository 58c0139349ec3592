//! What users of the crate rely on, each against an independent reference: a map for writes, plain rules over JSON values for
//! filters, a second process for snapshots and crashes.

mod environments;
mod filters;
mod fixtures;
mod model;
mod processes;
mod writes;
