//! The web pages: `/` welcomes, `/search?q=…` answers; the address says all that is asked, so it can be shared.
//!
//! Invariant: every page, an error page too, is complete HTML that works without script, and everything from outside is
//! escaped by the templates. The pages load nothing but their own stylesheet and icon.

mod params;
mod templates;

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::{State, rejection::QueryRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use minijinja::{Environment, Value, context, value::Serde};
use serde_json::json;

use self::params::{MAX_QUESTION, Params};
use crate::{
    cellar::{Cellar, Pick, Question},
    console::Console,
};

const STYLE: &str = include_str!("pages/style.css");
const ICON: &str = include_str!("pages/icon.svg");

/// Questions that the welcome page offers.
const EXAMPLES: [&str; 6] = [
    "a light red for grilled fish under 20 dollars",
    "crisp and salty, for a dozen oysters",
    "bubbles for a birthday, at most $30",
    "a port for chocolate cake",
    "honeyed and sweet, for Stilton or Roquefort",
    "amber wine, made with the skins",
];

const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// What the handlers share.
struct Site {
    cellar: Cellar,
    templates: Environment<'static>,
}

type Shared = State<Arc<Site>>;
type Search = Result<axum::extract::Query<Params>, QueryRejection>;

/// The whole site over a cellar.
pub(crate) fn router(cellar: Cellar) -> Router {
    let site = Arc::new(Site {
        cellar,
        templates: templates::environment(),
    });
    Router::new()
        .route("/", get(welcome))
        .route("/search", get(search))
        .route("/health", get(health))
        .route(
            "/style.css",
            get(async || asset("text/css; charset=utf-8", STYLE)),
        )
        .route("/icon.svg", get(async || asset("image/svg+xml", ICON)))
        .fallback(unknown_page)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::map_response(add_headers))
        .with_state(site)
}

async fn welcome(State(site): Shared) -> Response {
    site.welcome(&Params::default())
}

async fn health(State(site): Shared) -> Response {
    Json(json!({"status": "ok", "wines": site.cellar.len()})).into_response()
}

async fn unknown_page(State(site): Shared) -> Response {
    site.message(
        StatusCode::NOT_FOUND,
        &Params::default(),
        "This page is not on the list",
        "There is nothing at this address. Ask for a wine instead.",
    )
}

async fn unknown_method(State(site): Shared) -> Response {
    site.message(
        StatusCode::METHOD_NOT_ALLOWED,
        &Params::default(),
        "This page can only be read",
        "It answers GET requests, nothing else.",
    )
}

async fn search(State(site): Shared, search: Search) -> Response {
    let Ok(axum::extract::Query(params)) = search else {
        let reason = "The address has a part that cannot be read, or one that stands there twice.";
        return site.bad_request(&Params::default(), reason);
    };
    if params.q.trim().is_empty() {
        return site.welcome(&params);
    }
    match params.question(site.cellar.countries()) {
        Ok(question) => answer(site, params, question).await,
        Err(reason) => site.bad_request(&params, &reason),
    }
}

/// Searches on a thread that may block, since embedding takes milliseconds of computing.
async fn answer(site: Arc<Site>, params: Params, question: Question) -> Response {
    let asked = question.clone();
    let searching = {
        let site = Arc::clone(&site);
        tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            site.cellar
                .ask(&question)
                .map(|picks| (picks, started.elapsed().as_secs_f64() * 1e3))
        })
    };
    match searching.await.map_err(anyhow::Error::from).flatten() {
        Ok((picks, took_ms)) => site.results(&params, &asked, &picks, took_ms),
        Err(error) => {
            Console::stderr().error(format_args!("{:?} was not answered: {error:#}", params.q));
            let text =
                "The search failed. The reason is in the log of the program that serves this page.";
            site.message(
                StatusCode::INTERNAL_SERVER_ERROR,
                &params,
                "No answer this time",
                text,
            )
        }
    }
}

impl Site {
    fn welcome(&self, params: &Params) -> Response {
        self.page(
            StatusCode::OK,
            "welcome.html",
            params,
            context! { examples => EXAMPLES },
        )
    }

    fn results(&self, params: &Params, asked: &Question, picks: &[Pick], took_ms: f64) -> Response {
        let limit = asked.limit.map(|limit| limit.to_string());
        self.page(
            StatusCode::OK,
            "results.html",
            params,
            context! { picks => Serde(picks), limit, country => asked.country.clone(), took_ms },
        )
    }

    fn bad_request(&self, params: &Params, reason: &str) -> Response {
        self.message(StatusCode::BAD_REQUEST, params, "Please ask again", reason)
    }

    fn message(&self, status: StatusCode, params: &Params, title: &str, text: &str) -> Response {
        self.page(status, "message.html", params, context! { title, text })
    }

    /// A page of the site: its own values, and those that every page has.
    fn page(&self, status: StatusCode, name: &str, params: &Params, values: Value) -> Response {
        let (count, countries) = (self.cellar.len(), Serde(self.cellar.countries()));
        let all = context! { params => Serde(params), count, countries, max_question => MAX_QUESTION, ..values };
        match self
            .templates
            .get_template(name)
            .and_then(|template| template.render(all))
        {
            Ok(html) => (status, Html(html)).into_response(),
            Err(error) => {
                Console::stderr().error(format_args!("the page {name} was not made: {error:#}"));
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The page could not be made.",
                )
                    .into_response()
            }
        }
    }
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "max-age=300"),
        ],
        body,
    )
        .into_response()
}

async fn add_headers(mut response: Response) -> Response {
    response.headers_mut().extend(HEADERS);
    response
}

#[cfg(test)]
mod tests;
