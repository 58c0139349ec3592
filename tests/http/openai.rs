//! `/v1/embeddings` in OpenAI's words. The bodies are those that its Python client sends, which asks for base64 where its caller
//! asks for nothing; the client itself is in `openai_process`.

use serde_json::{Value, json};

use super::{App, Reply};
use crate::tiny;

const EMBEDDINGS: &str = "/v1/embeddings";

/// The vector in an answer's item, from numbers or from base64.
fn vector(item: &Value) -> Vec<f32> {
    if let Some(text) = item["embedding"].as_str() {
        let bytes = decoded(text);
        let values = bytes.chunks_exact(4);
        return values
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
    }
    serde_json::from_value(item["embedding"].clone()).unwrap()
}

/// RFC 4648, by the book: six bits a letter.
fn decoded(text: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = text
        .trim_end_matches('=')
        .chars()
        .map(|letter| format!("{:06b}", LETTERS.find(letter).unwrap()))
        .collect();
    let bytes = bits.as_bytes().chunks_exact(8);
    bytes
        .map(|bits| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap())
        .collect()
}

/// The error's message, in OpenAI's shape.
fn fails(reply: Reply, status: u16, kind: &str, param: &Value, code: &str) -> String {
    let body = reply.is(status);
    let error = &body["error"];
    assert_eq!(
        (&error["type"], &error["param"], &error["code"]),
        (&json!(kind), param, &json!(code)),
        "{body}"
    );
    assert_eq!(error.as_object().unwrap().len(), 4, "{body}");
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_text_and_an_array_of_texts_are_embedded() {
    let app = App::new();
    let one = json!({"input": "red wine", "model": "hash", "encoding_format": "float"});
    let one = app.post(EMBEDDINGS, &one).await.is(200);
    assert_eq!(
        (&one["object"], &one["model"]),
        (&json!("list"), &json!("hash"))
    );
    assert_eq!(one["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    let two = json!({"input": ["white", "red wine"], "model": "hash", "user": "somebody"});
    let two = app.post(EMBEDDINGS, &two).await.is(200);
    assert_eq!(two["usage"]["total_tokens"], 3);
    let item = &two["data"][1];
    assert_eq!(
        (&item["object"], &item["index"]),
        (&json!("embedding"), &json!(1))
    );
    assert_eq!(vector(item), vector(&one["data"][0]));
    assert_eq!(vector(item).len(), 64);
}

#[tokio::test]
async fn base64_holds_the_same_floats() {
    let app = App::new();
    let ask =
        |format: &str| json!({"input": ["red wine"], "model": "hash", "encoding_format": format});
    let floats = app.post(EMBEDDINGS, &ask("float")).await.is(200);
    let coded = app.post(EMBEDDINGS, &ask("base64")).await.is(200);
    assert!(coded["data"][0]["embedding"].is_string() && floats["data"][0]["embedding"].is_array());
    assert_eq!(vector(&coded["data"][0]), vector(&floats["data"][0]));
}

#[tokio::test]
async fn fewer_dimensions_are_the_first_ones_at_length_one() {
    let app = App::new();
    let whole = json!({"input": "red wine and bread", "model": "hash"});
    let whole = vector(&app.post(EMBEDDINGS, &whole).await.is(200)["data"][0]);
    let cut = json!({"input": "red wine and bread", "model": "hash", "dimensions": 8});
    let cut = vector(&app.post(EMBEDDINGS, &cut).await.is(200)["data"][0]);
    assert_eq!(cut.len(), 8);
    assert!((vinedb_tests::cosine(&cut, &whole[..8]) - 1.0).abs() < 1e-6);
    assert!((cut.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
}

#[tokio::test]
async fn vectors_and_tokens_are_those_of_the_model() {
    let reference = tiny::reference();
    let model = reference
        .models
        .iter()
        .find(|model| model.folder == "roberta-e5")
        .unwrap();
    let home = tiny::home(&[&model.folder]);
    let folder = tempfile::tempdir().unwrap();
    let options = vinedb::Options::default().home(home.path().to_owned());
    let app = App::over(options.open(folder.path().join("db")).unwrap(), folder);
    let texts = &reference.texts[1..];
    for (kind, expected) in [("document", &model.documents), ("query", &model.queries)] {
        let body = json!({"input": texts, "model": model.folder, "input_type": kind});
        let answer = app.post(EMBEDDINGS, &body).await.is(200);
        for (item, expected) in answer["data"]
            .as_array()
            .unwrap()
            .iter()
            .zip(&expected[1..])
        {
            assert!(vinedb_tests::cosine(&vector(item), expected) >= 0.99999);
        }
    }
    let long = json!({"input": texts[6], "model": model.folder});
    let usage = app.post(EMBEDDINGS, &long).await.is(200)["usage"].clone();
    assert_eq!(usage["prompt_tokens"], 24, "as many as the model takes");
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_in_openais_shape() {
    let app = App::new();
    let invalid = "invalid_request_error";
    for (body, param, says) in [
        (
            json!({"model": "hash", "input": [1, 2, 3]}),
            "input",
            "tokens",
        ),
        (
            json!({"model": "hash", "input": [[1, 2], [3]]}),
            "input",
            "tokens",
        ),
        (
            json!({"model": "hash", "input": []}),
            "input",
            "empty array",
        ),
        (json!({"model": "hash", "input": ""}), "input", "empty"),
        (
            json!({"model": "hash", "input": ["a", " "]}),
            "input",
            "text 1",
        ),
        (
            json!({"model": "hash", "input": ["a", null]}),
            "input",
            "item 1 is null",
        ),
        (
            json!({"model": "hash", "input": {"text": "a"}}),
            "input",
            "an object",
        ),
        (json!({"model": "hash"}), "input", "missing"),
        (
            json!({"model": "hash", "input": vec!["a"; 2049]}),
            "input",
            "2049",
        ),
        (json!({"input": "a"}), "model", "missing"),
        (
            json!({"model": "hash", "input": "a", "dimensions": 0}),
            "dimensions",
            "1 to 64",
        ),
        (
            json!({"model": "hash", "input": "a", "dimensions": 65}),
            "dimensions",
            "65",
        ),
    ] {
        let reply = app.post(EMBEDDINGS, &body).await;
        let message = fails(reply, 400, invalid, &json!(param), "invalid");
        assert!(message.contains(says), "{body}: {message}");
    }
    for body in [
        json!({"model": "hash", "input": "a", "encoding_format": "hex"}),
        json!({"model": "hash", "input": "a", "dimensions": -1}),
    ] {
        let reply = app.post(EMBEDDINGS, &body).await.is(400);
        assert_eq!(reply["error"]["type"], invalid);
    }
    let body = json!({"model": "text-embedding-3-small", "input": "a"});
    let reply = app.post(EMBEDDINGS, &body).await;
    let message = fails(reply, 404, invalid, &json!("model"), "model_not_found");
    assert!(message.contains("text-embedding-3-small"), "{message}");
    let reply = app.json("POST", EMBEDDINGS, "{").await;
    fails(reply, 400, invalid, &Value::Null, "malformed");
}
