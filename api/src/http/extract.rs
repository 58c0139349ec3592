//! Reading a request's body: within the limits, and with errors that come in our own shape and name their place.

use std::{fmt::Display, time::Duration};

use axum::{
    Json,
    body::{Body as RawBody, Bytes, HttpBody},
    extract::{FromRequest, Request},
    http::{StatusCode, header::EXPECT},
};
use embedder::Caller;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::{MAX_BODY_BYTES, error::Failure};
use crate::error::Result as Outcome;

/// How long a client may send nothing in the middle of a body.
const IDLE: Duration = Duration::from_secs(30);
/// What is read and thrown away of a body that is too large, so that its sender gets to see the answer.
const MAX_DRAINED_BYTES: usize = 16 * MAX_BODY_BYTES;
/// Larger bodies are parsed on a blocking thread, so that they hold up nobody else.
const PARSED_AT_ONCE: usize = 64 * 1024;

/// A JSON body; an empty one stands for `{}`. JSON of the wrong shape is as malformed as what is no JSON.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send + 'static> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let mut bytes = read(request).await?;
        if bytes.is_empty() {
            bytes.extend_from_slice(b"{}");
        }
        if bytes.len() <= PARSED_AT_ONCE {
            return parse(&bytes).map(Body);
        }
        compute(move || parse(&bytes)).await.map(Body)
    }
}

/// The bytes of a body, up to the limit.
pub(crate) async fn read(request: Request) -> Result<Vec<u8>, Failure> {
    let waits = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > MAX_BODY_BYTES {
        if !waits {
            drain(&mut body).await;
        }
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(announced.min(PARSED_AT_ONCE));
    while let Some(part) = next(&mut body).await? {
        if bytes.len() + part.len() > MAX_BODY_BYTES {
            drain(&mut body).await;
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// The next part of a body; `None` at its end.
pub(crate) async fn next(body: &mut RawBody) -> Result<Option<Bytes>, Failure> {
    loop {
        let Ok(frame) = tokio::time::timeout(IDLE, body.frame()).await else {
            let message = format!("nothing came of the body for {} s", IDLE.as_secs());
            return Err(Failure::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                message,
            ));
        };
        match frame.transpose().map_err(|error| malformed(&error))? {
            None => return Ok(None),
            // A frame that is no data holds trailers, which mean nothing here.
            Some(frame) => match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(_) => continue,
            },
        }
    }
}

/// Throws away the rest of a body: a client that is still sending does not see the answer before.
pub(crate) async fn drain(body: &mut RawBody) {
    let mut left = MAX_DRAINED_BYTES;
    while let Ok(Some(part)) = next(body).await {
        match left.checked_sub(part.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn too_large() -> Failure {
    let message = format!(
        "the body is larger than {MAX_BODY_BYTES} bytes: send several smaller ones, or documents one a line as \
         application/x-ndjson, which may be of any length"
    );
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}

/// Parses JSON; the error says where it went wrong, by the path within the value and by line and column.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| match place::<T>(bytes) {
        Some(place) => malformed(&format!("{place}: {error}")).field(place),
        None => malformed(&error),
    })
}

/// The path to what is wrong. It is sought only once something is: keeping track of it makes parsing slow.
fn place<T: DeserializeOwned>(bytes: &[u8]) -> Option<String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let error = serde_path_to_error::deserialize::<_, T>(&mut json).err()?;
    // A question mark stands for what was not read as far as its name.
    let path = error.path().to_string();
    let path = path.trim_end_matches(['?', '.']);
    (!path.is_empty()).then(|| path.to_owned())
}

fn malformed(error: &dyn Display) -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        "malformed",
        format!("the body cannot be read: {error}"),
    )
}

/// Runs the synchronous facade where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Outcome<T> + Send + 'static,
) -> Result<Json<T>, Failure> {
    compute(move || work().map(Json).map_err(Failure::from)).await
}

/// Runs what takes long, or blocks, beside the threads that answer requests. Its texts that wait for a model are withdrawn
/// when the client leaves; what else it does goes on.
pub(crate) async fn compute<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let client = Client::default();
    let caller = client.0.clone();
    tokio::task::spawn_blocking(move || caller.attend(work))
        .await
        .unwrap_or_else(|_| Err(Failure::internal()))
}

/// A client that has left once this is dropped: the connection drops what it waits for when the client leaves, or the server
/// stops.
#[derive(Default)]
struct Client(Caller);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.leave();
    }
}
