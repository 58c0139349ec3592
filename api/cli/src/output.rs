//! What goes to the terminal: results on standard output, as JSON or for people; all else on standard error.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use serde::Serialize;
use vinedb::{Document, Metadata};

/// What an error calls the place where results go.
pub(crate) const STANDARD_OUTPUT: &str = "standard output";
/// Characters of a text that a result shows.
const EXCERPT: usize = 240;
/// Characters that a field may have to be shown among others on one line.
const SHORT_FIELD: usize = 100;

/// Where results go.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints `value` as one line of JSON, or what `text` makes of it.
    pub(crate) fn result<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let line = if self.json {
            serde_json::to_string(value)?
        } else {
            text(value).trim_end().to_owned()
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .context(STANDARD_OUTPUT)
    }

    /// Says something that is not a result.
    pub(crate) fn note(message: impl AsRef<str>) {
        let _ = writeln!(io::stderr(), "{}", message.as_ref());
    }

    /// Says why the command failed, in one sentence.
    pub(crate) fn error(error: &anyhow::Error) {
        Self::note(format!("error: {}", sentence(error)));
    }
}

/// The error and those causes that it does not quote itself. One that says what to do, behind a semicolon, is complete.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) && !text.contains("; ") {
            text = format!("{text}: {cause}");
        }
    }
    match advice(error) {
        Some(advice) if !text.contains("; ") => format!("{text}; {advice}"),
        _ => text,
    }
}

/// What to do about a failure that the operating system reported.
fn advice(error: &anyhow::Error) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    let kind = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>())?
        .kind();
    Some(match kind {
        Kind::NotFound => "check the path",
        Kind::PermissionDenied => "check who may read and write there",
        Kind::ReadOnlyFilesystem => "choose a place that can be written",
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
            "make room there, or choose another place"
        }
        Kind::AlreadyExists => "name a file that does not exist yet",
        Kind::IsADirectory => "name a file",
        Kind::NotADirectory => "name a folder",
        Kind::UnexpectedEof => "the file is cut off: get it again",
        _ => return None,
    })
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number as u64))
}

/// Whether progress is drawn or told in lines.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A number with thousands separated.
pub(crate) fn thousands(number: impl TryInto<u64>) -> String {
    indicatif::HumanCount(number.try_into().unwrap_or(u64::MAX)).to_string()
}

/// A number of bytes, in the largest unit that it fills.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// The first words of a text, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if words.chars().count() + word.chars().count() > EXCERPT {
            return format!("{words} …");
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    words
}

/// A document's short fields on one line.
pub(crate) fn fields(metadata: &Metadata) -> String {
    let short = metadata.iter().filter_map(|(name, value)| match value {
        serde_json::Value::String(text)
            if !text.is_empty() && text.chars().count() <= SHORT_FIELD =>
        {
            Some(format!("{name}: {text}"))
        }
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => {
            Some(format!("{name}: {value}"))
        }
        _ => None,
    });
    short.collect::<Vec<_>>().join(" · ")
}

/// A whole document, a field a line.
pub(crate) fn document(document: &Document) -> String {
    let mut lines = vec![document.key.to_string()];
    let mut field = |name: &str, value: String| lines.push(format!("  {name}: {value}"));
    if let Some(text) = &document.text {
        field("text", text.replace('\n', "\n    "));
    }
    for (name, value) in &document.metadata {
        match value {
            serde_json::Value::String(text) => field(name, text.replace('\n', "\n    ")),
            other => field(name, other.to_string()),
        }
    }
    if let Some(vector) = &document.vector {
        field("vector", format!("{vector:?}"));
    }
    lines.join("\n")
}
