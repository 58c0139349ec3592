//! The HTTP server: its routes in process, without sockets, and the real `vinedb serve` over TCP.

mod addresses;
mod bad_input;
mod busy;
mod keys;
mod leaving;
mod openai;
mod openai_process;
mod passages;
mod process;
mod random;
mod routes;
mod search;
mod slow;
mod upload;

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE},
};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use vinedb::{Database, Options, embed::HashEmbedder, http::router};

/// A database with a server over it, in a folder of its own.
pub(crate) struct App {
    pub(crate) db: Database,
    router: Router,
    _folder: TempDir,
}

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    json: Value,
}

impl App {
    /// An empty database whose default model needs no file.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::from_env().embedder(Arc::new(HashEmbedder::new(64)));
        let db = options.open(folder.path().join("db")).unwrap();
        Self::over(db, folder)
    }

    /// Over a database in that folder.
    pub(crate) fn over(db: Database, folder: TempDir) -> Self {
        let router = router(db.clone());
        Self {
            db,
            router,
            _folder: folder,
        }
    }

    /// With a collection `points` of five points on a line, the vectors `[0, 1]` to `[4, 1]` under the keys 0 to 4.
    pub(crate) async fn with_points() -> Self {
        let app = Self::new();
        let config = json!({"dimension": 2, "metric": "l2"});
        app.put("/collections/points", &config).await.is(201);
        let points = (0..5)
            .map(|x| json!({"key": x, "vector": [x, 1], "metadata": {"x": x, "even": x % 2 == 0}}));
        app.post("/collections/points/documents", &points.collect())
            .await
            .is(200);
        app
    }

    /// With a collection `wines` of three short texts.
    async fn with_wines() -> Self {
        let app = Self::new();
        app.put("/collections/wines", &json!({})).await.is(201);
        let wines = json!([
            {"key": "a", "text": "red cherry and tar", "metadata": {"price": 40, "country": "Italy"}},
            {"key": "b", "text": "white lime and salt", "metadata": {"price": 12, "country": "Spain"}},
            {"key": "c", "text": "sparkling apple and bread", "metadata": {"price": 25, "country": "France"}},
        ]);
        app.post("/collections/wines/documents", &wines)
            .await
            .is(200);
        app
    }

    pub(crate) async fn get(&self, uri: &str) -> Reply {
        self.send("GET", uri, None, Body::empty()).await
    }

    pub(crate) async fn delete(&self, uri: &str) -> Reply {
        self.send("DELETE", uri, None, Body::empty()).await
    }

    async fn put(&self, uri: &str, body: &Value) -> Reply {
        self.json("PUT", uri, body.to_string()).await
    }

    pub(crate) async fn post(&self, uri: &str, body: &Value) -> Reply {
        self.json("POST", uri, body.to_string()).await
    }

    /// The body of an answer of status 200, as it comes.
    pub(crate) async fn stream(&self, uri: &str) -> Body {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body()
    }

    pub(crate) async fn json(&self, method: &str, uri: &str, body: impl Into<Body>) -> Reply {
        self.send(method, uri, Some("application/json"), body.into())
            .await
    }

    async fn lines(&self, uri: &str, body: impl Into<Body>) -> Reply {
        self.send("POST", uri, Some("application/x-ndjson"), body.into())
            .await
    }

    async fn send(&self, method: &str, uri: &str, content_type: Option<&str>, body: Body) -> Reply {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        self.request(request.body(body).unwrap()).await
    }

    async fn request(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let json = match &*bytes {
            [] => Value::Null,
            bytes => serde_json::from_slice(bytes).expect("every answer is JSON"),
        };
        Reply {
            status: parts.status,
            headers: parts.headers,
            json,
        }
    }

    /// The keys of all documents of a collection, in the order in which they were written.
    async fn keys(&self, name: &str) -> Value {
        let reply = self
            .post(
                &format!("/collections/{name}/documents/scroll"),
                &json!({"limit": 10_000}),
            )
            .await;
        let documents = reply.is(200)["documents"].as_array().unwrap().clone();
        documents
            .into_iter()
            .map(|document| document["key"].clone())
            .collect()
    }
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The answer, when it has this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self.json
    }

    /// The message of an error of this status and code, in the shape that all errors have.
    #[track_caller]
    pub(crate) fn fails(self, status: u16, code: &str) -> Failed {
        assert_eq!(
            (self.status.as_u16(), self.json["error"]["code"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        let error = self.json["error"].as_object().unwrap();
        assert_eq!(self.json.as_object().unwrap().len(), 1, "{self:?}");
        assert!(
            error
                .keys()
                .all(|name| ["code", "message", "field"].contains(&name.as_str())),
            "{self:?}"
        );
        let text = |name: &str| {
            error
                .get(name)
                .map(|value| value.as_str().unwrap().to_owned())
        };
        Failed {
            message: text("message").unwrap(),
            field: text("field"),
        }
    }
}

/// What an error says.
#[derive(Debug)]
pub(crate) struct Failed {
    message: String,
    field: Option<String>,
}

impl Failed {
    /// Whether the message holds all of these.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.message.contains(part), "{part:?} is not in {self:?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn names(self, field: &str) {
        assert_eq!(self.field.as_deref(), Some(field), "{self:?}");
    }
}

/// A body that comes in these parts, without a length.
fn chunked(parts: impl IntoIterator<Item = impl Into<Bytes>>) -> Body {
    Body::new(Parts(parts.into_iter().map(Into::into).collect()))
}

struct Parts(VecDeque<Bytes>);

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part))))
    }
}

/// The keys of a search's matches.
fn keys_of(answer: &Value) -> Value {
    answer["matches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["key"].clone())
        .collect()
}

/// The answer as a type of the library, which must hold all of it.
pub(crate) fn typed<T: serde::de::DeserializeOwned + serde::Serialize>(json: Value) -> T {
    let value: T = serde_json::from_value(json.clone()).unwrap();
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json);
    value
}
