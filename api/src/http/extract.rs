//! Reading a request: bodies, paths and queries whose errors come in our own shape.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
};
use serde::de::DeserializeOwned;

use super::error::Failure;

/// A JSON body. A body that is not JSON is 400; JSON of the wrong shape is 400 too, with the place.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = read(request, state).await?;
        parse(&bytes).map(Body)
    }
}

/// The bytes of a body, up to the limit.
pub(crate) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| too_large_or_broken(&rejection))
}

/// Parses JSON; the error says where it went wrong.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            format!("the body cannot be read: {error}"),
        )
    })
}

fn too_large_or_broken(rejection: &BytesRejection) -> Failure {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!(
            "the body is larger than {} bytes: send several smaller ones",
            super::MAX_BODY_BYTES
        );
        return Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message);
    }
    Failure::new(StatusCode::BAD_REQUEST, "malformed", rejection.body_text())
}

/// Runs the synchronous facade where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> crate::Result<T> + Send + 'static,
) -> Result<Json<T>, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(Json(result?)),
        Err(_) => Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request failed inside the server; its log says where",
        )),
    }
}
