//! Clustering over HTTP: learning clusters, which ends at its next step once nobody waits for it, and what is done with saved ones.

use std::{collections::BTreeMap, fmt, ops::ControlFlow};

use axum::{
    Json,
    body::Body as RawBody,
    extract::{Path, Query as UrlQuery, State, rejection::QueryRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use embedder::Caller;
use futures_util::stream;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, value::MapAccessDeserializer, value::SeqAccessDeserializer},
};

use super::{
    AppState,
    error::Failure,
    extract::{Body, blocking, compute, parse},
};
use crate::{
    Filter,
    cluster::{Assignment, ClusterOptions, Clusters, Labels, Point, SavedClustering},
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
        let watch = |_| {
            if client.has_left() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let collection = state.db.collection(&name)?;
        in_background(|| collection.cluster_with(&options, &watch))
    })
    .await
}

#[derive(Serialize)]
pub(crate) struct Clusterings {
    clusterings: Vec<SavedClustering>,
}

/// `GET /collections/{name}/clusters`.
pub(crate) async fn list(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Json<Clusterings>, Failure> {
    blocking(move || {
        Ok(Clusterings {
            clusterings: state.db.collection(&name)?.clusterings()?,
        })
    })
    .await
}

/// `GET /collections/{name}/clusters/{clustering}`.
pub(crate) async fn get(
    State(state): State<AppState>,
    Path((name, clustering)): Path<(String, String)>,
) -> Result<Json<SavedClustering>, Failure> {
    blocking(move || state.db.collection(&name)?.clustering(&clustering)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Names {
    names: BTreeMap<usize, Option<String>>,
}

/// `PATCH /collections/{name}/clusters/{clustering}`: names clusters, or takes the names of those that are null.
pub(crate) async fn rename(
    State(state): State<AppState>,
    Path((name, clustering)): Path<(String, String)>,
    Body(body): Body<Names>,
) -> Result<Json<SavedClustering>, Failure> {
    let _permit = state.writing().await;
    let db = state.db.clone();
    blocking(move || {
        let collection = db.collection(&name)?;
        collection.rename_clusters(&clustering, body.names)?;
        collection.clustering(&clustering)
    })
    .await
}

#[derive(Serialize)]
pub(crate) struct Dropped {
    dropped: String,
}

/// `DELETE /collections/{name}/clusters/{clustering}`.
pub(crate) async fn drop_clustering(
    State(state): State<AppState>,
    Path((name, clustering)): Path<(String, String)>,
) -> Result<Json<Dropped>, Failure> {
    let _permit = state.writing().await;
    let db = state.db.clone();
    blocking(move || {
        db.collection(&name)?.drop_clusters(&clustering)?;
        Ok(Dropped {
            dropped: clustering,
        })
    })
    .await
}

/// One point, or an array of points.
pub(crate) enum Points {
    One(Point),
    Many(Vec<Point>),
}

/// As the points came: one assignment, or an array of them.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Assigned {
    One(Assignment),
    Many(Vec<Assignment>),
}

/// `POST /collections/{name}/clusters/{clustering}/assign`.
pub(crate) async fn assign(
    State(state): State<AppState>,
    Path((name, clustering)): Path<(String, String)>,
    Body(points): Body<Points>,
) -> Result<Json<Assigned>, Failure> {
    blocking(move || {
        let clustering = state.db.collection(&name)?.clusters(&clustering)?;
        match points {
            Points::One(point) => Ok(Assigned::One(clustering.assign(point)?)),
            Points::Many(points) => Ok(Assigned::Many(clustering.assign_all(&points)?)),
        }
    })
    .await
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany)
    }
}

struct OneOrMany;

impl<'de> de::Visitor<'de> for OneOrMany {
    type Value = Points;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a point or an array of points, such as {\"text\": \"…\"}")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Points, A::Error> {
        Point::deserialize(MapAccessDeserializer::new(map)).map(Points::One)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Points, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Points::Many)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelsQuery {
    /// A filter as JSON.
    filter: Option<String>,
}

/// `GET /collections/{name}/clusters/{clustering}/labels?filter=…`: a line of JSON for each document. A page is read when the client
/// has taken the one before, and none once it has left.
pub(crate) async fn labels(
    State(state): State<AppState>,
    Path((name, clustering)): Path<(String, String)>,
    url: Result<UrlQuery<LabelsQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let UrlQuery(url) = url.map_err(|rejection| {
        Failure::new(StatusCode::BAD_REQUEST, "malformed", rejection.body_text())
    })?;
    let filter: Option<Filter> = url
        .filter
        .map(|filter| parse(filter.as_bytes()))
        .transpose()?;
    let labels = compute(move || {
        let clustering = state.db.collection(&name)?.clusters(&clustering)?;
        Ok(clustering.labels_matching(filter.as_ref())?)
    })
    .await?;
    let pages = stream::try_unfold(labels, |labels| async move {
        tokio::task::spawn_blocking(move || next_lines(labels))
            .await
            .map_err(std::io::Error::other)?
    });
    let lines = [(CONTENT_TYPE, "application/x-ndjson")];
    Ok((lines, RawBody::from_stream(pages)).into_response())
}

/// A page of labels, a line each. An error cuts the answer off, so that the client sees that it is not whole.
fn next_lines(mut labels: Labels) -> std::io::Result<Option<(Vec<u8>, Labels)>> {
    let page = labels.next_page().map_err(|error| {
        tracing::error!(%error, "a stream of labels ends early");
        std::io::Error::other(error)
    })?;
    let Some(page) = page else { return Ok(None) };
    let mut lines = Vec::new();
    for label in page {
        serde_json::to_writer(&mut lines, &label)?;
        lines.push(b'\n');
    }
    Ok(Some((lines, labels)))
}
