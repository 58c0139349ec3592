//! Errors as HTTP answers: a status, the error's stable code, the sentence.

use std::any::Any;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::error::Error;

/// An error as a client sees it.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            field: None,
        }
    }

    /// What a defect of ours answers; the log says more.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request failed inside the server; its log says where",
        )
    }

    /// The same in the shape of OpenAI's errors: `message`, `type`, `param`, `code`.
    pub(crate) fn into_openai(self) -> Response {
        let kind = match self.status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let error = json!({
            "message": self.message, "type": kind, "param": self.field, "code": self.code,
        });
        let (parts, _) = self.into_response().into_parts();
        let mut response = Json(json!({"error": error})).into_response();
        *response.status_mut() = parts.status;
        if let Some(wait) = parts.headers.get(RETRY_AFTER) {
            response.headers_mut().insert(RETRY_AFTER, wait.clone());
        }
        response
    }

    /// The failure of a part of the request, with what became of the rest.
    pub(crate) fn within(mut self, place: &str, rest: &str) -> Self {
        let message = self.message.replace(" at line 1 column ", " at column ");
        self.message = format!("{place}: {message}; {rest}");
        self.field(place)
    }

    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.status.is_server_error() && self.status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(code = self.code, "{}", self.message);
        }
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(field) = self.field {
            error["field"] = json!(field);
        }
        let mut response = (self.status, Json(json!({"error": error}))).into_response();
        if matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(status_of(&error), error.code(), error.to_string());
        match field_of(error) {
            Some(field) => failure.field(field),
            None => failure,
        }
    }
}

/// The field of a body that an error is about.
fn field_of(error: Error) -> Option<String> {
    Some(match error {
        Error::Invalid { field, .. } => field.to_owned(),
        Error::DimensionMismatch { field, .. } | Error::NotFinite { field, .. } => field,
        Error::UnusableDocument { key, .. }
        | Error::DuplicateKey { key, .. }
        | Error::UnknownKey { key } => format!("key {key}"),
        Error::BadIndex { .. } => "index".to_owned(),
        Error::BadMetric { .. } => "metric".to_owned(),
        Error::BadDevice { .. } => "device".to_owned(),
        Error::BadParameter { parameter, .. } => format!("params.{parameter}"),
        _ => return None,
    })
}

/// The one table from errors to statuses, exhaustive, so that a new error cannot be forgotten.
fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::BadName { .. }
        | Error::Invalid { .. }
        | Error::BadIndex { .. }
        | Error::BadMetric { .. }
        | Error::BadDevice { .. }
        | Error::BadParameter { .. }
        | Error::Unsupported { .. }
        | Error::BadClusterName { .. }
        | Error::BadFilter { .. } => StatusCode::BAD_REQUEST,
        Error::UnknownCollection { .. }
        | Error::Dropped { .. }
        | Error::UnknownClustering { .. }
        | Error::UnknownCluster { .. }
        | Error::UnknownKey { .. } => StatusCode::NOT_FOUND,
        Error::ReadOnly { .. }
        | Error::ReadOnlyFile { .. }
        | Error::CollectionExists { .. }
        | Error::ClusteringConflict { .. }
        | Error::ModelMismatch { .. }
        | Error::Untrained { .. }
        | Error::IndexFull { .. } => StatusCode::CONFLICT,
        Error::DimensionMismatch { .. }
        | Error::NotFinite { .. }
        | Error::VectorTooLarge { .. }
        | Error::NegativeComponent { .. }
        | Error::UnusableDocument { .. }
        | Error::DuplicateKey { .. }
        | Error::BadKey { .. }
        | Error::MetadataTooDeep { .. }
        | Error::Text { .. }
        | Error::NoModel { .. }
        | Error::NoModelFolder { .. }
        | Error::UnknownModel { .. }
        | Error::Template { .. }
        | Error::BadSnapshot { .. }
        | Error::BadIndexFile { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Overloaded { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Locked { .. }
        | Error::Changing { .. }
        | Error::Busy(_)
        | Error::Closed { .. }
        | Error::Stopping { .. }
        | Error::Cancelled { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::DiskFull(_) => StatusCode::INSUFFICIENT_STORAGE,
        Error::WithoutFaiss { .. } => StatusCode::NOT_IMPLEMENTED,
        Error::NotADatabase { .. }
        | Error::NoDatabase { .. }
        | Error::Io { .. }
        | Error::BadConfig { .. }
        | Error::Index(_)
        | Error::Model(_)
        | Error::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What a caught panic answers.
pub(crate) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    Failure::internal().into_response()
}
