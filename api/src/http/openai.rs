//! `POST /v1/embeddings`: vectors of texts, in the words of OpenAI's interface, so that its clients work unchanged.
//!
//! Bodies, answers and errors have the shapes of OpenAI's reference ("Create embeddings"); `input_type` is ours, for models
//! that tell queries from documents. Arrays of tokens are refused: they are of OpenAI's vocabularies.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use embedder::{Embeddings, Purpose};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AppState,
    error::Failure,
    extract::{compute, parse, read},
};
use crate::{document::MAX_TEXT_BYTES, error::Error};

/// Texts of one request, as many as OpenAI takes.
const MAX_INPUTS: usize = 2048;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    model: Option<String>,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    encoding_format: Format,
    dimensions: Option<usize>,
    #[serde(default)]
    input_type: InputType,
    /// Who asks, for OpenAI's own statistics.
    #[serde(rename = "user")]
    _user: Option<Value>,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Float,
    Base64,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum InputType {
    Query,
    #[default]
    Document,
}

#[derive(Serialize)]
pub(crate) struct Answer {
    object: &'static str,
    data: Vec<Item>,
    model: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Item {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// The handler.
pub(crate) async fn embeddings(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Answer>, Response> {
    let answered = async {
        let Some(permit) = state.embedding() else {
            return Err(Failure::new(
                StatusCode::TOO_MANY_REQUESTS,
                "overloaded",
                "too many texts wait to be embedded: try again in a moment",
            ));
        };
        let bytes = read(request).await?;
        compute(move || {
            let _permit = permit;
            answer(&state, &parse(&bytes)?)
        })
        .await
    };
    answered.await.map(Json).map_err(Failure::into_openai)
}

fn answer(state: &AppState, body: &Body) -> Result<Answer, Failure> {
    let Some(name) = &body.model else {
        return Err(invalid(
            "model",
            "it is missing: name a model that is installed here",
        ));
    };
    let texts = texts(&body.input)?;
    let model = state.db().model(name).map_err(unknown_model)?;
    let identity = model.identity();
    let dimension = body.dimensions.unwrap_or(identity.dimension);
    if !(1..=identity.dimension).contains(&dimension) {
        let message = format!(
            "{dimension} was given, 1 to {} were expected, which the model {name} has",
            identity.dimension
        );
        return Err(invalid("dimensions", &message));
    }
    let purpose = match body.input_type {
        InputType::Query => Purpose::Query,
        InputType::Document => Purpose::Document,
    };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embedded = model
        .embed(&texts, purpose)
        .map_err(|error| Failure::from(Error::from(error)))?;
    let normalize = identity.normalize && dimension < identity.dimension;
    Ok(Answer {
        object: "list",
        data: items(&embedded, dimension, normalize, body.encoding_format),
        model: name.clone(),
        usage: Usage {
            prompt_tokens: embedded.tokens(),
            total_tokens: embedded.tokens(),
        },
    })
}

/// The vectors, cut to `dimension`; as OpenAI does, those that had length 1 get it again.
fn items(embedded: &Embeddings, dimension: usize, normalize: bool, format: Format) -> Vec<Item> {
    let item = |(index, row): (usize, &[f32])| {
        let mut vector = row[..dimension].to_vec();
        if normalize {
            let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
            let length = length.max(f32::MIN_POSITIVE);
            vector.iter_mut().for_each(|value| *value /= length);
        }
        Item {
            object: "embedding",
            index,
            embedding: match format {
                Format::Float => Vector::Float(vector),
                Format::Base64 => Vector::Base64(base64(&vector)),
            },
        }
    };
    embedded.rows().enumerate().map(item).collect()
}

/// The bytes of 32-bit floats, the lowest first.
fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    STANDARD.encode(bytes)
}

/// The texts of `input`: a string, or an array of strings.
fn texts(input: &Value) -> Result<Vec<String>, Failure> {
    let texts = match input {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if items.is_empty() => {
            return Err(invalid(
                "input",
                "an empty array was given, at least one text was expected",
            ));
        }
        Value::Array(items) if items.len() > MAX_INPUTS => {
            let message = format!(
                "{} texts were given, at most {MAX_INPUTS} are taken",
                items.len()
            );
            return Err(invalid("input", &message));
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(number, item)| text(number, item))
            .collect::<Result<_, _>>()?,
        Value::Null => {
            return Err(invalid(
                "input",
                "it is missing: give a text or an array of texts",
            ));
        }
        other => {
            return Err(invalid(
                "input",
                &format!("{} was given, {EXPECTED}", kind(other)),
            ));
        }
    };
    for (number, text) in texts.iter().enumerate() {
        if text.trim().is_empty() {
            let message = format!("text {number} is empty, so there is nothing to embed");
            return Err(invalid("input", &message));
        }
        if text.len() > MAX_TEXT_BYTES {
            let message = format!(
                "text {number} has {} bytes, at most {MAX_TEXT_BYTES} are taken",
                text.len()
            );
            return Err(invalid("input", &message));
        }
    }
    Ok(texts)
}

const EXPECTED: &str = "a text or an array of texts was expected";

fn text(number: usize, item: &Value) -> Result<String, Failure> {
    match item {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Array(_) => Err(invalid(
            "input",
            "arrays of tokens are not taken, since each model has a vocabulary of its own: send the texts (in LangChain's \
             OpenAIEmbeddings, check_embedding_ctx_length=False)",
        )),
        other => {
            let message = format!("item {number} is {}, {EXPECTED}", kind(other));
            Err(invalid("input", &message))
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn invalid(field: &'static str, message: &str) -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        "invalid",
        format!("{field}: {message}"),
    )
    .field(field)
}

fn unknown_model(error: Error) -> Failure {
    match error {
        Error::UnknownModel { .. } => {
            Failure::new(StatusCode::NOT_FOUND, "model_not_found", error.to_string()).field("model")
        }
        error => error.into(),
    }
}
