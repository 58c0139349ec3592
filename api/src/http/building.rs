//! Training and compacting over HTTP: the answer comes when the new index is in place. A client that leaves stops nothing; a
//! server that stops does.

use std::ops::ControlFlow;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;

use super::{
    AppState,
    error::Failure,
    extract::{Body, blocking},
};
use engine::Watch;

use crate::{collection::Collection, error::Result as Outcome, stats::Stats};

/// Nothing is asked for: `{}`, or no body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// `POST /collections/{name}/train`.
pub(crate) async fn train(
    state: State<AppState>,
    name: Path<String>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Stats>, Failure> {
    build(state, name, Collection::train_with).await
}

/// `POST /collections/{name}/compact`.
pub(crate) async fn compact(
    state: State<AppState>,
    name: Path<String>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Stats>, Failure> {
    build(state, name, Collection::compact_with).await
}

async fn build(
    State(state): State<AppState>,
    Path(name): Path<String>,
    work: impl FnOnce(&Collection, Watch<'_>) -> Outcome<()> + Send + 'static,
) -> Result<Json<Stats>, Failure> {
    let turn = state.building().await;
    blocking(move || {
        let _turn = turn;
        let collection = state.db.collection(&name)?;
        let was_ready = state.is_ready();
        work(&collection, &|_| {
            if was_ready && !state.is_ready() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        collection.stats()
    })
    .await
}
