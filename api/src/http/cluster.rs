//! Clustering over HTTP: the work ends at its next step once nobody waits for it.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Json,
    extract::{Path, State},
};

use super::{
    AppState,
    error::Failure,
    extract::{Body, blocking},
};
use crate::{ClusterOptions, Clusters, build::in_background};

/// `POST /collections/{name}/cluster`. The connection drops what it waits for when the client leaves or the server stops.
pub(crate) async fn cluster(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(options): Body<ClusterOptions>,
) -> Result<Json<Clusters>, Failure> {
    let turn = state.clustering().await;
    let left = Left::default();
    let nobody_waits = Arc::clone(&left.0);
    let watch = move |_| match nobody_waits.load(Ordering::Acquire) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    blocking(move || {
        let _turn = turn;
        let collection = state.db.collection(&name)?;
        in_background(|| collection.cluster_with(&options, &watch))
    })
    .await
}

/// Says so when it is dropped.
#[derive(Default)]
struct Left(Arc<AtomicBool>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
