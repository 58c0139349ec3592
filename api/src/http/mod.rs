//! The HTTP server: the facade's own types as bodies, nothing else.
//!
//! Handlers are thin: they run the synchronous facade on a blocking thread and turn its errors into a status and a stable
//! code. `/ready` answers 503 until the state says that it is ready, and again while the server stops. There is no CORS:
//! pages of other origins can neither read answers nor change anything.

mod building;
mod cluster;
mod error;
mod extract;
mod guard;
mod openai;
mod routes;
mod serve;
mod upload;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router, middleware,
    routing::{get, post, put},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

use crate::database::Database;

pub use serve::{Timeouts, serve};

/// The largest request body, and the longest line of an upload, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Writes at a time. They wait for each other anyhow; so that they leave threads for those who read, few may begin.
const MAX_WRITES: usize = 16;
/// Requests at a time with a body that is large, or of unknown length: together they bound what bodies take of memory.
const MAX_UPLOADS: usize = 8;

/// Clusterings at a time: each works on all cores but one, and has its sample in memory.
const MAX_CLUSTERINGS: usize = 2;
/// Indexes that are built on request at a time: each works on every core.
const MAX_BUILDS: usize = 2;
/// Requests for vectors of texts at a time: more are told to come again.
const MAX_EMBEDDINGS: usize = 256;

/// What the handlers share.
#[derive(Clone)]
pub struct AppState {
    pub(crate) db: Database,
    shared: Arc<Shared>,
}

struct Shared {
    ready: AtomicBool,
    writes: Semaphore,
    uploads: Semaphore,
    clusterings: Arc<Semaphore>,
    builds: Arc<Semaphore>,
    embeddings: Arc<Semaphore>,
}

impl AppState {
    /// A state that is ready.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self {
            db,
            shared: Arc::new(Shared {
                ready: AtomicBool::new(true),
                writes: Semaphore::new(MAX_WRITES),
                uploads: Semaphore::new(MAX_UPLOADS),
                clusterings: Arc::new(Semaphore::new(MAX_CLUSTERINGS)),
                builds: Arc::new(Semaphore::new(MAX_BUILDS)),
                embeddings: Arc::new(Semaphore::new(MAX_EMBEDDINGS)),
            }),
        }
    }

    /// The database that is served.
    #[must_use]
    pub fn db(&self) -> &Database {
        &self.db
    }

    /// Says whether `/ready` answers 200 (`true`) or 503.
    pub fn set_ready(&self, ready: bool) {
        self.shared.ready.store(ready, Ordering::Release);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire)
    }

    /// Waits for a turn to write. `None` cannot come: the semaphore is never closed.
    pub(crate) async fn writing(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.writes.acquire().await.ok()
    }

    /// Waits for a turn to send a large body.
    pub(crate) async fn uploading(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.uploads.acquire().await.ok()
    }

    /// Waits for a turn to cluster; it is given back when the work is done, which may be after the request.
    pub(crate) async fn clustering(&self) -> Option<OwnedSemaphorePermit> {
        let clusterings = Arc::clone(&self.shared.clusterings);
        clusterings.acquire_owned().await.ok()
    }

    /// A turn to embed texts, if there is one: texts wait for the model, not requests for their turn.
    pub(crate) fn embedding(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.embeddings).try_acquire_owned().ok()
    }

    /// Waits for a turn to build an index; it is given back when the work is done, which may be after the request.
    pub(crate) async fn building(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.builds).acquire_owned().await.ok()
    }
}

/// All routes over a database.
pub fn router(db: Database) -> Router {
    router_with(AppState::new(db))
}

/// All routes over a state that the caller keeps, to say when it is ready.
pub fn router_with(state: AppState) -> Router {
    Router::new()
        .route("/health", get(routes::health))
        .route("/ready", get(routes::ready))
        .route("/collections", get(routes::list))
        .route(
            "/collections/{name}",
            put(routes::create)
                .get(routes::stats)
                .delete(routes::drop_collection),
        )
        .route("/collections/{name}/documents", post(routes::upsert))
        .route(
            "/collections/{name}/documents/get",
            routes::beside_key("get", post(routes::get_many)),
        )
        .route(
            "/collections/{name}/documents/delete",
            routes::beside_key("delete", post(routes::delete_many)),
        )
        .route(
            "/collections/{name}/documents/count",
            routes::beside_key("count", post(routes::count)),
        )
        .route(
            "/collections/{name}/documents/scroll",
            routes::beside_key("scroll", post(routes::scroll)),
        )
        .route(
            "/collections/{name}/documents/{key}",
            get(routes::get_one).delete(routes::delete_one),
        )
        .route(
            "/collections/{name}/search",
            post(routes::search).get(routes::search_by_url),
        )
        .route(
            "/collections/{name}/search/batch",
            post(routes::search_batch),
        )
        .route("/collections/{name}/cluster", post(cluster::cluster))
        .route("/collections/{name}/clusters", get(cluster::list))
        .route(
            "/collections/{name}/clusters/{clustering}",
            get(cluster::get)
                .patch(cluster::rename)
                .delete(cluster::drop_clustering),
        )
        .route(
            "/collections/{name}/clusters/{clustering}/assign",
            post(cluster::assign),
        )
        .route(
            "/collections/{name}/clusters/{clustering}/labels",
            get(cluster::labels),
        )
        .route("/collections/{name}/train", post(building::train))
        .route("/collections/{name}/compact", post(building::compact))
        .route("/v1/embeddings", post(openai::embeddings))
        .fallback(routes::unknown_route)
        .method_not_allowed_fallback(routes::unknown_method)
        .layer(middleware::from_fn_with_state(state.clone(), guard::upload))
        .layer(middleware::from_fn(guard::request))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(TraceLayer::new_for_http().on_failure(()))
        .with_state(state)
}
