//! What is checked of every request before it reaches a handler.

use std::time::Duration;

use axum::{
    body::HttpBody,
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{HOST, ORIGIN},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{AppState, error::Failure};

/// Bodies up to this size need no turn.
const SMALL_BYTES: u64 = 1024 * 1024;
/// How long a large body may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses addresses that are not well encoded, and changes by pages of other sites.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let uri = request.uri();
    let parts = [
        ("path", uri.path()),
        ("query", uri.query().unwrap_or_default()),
    ];
    for (name, part) in parts {
        if !is_well_encoded(part) {
            return badly_encoded(name, part).into_response();
        }
    }
    if !request.method().is_safe() && is_cross_site(request.headers()) {
        return cross_site().into_response();
    }
    next.run(request).await
}

/// Lets few large bodies in at a time.
pub(crate) async fn upload(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let upper = request.body().size_hint().upper();
    if upper.is_some_and(|bytes| bytes <= SMALL_BYTES) {
        return next.run(request).await;
    }
    match tokio::time::timeout(PATIENCE, state.uploading()).await {
        Ok(_permit) => next.run(request).await,
        Err(_) => Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many large bodies are being received: try again in a moment",
        )
        .into_response(),
    }
}

/// Whether each `%` begins a byte in two hexadecimal digits, and the bytes are UTF-8.
fn is_well_encoded(part: &str) -> bool {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = tail
            .get(..2)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(Ok(byte)) = digits.map(|digits| u8::from_str_radix(digits, 16)) else {
            return false;
        };
        bytes.push(byte);
        rest = &tail[2..];
    }
    std::str::from_utf8(&bytes).is_ok()
}

fn badly_encoded(name: &str, part: &str) -> Failure {
    let message = format!(
        "the {name} {part:?} is not well encoded: write a byte as % and two hexadecimal digits, % itself as %25, and \
         text as UTF-8"
    );
    Failure::new(StatusCode::BAD_REQUEST, "malformed", message).field(name)
}

/// Whether a browser sent this on behalf of a page of another origin; programs send neither header.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let header = |name: &str| headers.get(name).map(|value| value.as_bytes());
    if let Some(site) = header("sec-fetch-site") {
        return !matches!(site, b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, authority)| authority);
    authority.is_none() || authority != headers.get(HOST).and_then(|host| host.to_str().ok())
}

fn cross_site() -> Failure {
    Failure::new(
        StatusCode::FORBIDDEN,
        "cross_site",
        "a page of another origin may not change anything here",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn percent_signs_begin_two_digits_and_bytes_are_utf8() {
        for good in ["", "/a%2Fb", "/caf%C3%A9", "/%25", "q=a+b&k=%35"] {
            assert!(is_well_encoded(good), "{good}");
        }
        for bad in ["/%", "/%4", "/%zz", "/%+1", "/%ff", "/%C3", "/%ed%a0%80"] {
            assert!(!is_well_encoded(bad), "{bad}");
        }
    }

    #[test]
    fn only_browsers_can_be_cross_site() {
        for (pairs, expected) in [
            (&[][..], false),
            (&[("host", "127.0.0.1:8080")], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (
                &[("origin", "http://evil.example"), ("host", "db:80")],
                true,
            ),
            (&[("origin", "null"), ("host", "db:80")], true),
            (&[("origin", "http://db:80"), ("host", "db:80")], false),
        ] {
            let mut headers = HeaderMap::new();
            for &(name, value) in pairs {
                headers.insert(name, HeaderValue::from_static(value));
            }
            assert_eq!(is_cross_site(&headers), expected, "{pairs:?}");
        }
    }
}
