//! A Python package index: where a wheel is to be had, and its bytes, from where they stopped before.
//!
//! It speaks the simple repository API in JSON (PEP 691) and in HTML (PEP 503). It believes nothing that the index says of a
//! file: what was read is checked against the catalogue by who asked for it.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use ureq::{
    Agent, Body, ResponseExt,
    http::{Response, StatusCode, header},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};
use url::Url;

use crate::{
    catalogue::Wheel,
    error::{Error, Result},
    source::PackageSource,
};

/// How long to wait for a connection, for an answer to begin, and for more of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest page on a package that is read.
const PAGE_BYTES: u64 = 16 * 1024 * 1024;
const BLOCK: usize = 64 * 1024;
/// What is asked for, what is liked best first.
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// Why the index gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No answer came.
    Unreachable(String),
    /// The answer ended before its end.
    Broke(String),
    /// An answer that is no file.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) | Self::Refused(reason) => f.write_str(reason),
            Self::Broke(reason) => write!(
                f,
                "the connection broke ({reason}): pull it again, and it goes on where it stopped"
            ),
        }
    }
}

/// What an index says of a package, in JSON.
#[derive(Deserialize)]
struct Page {
    files: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    filename: String,
    url: String,
}

/// Asks one index.
pub(crate) struct Client {
    agent: Agent,
    url: Url,
    /// User and password that the index's address has, as a header has them.
    authorization: Option<String>,
}

impl PackageSource {
    /// The index's address, without the password that may be in it.
    pub(crate) fn name(&self) -> String {
        match Url::parse(&self.url) {
            Ok(url) if url.has_host() => bare(&url).to_string(),
            // Not all of it: who cannot tell where the password stands must not show it.
            _ => match self.url.rsplit_once('@') {
                Some((_, behind)) => format!("…@{behind}"),
                None => self.url.clone(),
            },
        }
    }
}

impl Client {
    pub(crate) fn new(index: &PackageSource) -> Result<Self> {
        let refused = |reason: &dyn fmt::Display| {
            let expected = format!("an address such as https://pypi.org/simple ({reason})");
            Error::invalid("PIP_INDEX_URL", index.name(), expected)
        };
        let url = Url::parse(&format!("{}/", index.url)).map_err(|error| refused(&error))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(refused(&"http or https"));
        }
        let mut config = Agent::config_builder()
            .user_agent(concat!("vinedb/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .http_status_as_error(false);
        if let Some(path) = &index.certificates {
            let pem = fs::read(path).map_err(|error| Error::io(path, error))?;
            let roots = RootCerts::new_with_certs(&certificates(&pem));
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Self {
            agent: config.build().into(),
            authorization: authorization(&url),
            url: bare(&url),
        })
    }

    /// The address of the wheel.
    pub(crate) fn find(&self, wheel: &Wheel) -> Result<Url, Failure> {
        let page = self
            .url
            .join(&format!("{}/", wheel.package))
            .map_err(|error| Failure::Refused(error.to_string()))?;
        let mut response = self.get(&page, 0)?;
        check(&response, &page)?;
        // Links are meant from where the answer came from, behind redirections.
        let page = Url::parse(&response.get_uri().to_string()).unwrap_or(page);
        let text = response
            .body_mut()
            .with_config()
            .limit(PAGE_BYTES)
            .read_to_string()
            .map_err(|error| Failure::Unreachable(error.to_string()))?;
        let link = match serde_json::from_str::<Page>(&text) {
            Ok(page) => {
                let mut files = page.files.into_iter();
                files
                    .find(|file| file.filename == wheel.file)
                    .map(|file| file.url)
            }
            Err(_) => linked(&text, &wheel.file),
        };
        link.and_then(|link| page.join(&link).ok())
            .ok_or_else(|| Failure::Refused(format!("{page} has no file {}", wheel.file)))
    }

    /// Reads the file of `bytes` bytes at `address` into `part`, from the end of what is there; `told` where it stands.
    pub(crate) fn read(
        &self,
        address: &Url,
        bytes: u64,
        part: &mut File,
        told: impl Fn(u64),
    ) -> Result<(), Failure> {
        let mut at = place(part, bytes).map_err(written)?;
        if at == bytes {
            return Ok(());
        }
        let mut response = self.get(address, at)?;
        check(&response, address)?;
        if response.status() != StatusCode::PARTIAL_CONTENT || first(&response) != Some(at) {
            part.set_len(0).map_err(written)?;
            at = part.seek(SeekFrom::Start(0)).map_err(written)?;
            if response.status() == StatusCode::PARTIAL_CONTENT {
                return Err(Failure::Broke(
                    "another part was sent than was asked for".to_owned(),
                ));
            }
        }
        let mut reader = response.body_mut().as_reader();
        let mut block = vec![0; BLOCK];
        while at < bytes {
            let most = usize::try_from(bytes - at).unwrap_or(BLOCK).min(BLOCK);
            let broke = |reason: String| Failure::Broke(reason);
            match reader.read(&mut block[..most]) {
                Ok(0) => return Err(broke(format!("after {at} of {bytes} bytes"))),
                Ok(read) => part.write_all(&block[..read]).map_err(written)?,
                Err(error) => return Err(broke(error.to_string())),
            }
            at = part.stream_position().map_err(written)?;
            told(at);
        }
        Ok(())
    }

    /// Asks for what is at `url`, from byte `first` on. Credentials go to the index's own host alone.
    fn get(&self, url: &Url, first: u64) -> Result<Response<Body>, Failure> {
        let mut request = self.agent.get(url.as_str()).header(header::ACCEPT, ACCEPT);
        if first > 0 {
            request = request.header(header::RANGE, format!("bytes={first}-"));
        }
        let own = (url.scheme(), url.host(), url.port())
            == (self.url.scheme(), self.url.host(), self.url.port());
        if let Some(authorization) = self.authorization.as_ref().filter(|_| own) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request
            .call()
            .map_err(|error| Failure::Unreachable(error.to_string()))
    }
}

/// Where to go on: at the end of what was read, which is more than nothing and less than all.
fn place(part: &mut File, bytes: u64) -> io::Result<u64> {
    if part.metadata()?.len() > bytes {
        part.set_len(0)?;
    }
    part.seek(SeekFrom::End(0))
}

/// The disk is full, or the like.
fn written(error: io::Error) -> Failure {
    Failure::Refused(format!("it cannot be written: {error}"))
}

fn check(response: &Response<Body>, url: &Url) -> Result<(), Failure> {
    let status = response.status();
    let reason = match status.as_u16() {
        200..=299 => return Ok(()),
        401 | 403 => {
            "user and password go into PIP_INDEX_URL, as https://user:password@host/simple"
        }
        404 => "check PIP_INDEX_URL, or name another index by it",
        _ => "try again later",
    };
    Err(Failure::Refused(format!(
        "{url} answers {}: {reason}",
        status.as_u16()
    )))
}

/// The first byte of those that a partial answer holds.
fn first(response: &Response<Body>) -> Option<u64> {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)?
        .to_str()
        .ok()?;
    let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    first.parse().ok()
}

/// The address that a page in HTML links `file` to.
fn linked(page: &str, file: &str) -> Option<String> {
    let mut links = page.split("href=").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
        rest[1..].split(quote).next()
    });
    let is_of_file = |link: &&str| {
        link.split(['#', '?'])
            .next()
            .is_some_and(|path| path.ends_with(&format!("/{file}")) || path == file)
    };
    links
        .find(is_of_file)
        .map(|link| link.replace("&amp;", "&"))
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let items = parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    items.collect()
}

fn authorization(url: &Url) -> Option<String> {
    let decode = |part: &str| percent_decoded(part);
    let (user, password) = (
        decode(url.username()),
        decode(url.password().unwrap_or_default()),
    );
    let pair = format!("{user}:{password}");
    (pair != ":").then(|| format!("Basic {}", STANDARD.encode(pair)))
}

fn percent_decoded(part: &str) -> String {
    // What stands in a form is decoded so; a plus sign there is a blank, and here it is one.
    let pair = format!("x={}", part.replace('+', "%2B"));
    let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
    decoded.map_or_else(String::new, |(_, value)| value.into_owned())
}

/// The address without user and password.
fn bare(url: &Url) -> Url {
    let mut url = url.clone();
    // An address with a host can be without both.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_among_links() {
        let page = "<a href=\"../../x/a-1.0.whl#sha256=00\">a-1.0.whl</a>\
                    <a href='https://files/b-1.0.whl?x=1&amp;y=2' data-x=''>b</a><a href=c-1.0.whl>c</a>";
        assert_eq!(
            linked(page, "a-1.0.whl").unwrap(),
            "../../x/a-1.0.whl#sha256=00"
        );
        assert_eq!(
            linked(page, "b-1.0.whl").unwrap(),
            "https://files/b-1.0.whl?x=1&y=2"
        );
        assert_eq!(linked(page, "1.0.whl"), None);
    }

    #[test]
    fn user_and_password_leave_the_address_and_become_a_header() {
        let url = Url::parse("https://me:a%2Bb+c@host/simple/").unwrap();
        let expected = format!("Basic {}", STANDARD.encode("me:a+b+c"));
        assert_eq!(authorization(&url).unwrap(), expected);
        assert_eq!(bare(&url).as_str(), "https://host/simple/");
        assert_eq!(authorization(&bare(&url)), None);
    }
}
