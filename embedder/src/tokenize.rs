//! From text to token ids: prompt prefix, truncation to the model's own length, special tokens.
//!
//! Invariants: a text has from one to `max_length` tokens; the bytes read of it are bounded, whatever its length; its tokens
//! depend on nothing but the text. Truncation and padding of `tokenizer.json` are ignored: they are often not what the
//! model was trained with.

use crate::Purpose;
use crate::error::{Error, Result};
use crate::settings::{Settings, contradiction, unsettled};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};
use tokenizers::utils::truncation::{TruncationParams, truncate_encodings};
use tokenizers::{PostProcessor, Tokenizer, TruncationDirection};

/// Bytes per token read at first: most texts have 3 to 5.
const FIRST_BYTES_PER_TOKEN: usize = 16;
/// Bytes per token beyond which a text is truncated even if it has few tokens so far (words that are unknown as a whole, or
/// pages of white space).
const LAST_BYTES_PER_TOKEN: usize = 1024;
/// Bytes tokenized at a time where all tokens of a text are wanted: an encoding takes many times the text's memory.
const PIECE: usize = 64 << 10;
/// How far back a cut looks for white space.
const LONGEST_WORD: usize = 256;

/// A text as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub(crate) ids: Vec<u32>,
    pub(crate) type_ids: Vec<u32>,
    /// How many of the first tokens belong to a prompt that pooling excludes; fewer than there are.
    pub(crate) prompt: usize,
    /// Whether the text was truncated.
    pub(crate) truncated: bool,
}

/// A tokenizer with the model's settings.
pub(crate) struct TextTokenizer {
    tokenizer: Tokenizer,
    /// Tokens for the text itself, special tokens not counted.
    room: usize,
    /// `room` less the documents' prompt.
    document_room: usize,
    max_length: usize,
    query: Prompt,
    document: Prompt,
}

/// What goes before a text.
struct Prompt {
    prefix: String,
    /// Tokens that pooling leaves out with it.
    skipped: usize,
}

impl TextTokenizer {
    /// Loads the model's `tokenizer.json`.
    pub(crate) fn open(settings: &Settings) -> Result<Self> {
        let path = &settings.tokenizer;
        let loaded = catch(|| Tokenizer::from_file(path));
        let loaded = loaded.map_err(|error| Error::Unreadable {
            path: path.clone(),
            source: error.into(),
        })?;
        Self::new(loaded, settings)
    }

    /// Takes a loaded tokenizer, without its truncation and padding.
    fn new(mut tokenizer: Tokenizer, settings: &Settings) -> Result<Self> {
        if tokenizer
            .get_truncation()
            .is_some_and(|truncation| truncation.direction == TruncationDirection::Left)
        {
            let fix = "only \"direction\": \"Right\" is supported for its truncation";
            return Err(contradiction(
                &settings.tokenizer,
                "cuts long texts at their beginning",
                fix,
            ));
        }
        catch(|| tokenizer.with_padding(None).with_truncation(None).map(drop))?;
        if settings.lowercase {
            lowercase(&mut tokenizer);
        }
        let special = special_tokens(&tokenizer, settings)?;
        let prompt = |option, prefix: &str| Prompt::new(option, prefix, &tokenizer, settings);
        let query = prompt("query_prefix", &settings.query_prefix)?;
        let document = prompt("document_prefix", &settings.document_prefix)?;
        let room = settings.max_length - special;
        let document_room = room.saturating_sub(document.tokens(&tokenizer)?);
        Ok(Self {
            tokenizer,
            room,
            document_room,
            max_length: settings.max_length,
            query,
            document,
        })
    }

    /// Tokens for a document itself, special tokens and its prompt not counted.
    pub(crate) fn document_room(&self) -> usize {
        self.document_room
    }

    /// The byte offsets of all tokens of `text`, without prompt and special tokens.
    pub(crate) fn starts(&self, text: &str) -> Result<Vec<usize>> {
        let mut starts = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let piece = head(&text[at..], PIECE);
            let tokens = catch(|| self.tokenizer.encode(piece, false))?;
            starts.extend(tokens.get_offsets().iter().map(|(start, _)| at + start));
            at += piece.len();
        }
        Ok(starts)
    }

    /// The tokens of `text` after its prefix.
    ///
    /// Of a long text, ever more is read until there are twice as many tokens as the model takes: the rest cannot change
    /// those before.
    pub(crate) fn encode(&self, text: &str, purpose: Purpose) -> Result<Encoding> {
        let prompt = match purpose {
            Purpose::Query => &self.query,
            Purpose::Document => &self.document,
        };
        let (body, cut) = self.body(&prompt.prefix, text)?;
        self.finish(body, cut, prompt.skipped)
    }

    /// The tokens of `query` and `text` together, as a cross-encoder reads them: the longer one is cut first.
    pub(crate) fn pair(&self, query: &str, text: &str) -> Result<Encoding> {
        let ((mut query, query_cut), (mut text, text_cut)) =
            (self.body("", query)?, self.body("", text)?);
        let special = self.tokenizer.get_post_processor();
        let special = special.map_or(0, |special| special.added_tokens(true));
        let room = self.max_length.saturating_sub(special);
        let truncated = query_cut || text_cut || query.len() + text.len() > room;
        if truncated {
            let cut = TruncationParams {
                max_length: room,
                ..TruncationParams::default()
            };
            (query, text) = catch(|| {
                let (query, text) = truncate_encodings(query, Some(text), &cut)?;
                Ok((query, text.unwrap_or_default()))
            })?;
            query.take_overflowing();
            text.take_overflowing();
        }
        let whole = catch(|| self.tokenizer.post_process(query, Some(text), true))?;
        Ok(encoding(&whole, 0, truncated))
    }

    /// The tokens of `text` behind `prefix`, up to twice as many as the model takes, and whether the text goes on.
    fn body(&self, prefix: &str, text: &str) -> Result<(tokenizers::Encoding, bool)> {
        let mut bytes = self.max_length.saturating_mul(FIRST_BYTES_PER_TOKEN);
        let last = self.max_length.saturating_mul(LAST_BYTES_PER_TOKEN);
        loop {
            let piece = head(text, bytes);
            let body = self.tokens(&prefixed(prefix, piece))?;
            let whole = piece.len() == text.len();
            if whole || body.len() >= 2 * self.max_length || bytes >= last {
                return Ok((body, !whole));
            }
            bytes = bytes.saturating_mul(4).min(last);
        }
    }

    fn tokens(&self, text: &str) -> Result<tokenizers::Encoding> {
        catch(|| self.tokenizer.encode_fast(text, false))
    }

    /// Cuts to the model's length and adds the special tokens.
    fn finish(
        &self,
        mut body: tokenizers::Encoding,
        cut: bool,
        skipped: usize,
    ) -> Result<Encoding> {
        let truncated = cut || body.len() > self.room;
        body.truncate(self.room, 0, TruncationDirection::Right);
        body.take_overflowing();
        let whole = catch(|| self.tokenizer.post_process(body, None, true))?;
        Ok(encoding(&whole, skipped, truncated))
    }
}

fn encoding(whole: &tokenizers::Encoding, skipped: usize, truncated: bool) -> Encoding {
    Encoding {
        prompt: skipped.min(whole.len().saturating_sub(1)),
        ids: whole.get_ids().to_vec(),
        type_ids: whole.get_type_ids().to_vec(),
        truncated,
    }
}

impl Prompt {
    /// As sentence-transformers counts: the prompt's own tokens with the special ones before it.
    fn new(
        option: &'static str,
        prefix: &str,
        tokenizer: &Tokenizer,
        settings: &Settings,
    ) -> Result<Self> {
        let mut skipped = 0;
        if !settings.include_prompt && !prefix.is_empty() {
            let tokens = catch(|| tokenizer.encode_fast(prefix, true))?;
            let closed = tokens.get_special_tokens_mask().last() == Some(&1);
            skipped = tokens.len() - usize::from(closed);
            if skipped + 1 >= settings.max_length {
                let found = format!(
                    "makes {skipped} tokens of the prompt {prefix:?}, of {} tokens per text",
                    settings.max_length
                );
                let fix = format!("take a shorter `{option}`");
                return Err(unsettled(option, &settings.tokenizer, found, fix));
            }
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            skipped,
        })
    }

    /// How many tokens it takes, and one more that may arise where it meets the text.
    fn tokens(&self, tokenizer: &Tokenizer) -> Result<usize> {
        match self.prefix.as_str() {
            "" => Ok(0),
            prefix => Ok(catch(|| tokenizer.encode_fast(prefix, false))?.len() + 1),
        }
    }
}

/// As sentence-transformers does for `do_lower_case`: before whatever else the tokenizer does to the text, and not to the
/// special tokens that a text spells out.
fn lowercase(tokenizer: &mut Tokenizer) {
    let mut steps: Vec<NormalizerWrapper> = vec![Lowercase.into()];
    steps.extend(tokenizer.get_normalizer().cloned());
    tokenizer.with_normalizer(Some(Sequence::new(steps)));
}

/// How many special tokens every text gets.
fn special_tokens(tokenizer: &Tokenizer, settings: &Settings) -> Result<usize> {
    let special = catch(|| tokenizer.encode_fast("", true))?.len();
    if special == 0 {
        let fix =
            "put the model's own file there, whose post-processor adds such as [CLS] and [SEP]";
        return Err(contradiction(
            &settings.tokenizer,
            "adds no special tokens",
            fix,
        ));
    }
    if special >= settings.max_length {
        let found = format!(
            "adds {special} special tokens, of {} tokens per text",
            settings.max_length
        );
        let fix = "set `max_length` to more in vinedb.json";
        return Err(unsettled("max_length", &settings.tokenizer, found, fix));
    }
    Ok(special)
}

/// Prefix and text as one.
fn prefixed<'a>(prefix: &str, text: &'a str) -> Cow<'a, str> {
    if prefix.is_empty() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{prefix}{text}"))
    }
}

/// The beginning of `text`, at most `bytes` long: up to the last white space if one is nearby, so that no word is split, else
/// up to the last character boundary.
fn head(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = text.floor_char_boundary(bytes);
    let nearby = text.floor_char_boundary(end.saturating_sub(LONGEST_WORD));
    match text[nearby..end].rfind(char::is_whitespace) {
        Some(space) => &text[..nearby + space],
        None => &text[..end],
    }
}

/// Runs the tokenizer and turns its panics into errors: no text may take the caller down.
fn catch<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|source| Error::Tokenize { source }),
        Err(panic) => Err(Error::panicked("tokenizer", &*panic)),
    }
}

#[cfg(test)]
mod tests;
