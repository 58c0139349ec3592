//! Clustering over HTTP: the work ends at its next step once nobody waits for it.

use std::ops::ControlFlow;

use axum::{
    Json,
    extract::{Path, State},
};

use embedder::Caller;

use super::{
    AppState,
    error::Failure,
    extract::{Body, blocking},
};
use crate::{
    cluster::{ClusterOptions, Clusters},
    space::build::in_background,
};

/// `POST /collections/{name}/cluster`.
pub(crate) async fn cluster(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(options): Body<ClusterOptions>,
) -> Result<Json<Clusters>, Failure> {
    let turn = state.clustering().await;
    blocking(move || {
        let _turn = turn;
        let client = Caller::current();
        let watch = |_| match client.has_left() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let collection = state.db.collection(&name)?;
        in_background(|| collection.cluster_with(&options, &watch))
    })
    .await
}
