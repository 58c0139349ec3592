//! The site through its router, without a socket: structure with a stand-in embedder, answers with the real model.

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use tempfile::TempDir;
use tower::ServiceExt;
use vinedb::Options;

use super::*;
use crate::{
    ingest::{self, tests::some_wines},
    wine::Wine,
};

/// A site in a folder of its own.
struct Fixture {
    router: Router,
    _dir: TempDir,
}

impl Fixture {
    fn of(wines: &[Wine]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            router: router(ingest::tests::cellar(dir.path(), wines)),
            _dir: dir,
        }
    }

    fn with_the_real_model(wines: &[Wine]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cellar =
            ingest::open(&Console::silent(), Options::from_env(), dir.path(), wines).unwrap();
        Self {
            router: router(cellar),
            _dir: dir,
        }
    }

    async fn request(
        &self,
        method: &str,
        uri: &str,
    ) -> (StatusCode, axum::http::HeaderMap, String) {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Body::empty())
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (
            parts.status,
            parts.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    async fn get(&self, uri: &str) -> (StatusCode, String) {
        let (status, _, body) = self.request("GET", uri).await;
        (status, body)
    }
}

/// What stands between two marks, each time.
fn all_between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from)
        .skip(1)
        .map(|rest| rest.split(to).next().unwrap())
        .collect()
}

#[tokio::test]
async fn the_welcome_page_has_the_form_and_examples_that_work() {
    let site = Fixture::of(&some_wines(6));
    let (status, page) = site.get("/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("role=\"search\"") && page.contains("name=\"q\""));
    let examples = all_between(&page, "<li><a href=\"", "\"");
    assert_eq!(examples.len(), EXAMPLES.len());
    for example in examples {
        let uri = example.replace("&#x2f;", "/");
        assert_eq!(site.get(&uri).await.0, StatusCode::OK, "{uri}");
    }
    let (status, empty) = site.get("/search?q=+&max_price=&country=").await;
    assert_eq!(
        (status, empty.contains("For instance")),
        (StatusCode::OK, true)
    );
}

#[tokio::test]
async fn a_search_answers_with_five_wines_that_suit_the_question() {
    let (sparkling, others): (Vec<Wine>, Vec<Wine>) = some_wines(usize::MAX)
        .into_iter()
        .partition(|wine| wine.varietal.contains("Sparkling"));
    assert!(sparkling.len() >= 3);
    let wines: Vec<Wine> = sparkling
        .iter()
        .take(5)
        .chain(others.iter().take(25))
        .cloned()
        .collect();
    let site = Fixture::with_the_real_model(&wines);
    let (status, page) = site.get("/search?q=sparkling+wine+for+a+birthday").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("<title>sparkling wine for a birthday · Sommelier</title>"));
    assert!(page.contains("value=\"sparkling wine for a birthday\""));
    let articles = all_between(&page, "<article class=\"wine\">", "</article>");
    assert_eq!(articles.len(), 5);
    let scores: Vec<f32> = all_between(&page, "class=\"score\">", "<")
        .iter()
        .map(|score| score.parse().unwrap())
        .collect();
    assert!(
        scores.is_sorted_by(|a, b| a >= b) && scores[0] > 0.3,
        "{scores:?}"
    );
    let suit = |article: &&&str| sparkling.iter().any(|wine| article.contains(wine.key()));
    assert!(suit(&&articles[0]), "{}", articles[0]);
    assert!(
        articles.iter().filter(suit).count() >= 3,
        "most of the five sparkle"
    );
    for article in articles {
        for class in [
            "name", "varietal", "location", "price", "sentence", "source", "score",
        ] {
            assert!(
                !all_between(article, &format!("class=\"{class}\">"), "</")
                    .concat()
                    .trim()
                    .is_empty(),
                "{class}: {article}"
            );
        }
    }
}

#[tokio::test]
async fn filters_are_kept_and_hold() {
    let site = Fixture::of(&some_wines(60));
    let (status, page) = site.get("/search?q=red&max_price=18&country=france").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("value=\"18\"") && page.contains("<option selected>France"));
    assert!(page.contains(", at most $18, from France"));
    let prices = all_between(&page, "class=\"price\">$", "<");
    assert!(
        !prices.is_empty()
            && prices
                .iter()
                .all(|price| price.parse::<f64>().unwrap() <= 18.0),
        "{prices:?}"
    );
    let (_, page) = site.get("/search?q=a+red+under+%2415").await;
    assert!(
        page.contains(", under $15"),
        "a limit in the question counts"
    );
    let (status, page) = site.get("/search?q=red&max_price=1").await;
    assert_eq!(
        (status, page.contains("Ask without the filters")),
        (StatusCode::OK, true)
    );
}

#[tokio::test]
async fn what_cannot_be_answered_gets_a_page_that_says_why() {
    let site = Fixture::of(&some_wines(3));
    let long = format!("/search?q={}", "x".repeat(MAX_QUESTION + 1));
    for (uri, status, part) in [
        (
            "/search?q=red&max_price=cheap",
            StatusCode::BAD_REQUEST,
            "not “cheap”",
        ),
        (
            "/search?q=red&max_price=-5",
            StatusCode::BAD_REQUEST,
            "not “-5”",
        ),
        (
            "/search?q=red&max_price=NaN",
            StatusCode::BAD_REQUEST,
            "not “NaN”",
        ),
        (
            "/search?q=red&country=Narnia",
            StatusCode::BAD_REQUEST,
            "“Narnia”",
        ),
        ("/search?q=red&q=white", StatusCode::BAD_REQUEST, "twice"),
        (long.as_str(), StatusCode::BAD_REQUEST, "501 characters"),
        ("/cellar", StatusCode::NOT_FOUND, "nothing at this address"),
    ] {
        let (given, page) = site.get(uri).await;
        assert_eq!(given, status, "{uri}");
        assert!(
            page.contains(part) && page.contains("name=\"q\"") && page.ends_with("</html>"),
            "{uri}: {page}"
        );
    }
    assert_eq!(
        site.request("POST", "/search").await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn what_comes_from_outside_is_escaped() {
    let mut wines = some_wines(1);
    wines[0].name = "<script>alert(1)</script>".to_owned();
    wines[0].url = "https://wines.example/\"onclick=\"alert(1)".to_owned();
    wines[0].reviews[0].review = "<b>bold</b> & dry".to_owned();
    let site = Fixture::of(&wines);
    for uri in [
        "/search?q=%3Cscript%3Ealert(2)%3C%2Fscript%3E%22%20onfocus%3D%22",
        "/search?q=red&max_price=%22%3E%3Cscript%3E",
        "/search?q=red&country=%3Cscript%3E",
    ] {
        let (_, page) = site.get(uri).await;
        assert!(
            !page.contains("<script")
                && !page.contains("\" onfocus=\"")
                && !page.contains("<b>")
                && !page.contains("\"onclick"),
            "{page}"
        );
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_assets_have_their_type() {
    let site = Fixture::of(&some_wines(2));
    for (uri, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/search?q=red", "text/html; charset=utf-8"),
        ("/missing", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/health", "application/json"),
    ] {
        let (_, headers, body) = site.request("GET", uri).await;
        assert_eq!(headers[header::CONTENT_TYPE], kind, "{uri}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{uri}");
        assert!(
            headers[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .starts_with("default-src 'none'"),
            "{uri}"
        );
        let outside = body
            .replace("https://wines.example", "")
            .replace("http://www.w3.org/2000/svg", "");
        assert!(
            !outside.contains("https://")
                && !outside.contains("http://")
                && !body.contains("style="),
            "{uri} loads something"
        );
    }
    assert_eq!(site.get("/health").await.1, r#"{"status":"ok","wines":2}"#);
}
