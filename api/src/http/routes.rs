//! The handlers, one per route.

use axum::{
    Json,
    extract::{Path, Query as UrlQuery, Request, State, rejection::QueryRejection},
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    routing::MethodRouter,
};
use serde::{Deserialize, Serialize};

use super::{
    AppState,
    error::Failure,
    extract::{Body, blocking, compute, parse, read},
    upload::upsert_lines,
};
use storage::{Filter, Key};

use crate::{
    answer::Answer,
    collection::Collection,
    config::CollectionConfig,
    document::Document,
    error::{Error, Result as Outcome},
    page::{Cursor, Page},
    query::{MAX_TOP_K, Query, With},
    stats::Stats,
    write::Upserted,
};

type Answered<T> = Result<Json<T>, Failure>;

/// The most documents that one page holds.
const MAX_PAGE: usize = 10_000;
/// The most matches that the queries of one batch may ask for together.
const MAX_BATCH_MATCHES: usize = 100_000;

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
    version: &'static str,
}

/// `GET /health`: the process answers.
pub(crate) async fn health() -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// `GET /ready`: requests are welcome.
pub(crate) async fn ready(State(state): State<AppState>) -> Answered<Health> {
    if state.is_ready() {
        return Ok(Json(Health {
            status: "ready",
            version: env!("CARGO_PKG_VERSION"),
        }));
    }
    Err(Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        "the server is starting or stopping",
    ))
}

#[derive(Serialize)]
pub(crate) struct Collections {
    collections: Vec<String>,
}

/// `GET /collections`.
pub(crate) async fn list(State(state): State<AppState>) -> Answered<Collections> {
    blocking(move || {
        Ok(Collections {
            collections: state.db.collections()?,
        })
    })
    .await
}

/// `PUT /collections/{name}` with a configuration.
pub(crate) async fn create(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(config): Body<CollectionConfig>,
) -> Result<(StatusCode, Json<Stats>), Failure> {
    let _permit = state.writing().await;
    let db = state.db.clone();
    let stats = blocking(move || db.create_collection(&name, config)?.stats()).await?;
    Ok((StatusCode::CREATED, stats))
}

/// `GET /collections/{name}`.
pub(crate) async fn stats(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Answered<Stats> {
    with(state, name, Collection::stats).await
}

#[derive(Serialize)]
pub(crate) struct Dropped {
    dropped: String,
}

/// `DELETE /collections/{name}`.
pub(crate) async fn drop_collection(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Answered<Dropped> {
    let _permit = state.writing().await;
    let db = state.db.clone();
    blocking(move || {
        db.drop_collection(&name)?;
        Ok(Dropped { dropped: name })
    })
    .await
}

/// `POST /collections/{name}/documents`: a JSON array, or one document a line as `application/x-ndjson`.
pub(crate) async fn upsert(
    State(state): State<AppState>,
    Path(name): Path<String>,
    request: Request,
) -> Answered<Upserted> {
    if is_lines(&request) {
        return upsert_lines(state, name, request.into_body()).await;
    }
    let bytes = read(request).await?;
    let documents = compute(move || parse_documents(&bytes)).await?;
    write(state, name, move |collection| collection.upsert(documents)).await
}

fn is_lines(request: &Request) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let essence = content_type
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-ndjson")
}

fn parse_documents(bytes: &[u8]) -> Result<Vec<Document>, Failure> {
    match bytes.trim_ascii_start().first() {
        Some(b'[') => parse(bytes),
        _ => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "the body is no JSON array of documents: send one, or documents one a line with the header \
             Content-Type: application/x-ndjson",
        )),
    }
}

/// The path of an action on documents is also the path of the document whose key is that action's name.
pub(crate) fn beside_key(
    action: &'static str,
    actions: MethodRouter<AppState>,
) -> MethodRouter<AppState> {
    let key = move |name: String| Path((name, action.to_owned()));
    actions
        .get(move |state, Path(name): Path<String>| get_one(state, key(name)))
        .delete(move |state, Path(name): Path<String>| delete_one(state, key(name)))
}

/// `GET /collections/{name}/documents/{key}`.
pub(crate) async fn get_one(
    State(state): State<AppState>,
    Path((name, key)): Path<(String, String)>,
) -> Answered<Document> {
    with(state, name, move |collection| {
        let key = Key::from(key);
        collection
            .get([key.clone()])?
            .pop()
            .ok_or(Error::UnknownKey { key })
    })
    .await
}

#[derive(Serialize)]
pub(crate) struct Deleted {
    deleted: usize,
}

/// `DELETE /collections/{name}/documents/{key}`.
pub(crate) async fn delete_one(
    State(state): State<AppState>,
    Path((name, key)): Path<(String, String)>,
) -> Answered<Deleted> {
    write(state, name, move |collection| {
        let key = Key::from(key);
        match collection.delete([key.clone()])? {
            0 => Err(Error::UnknownKey { key }),
            deleted => Ok(Deleted { deleted }),
        }
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    #[serde(default)]
    with: With,
}

#[derive(Serialize)]
pub(crate) struct Documents {
    documents: Vec<Document>,
}

/// `POST /collections/{name}/documents/get`.
pub(crate) async fn get_many(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(body): Body<Keys>,
) -> Answered<Documents> {
    with(state, name, move |collection| {
        if body.keys.len() > MAX_PAGE {
            let expected = format!("at most {MAX_PAGE} keys");
            return Err(Error::invalid("keys", body.keys.len(), expected));
        }
        Ok(Documents {
            documents: if body.with.vectors {
                collection.get_with_vectors(body.keys)?
            } else {
                collection.get(body.keys)?
            },
        })
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Doomed {
    keys: Option<Vec<Key>>,
    filter: Option<Filter>,
}

/// `POST /collections/{name}/documents/delete`.
pub(crate) async fn delete_many(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(body): Body<Doomed>,
) -> Answered<Deleted> {
    write(state, name, move |collection| {
        let deleted = match (body.keys, body.filter) {
            (Some(keys), None) => collection.delete(keys)?,
            (None, Some(filter)) => collection.delete_matching(&filter)?,
            (keys, _) => {
                let given = if keys.is_some() { "both" } else { "neither" };
                return Err(Error::invalid("keys", given, "either keys or filter"));
            }
        };
        Ok(Deleted { deleted })
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filtered {
    filter: Option<Filter>,
}

#[derive(Serialize)]
pub(crate) struct Count {
    count: u64,
}

/// `POST /collections/{name}/documents/count`.
pub(crate) async fn count(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(body): Body<Filtered>,
) -> Answered<Count> {
    with(state, name, move |collection| {
        Ok(Count {
            count: collection.count(body.filter.as_ref())?,
        })
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scroll {
    cursor: Option<Cursor>,
    limit: Option<usize>,
    filter: Option<Filter>,
}

/// `POST /collections/{name}/documents/scroll`.
pub(crate) async fn scroll(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(body): Body<Scroll>,
) -> Answered<Page> {
    with(state, name, move |collection| {
        let limit = body.limit.unwrap_or(100);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Error::invalid("limit", limit, format!("1 to {MAX_PAGE}")));
        }
        collection.scroll(body.cursor.as_ref(), limit, body.filter.as_ref())
    })
    .await
}

/// `POST /collections/{name}/search`.
pub(crate) async fn search(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(query): Body<Query>,
) -> Answered<Answer> {
    with(state, name, move |collection| collection.search(&query)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UrlSearch {
    q: String,
    k: Option<usize>,
    /// A filter as JSON.
    filter: Option<String>,
}

/// `GET /collections/{name}/search?q=…&k=…`.
pub(crate) async fn search_by_url(
    State(state): State<AppState>,
    Path(name): Path<String>,
    url: Result<UrlQuery<UrlSearch>, QueryRejection>,
) -> Answered<Answer> {
    let UrlQuery(url) = url.map_err(|rejection| {
        Failure::new(StatusCode::BAD_REQUEST, "malformed", rejection.body_text())
    })?;
    let mut query = Query::text(url.q).top_k(url.k.unwrap_or(10));
    query.filter = url
        .filter
        .map(|filter| parse(filter.as_bytes()))
        .transpose()?;
    with(state, name, move |collection| collection.search(&query)).await
}

/// `POST /collections/{name}/search/batch`: an array of queries; the answers come in their order.
pub(crate) async fn search_batch(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(queries): Body<Vec<Query>>,
) -> Answered<Vec<Answer>> {
    let matches: usize = queries
        .iter()
        .map(|query| query.candidates().clamp(1, MAX_TOP_K))
        .sum();
    with(state, name, move |collection| {
        if matches > MAX_BATCH_MATCHES {
            let expected = format!("at most {MAX_BATCH_MATCHES} matches for all queries together");
            return Err(Error::invalid("top_k", matches, expected));
        }
        collection.search_batch(&queries)
    })
    .await
}

/// Any path that is no route.
pub(crate) async fn unknown_route(uri: Uri) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "unknown_route",
        format!("there is no route {}", uri.path()),
    )
}

/// A route by a method that it does not have.
pub(crate) async fn unknown_method(method: Method, uri: Uri) -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} cannot be asked by {method}", uri.path()),
    )
}

/// As [`with`], in turn with others that write.
async fn write<T: Send + 'static>(
    state: AppState,
    name: String,
    work: impl FnOnce(&Collection) -> Outcome<T> + Send + 'static,
) -> Answered<T> {
    let _permit = state.writing().await;
    with(state.clone(), name, work).await
}

async fn with<T: Send + 'static>(
    state: AppState,
    name: String,
    work: impl FnOnce(&Collection) -> Outcome<T> + Send + 'static,
) -> Answered<T> {
    blocking(move || work(&state.db.collection(&name)?)).await
}
