//! The one table from errors to HTTP: status and stable code, exhaustive, so that a new error cannot be forgotten.

use std::any::Any;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::Error;

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
        let (status, code) = status_of(&error);
        let failure = Self::new(status, code, error.to_string());
        match error {
            Error::Invalid { field, .. } => failure.field(field),
            Error::DimensionMismatch { field, .. } | Error::NotFinite { field, .. } => {
                failure.field(field)
            }
            Error::UnusableDocument { key, .. }
            | Error::DuplicateKey { key, .. }
            | Error::UnknownKey { key } => failure.field(format!("key {key}")),
            Error::Engine(error) => match field_of_engine(&error) {
                Some(field) => failure.field(field),
                None => failure,
            },
            _ => failure,
        }
    }
}

/// The field of a body that an error of the index layer is about.
fn field_of_engine(error: &engine::Error) -> Option<String> {
    use engine::Error as E;
    Some(match error {
        E::BadSpec { .. } => "index".to_owned(),
        E::BadMetric { .. } => "metric".to_owned(),
        E::BadDevice { .. } | E::NoGpu { .. } => "device".to_owned(),
        E::ParameterMismatch { parameter, .. }
        | E::ParameterRange { parameter, .. }
        | E::ParameterConflict { parameter } => format!("params.{parameter}"),
        _ => return None,
    })
}

fn status_of(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::NotADatabase { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "not_a_database"),
        Error::NoDatabase { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "no_database"),
        Error::Locked { .. } => (StatusCode::SERVICE_UNAVAILABLE, "locked"),
        Error::ReadOnly { .. } => (StatusCode::CONFLICT, "read_only"),
        Error::UnknownCollection { .. } | Error::Dropped { .. } => {
            (StatusCode::NOT_FOUND, "unknown_collection")
        }
        Error::CollectionExists { .. } => (StatusCode::CONFLICT, "collection_exists"),
        Error::BadName { .. } => (StatusCode::BAD_REQUEST, "bad_name"),
        Error::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
        Error::DimensionMismatch { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "dimension_mismatch"),
        Error::NotFinite { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "not_finite"),
        Error::UnusableDocument { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unusable_document"),
        Error::DuplicateKey { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "duplicate_key"),
        Error::UnknownKey { .. } => (StatusCode::NOT_FOUND, "unknown_key"),
        Error::NoModel { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no_model"),
        Error::ModelMismatch { .. } => (StatusCode::CONFLICT, "model_mismatch"),
        Error::Template { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "template"),
        Error::Io { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "io"),
        Error::BadSnapshot { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "bad_snapshot"),
        Error::Changing { .. } => (StatusCode::SERVICE_UNAVAILABLE, "changing"),
        Error::BadConfig { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "bad_config"),
        Error::WithoutFaiss { .. } => (StatusCode::NOT_IMPLEMENTED, "without_faiss"),
        Error::Engine(error) => of_engine(error),
        Error::Embedder(error) => of_embedder(error),
        Error::Models(error) => of_models(error),
        Error::Storage(error) => of_storage(error),
    }
}

fn of_engine(error: &engine::Error) -> (StatusCode, &'static str) {
    use engine::Error as E;
    match error {
        E::DimensionRange { .. }
        | E::DimensionMismatch { .. }
        | E::RaggedVectors { .. }
        | E::IdCount { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "dimension_mismatch"),
        E::NotFinite { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "not_finite"),
        E::NormTooLarge { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "vector_too_large"),
        E::Negative { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "negative_component"),
        E::BadSpec { .. } => (StatusCode::BAD_REQUEST, "bad_index"),
        E::BadMetric { .. } => (StatusCode::BAD_REQUEST, "bad_metric"),
        E::BadDevice { .. } | E::NoGpu { .. } => (StatusCode::BAD_REQUEST, "bad_device"),
        E::ParameterMismatch { .. } | E::ParameterRange { .. } | E::ParameterConflict { .. } => {
            (StatusCode::BAD_REQUEST, "bad_parameter")
        }
        E::Unsupported { .. } => (StatusCode::BAD_REQUEST, "unsupported"),
        E::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
        E::NotTrained { .. } | E::TooFewTrainingVectors { .. } => {
            (StatusCode::CONFLICT, "untrained")
        }
        E::BadForeign { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "bad_index_file"),
        E::IndexFull { .. } => (StatusCode::CONFLICT, "index_full"),
        E::IdOrder { .. }
        | E::IdRange { .. }
        | E::ReadOnly
        | E::UnsupportedCpu { .. }
        | E::CorruptIndex { .. }
        | E::StaleIndex { .. }
        | E::Io { .. }
        | E::Faiss { .. }
        | E::InRust { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "index"),
    }
}

fn of_embedder(error: &embedder::Error) -> (StatusCode, &'static str) {
    use embedder::Error as E;
    match error {
        E::Overloaded { .. } => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
        E::Text { .. } | E::Tokenize { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "text"),
        E::Closed => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        E::Withdrawn => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
        E::MissingRuntime { .. }
        | E::MissingModelFile { .. }
        | E::Io { .. }
        | E::Write { .. }
        | E::Exists { .. }
        | E::Unreadable { .. }
        | E::ModelConfig { .. }
        | E::RuntimeLoad { .. }
        | E::RuntimeConflict { .. }
        | E::ModelLoad { .. }
        | E::Options { .. }
        | E::UnknownPooling { .. }
        | E::Run { .. }
        | E::OutputShape { .. }
        | E::NotFinite { .. }
        | E::Panicked { .. }
        | E::Ragged { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "model"),
    }
}

fn of_models(error: &models::Error) -> (StatusCode, &'static str) {
    use models::Error as E;
    match error {
        E::UnknownModel { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_model"),
        E::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
        E::Embedder(error) => of_embedder(error),
        E::Io { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "io"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "model"),
    }
}

fn of_storage(error: &storage::Error) -> (StatusCode, &'static str) {
    use storage::Error as E;
    match error {
        E::EmptyKey | E::KeyTooLong { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "bad_key"),
        E::DuplicateKey { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "duplicate_key"),
        E::BadDimension { .. } | E::DimensionMismatch { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "dimension_mismatch")
        }
        E::NotFinite { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "not_finite"),
        E::MetadataTooDeep { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "metadata_too_deep"),
        E::UnknownOperator { .. }
        | E::NoOperator { .. }
        | E::BadOperand { .. }
        | E::BadFilter { .. }
        | E::FilterTooDeep { .. }
        | E::FilterTooLarge { .. } => (StatusCode::BAD_REQUEST, "bad_filter"),
        E::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        E::DiskFull { .. } => (StatusCode::INSUFFICIENT_STORAGE, "disk_full"),
        E::ReadOnly { .. } => (StatusCode::CONFLICT, "read_only"),
        E::Exists { .. }
        | E::Missing { .. }
        | E::NotACollection { .. }
        | E::NewerVersion { .. }
        | E::Corrupt { .. }
        | E::NeedsRecovery { .. }
        | E::Io { .. }
        | E::Sqlite { .. }
        | E::SealAhead { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "storage"),
    }
}

/// What a caught panic answers.
pub(crate) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    Failure::internal().into_response()
}
