//! The HTTP server: the facade's own types as bodies, nothing else.
//!
//! Handlers are thin: they run the synchronous facade on a blocking thread and turn its errors into a status and a stable
//! code. `/ready` answers 503 until the state says that it is ready, and again while the server stops.

mod error;
mod extract;
mod routes;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post, put},
};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

use crate::Database;

/// The largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// What the handlers share.
#[derive(Clone)]
pub struct AppState {
    pub(crate) db: Database,
    ready: Arc<AtomicBool>,
}

impl AppState {
    /// A state that is ready.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self {
            db,
            ready: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Says whether `/ready` answers 200 (`true`) or 503.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
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
        .fallback(routes::unknown_route)
        .method_not_allowed_fallback(routes::unknown_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(TraceLayer::new_for_http())
        .with_state(state)
}
