//! Cuts long texts into passages: which bytes of a text are embedded together.
//!
//! Cuts depend on the offsets of tokens alone, not on a model. Invariants: passages are in the order of the text and each ends
//! behind the one before; they begin and end on character boundaries; every character that is not white space is in one;
//! none has more tokens than the limit, unless a single character has. It embeds nothing.

use crate::embed::Embed;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// The fewest tokens that a passage may be limited to.
pub const MIN_PASSAGE_TOKENS: usize = 8;
/// Bytes that count as one token even where there are fewer tokens, as in pages of white space or a word that is unknown as a
/// whole: the model reads no further than that.
const LONGEST_TOKEN: usize = 512;
/// The window, in bytes, in which sentences are searched; few are longer.
const WINDOW: usize = 1024;

/// How long texts are cut into passages with a vector each. In JSON: `{"tokens", "overlap"?, "at"?}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// The most tokens of a passage, special tokens and prompt not counted: from 8 to what the model reads.
    pub tokens: usize,
    /// How many tokens two neighbouring passages share, at most half of `tokens`. At sentence and paragraph borders, as many
    /// whole sentences as fit. Default: 0.
    #[serde(default)]
    pub overlap: usize,
    /// Where texts are preferably cut. Default: between sentences.
    #[serde(default)]
    pub at: Border,
}

/// Where a text is preferably cut. A passage without such a border is cut at the next lesser one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Border {
    /// Between tokens, and between words where one ends nearby.
    Token,
    /// Between sentences, as Unicode defines them (UAX #29); a line break before lower case does not end one.
    #[default]
    Sentence,
    /// Between paragraphs, at blank lines.
    Paragraph,
}

/// Where `text` is to be cut into passages, as ranges of its bytes without blanks at their ends: at least one.
///
/// A passage may tokenize differently by itself than within its text, so each is counted alone and cut again if it is too long.
///
/// # Errors
/// [`Error::Tokenize`](crate::Error::Tokenize).
pub fn passages(model: &dyn Embed, text: &str, chunk: &Chunk) -> Result<Vec<Range<usize>>> {
    let again = Chunk {
        overlap: 0,
        ..*chunk
    };
    let mut open = cut(text, &counted(text, &model.tokens(text)?), chunk);
    open.reverse();
    let mut passages = Vec::with_capacity(open.len());
    while let Some(passage) = open.pop() {
        let words = &text[passage.clone()];
        let tokens = counted(words, &model.tokens(words)?);
        let parts = if tokens.len() > chunk.tokens {
            cut(words, &tokens, &again)
        } else {
            Vec::new()
        };
        if parts.len() < 2 {
            passages.push(passage);
            continue;
        }
        let place = |part: Range<usize>| passage.start + part.start..passage.start + part.end;
        open.extend(parts.into_iter().rev().map(place));
    }
    Ok(passages)
}

/// The offsets of whatever counts as a token: ascending, on character boundaries. Several tokens of one character share its
/// offset.
fn counted(text: &str, tokens: &[usize]) -> Vec<usize> {
    let mut starts = Vec::with_capacity(tokens.len() + 1);
    let mut last = 0;
    for &token in tokens.iter().chain([&text.len()]) {
        let token = text.floor_char_boundary(token).max(last);
        while token - last > LONGEST_TOKEN {
            last = text.floor_char_boundary(last + LONGEST_TOKEN);
            starts.push(last);
        }
        starts.push(token);
        last = token;
    }
    starts.pop();
    // Whatever stands before the first token belongs to it.
    match starts.first_mut() {
        Some(first) => *first = 0,
        None => starts.push(0),
    }
    starts
}

fn cut(text: &str, starts: &[usize], chunk: &Chunk) -> Vec<Range<usize>> {
    let cutter = Cutter {
        levels: levels(text, starts, chunk.at),
        chunk,
    };
    let place = |token: usize| starts.get(token).copied().unwrap_or(text.len());
    let mut passages = Vec::new();
    let (mut from, mut end) = (0, 0);
    while end < starts.len() {
        end = cutter.end(from, end);
        let passage = trimmed(text, place(from)..place(end));
        // A last passage of white space alone adds nothing.
        let last = passages.last().map_or(0, |last: &Range<usize>| last.end);
        if passage.end > last && !passage.is_empty() {
            passages.push(passage);
        }
        if end < starts.len() {
            from = cutter.next(from, end);
        }
    }
    if passages.is_empty() {
        passages.push(0..text.len());
    }
    passages
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let words = &text[range.clone()];
    let start = range.end - words.trim_start().len();
    start..start + words.trim().len()
}

/// What lies between a token and the one before it, the better to cut at the larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// Nothing: both are of one character.
    Inside,
    Token,
    Word,
    Sentence,
    Paragraph,
}

/// The level before each token.
fn levels(text: &str, starts: &[usize], at: Border) -> Vec<Level> {
    let mut levels = vec![Level::Word];
    levels.extend(starts.windows(2).map(|pair| {
        if pair[0] == pair[1] {
            Level::Inside
        } else if is_between_words(text, pair[1]) {
            Level::Word
        } else {
            Level::Token
        }
    }));
    let mut raise = |border: usize, level: Level| {
        let behind = starts.partition_point(|start| *start < border);
        // Some tokenizers count the space before a word to its token, which then begins before the sentence does.
        let is_first = |token: &usize| text[starts[*token]..border].trim().is_empty();
        let token = behind.checked_sub(1).filter(is_first).unwrap_or(behind);
        if let Some(before) = levels.get_mut(token) {
            *before = level.max(*before);
        }
    };
    if at != Border::Token {
        sentences(text)
            .into_iter()
            .for_each(|border| raise(border, Level::Sentence));
    }
    if at == Border::Paragraph {
        paragraphs(text).for_each(|border| raise(border, Level::Paragraph));
    }
    levels
}

fn is_between_words(text: &str, at: usize) -> bool {
    let (before, behind) = text.split_at(at);
    before.ends_with(char::is_whitespace) || behind.starts_with(char::is_whitespace)
}

/// Where sentences begin, behind the first. Unicode ends one at every line; lines of wrapped text that go on in lower case do not.
///
/// The search goes window by window, since its time is quadratic in the distance between them. A sentence that reaches the end
/// of a window is searched again from its beginning.
fn sentences(text: &str) -> Vec<usize> {
    let (mut borders, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let window = &text[at..text.floor_char_boundary(at + WINDOW)];
        let before = borders.len();
        let sentences = window.split_sentence_bound_indices().skip(1);
        let whole = sentences.filter(|(begin, sentence)| {
            let wrapped = window[..*begin].ends_with(['\n', '\r'])
                && sentence.trim_start().starts_with(char::is_lowercase);
            !wrapped
        });
        borders.extend(whole.map(|(begin, _)| at + begin));
        let end = at + window.len();
        at = match borders[before..].last() {
            Some(last) if end < text.len() => *last,
            _ => end,
        };
    }
    borders
}

/// Where paragraphs begin: behind blank lines.
fn paragraphs(text: &str) -> impl Iterator<Item = usize> {
    let (mut at, mut blank) = (0, false);
    text.split_inclusive('\n').filter_map(move |line| {
        let (begin, behind_blank) = (at, blank);
        at += line.len();
        blank = line.trim().is_empty();
        (behind_blank && !blank).then_some(begin)
    })
}

/// Decides where passages begin and end, in tokens.
struct Cutter<'a> {
    levels: Vec<Level>,
    chunk: &'a Chunk,
}

impl Cutter<'_> {
    /// Where the passage from token `from` ends: behind `done`, where the one before ended.
    fn end(&self, from: usize, done: usize) -> usize {
        let limit = from + self.chunk.tokens;
        if limit >= self.levels.len() {
            return self.levels.len();
        }
        let last = |level: Level, behind: usize| {
            let mut tokens = (behind + 1..=limit).rev();
            tokens.find(|token| self.levels[*token] >= level)
        };
        // Looking for a word's end may cost a quarter of a passage, not more: some scripts have no spaces between words.
        let nearby = done.max(limit - self.chunk.tokens / 4);
        last(Level::Paragraph, done)
            .or_else(|| last(Level::Sentence, done))
            .or_else(|| last(Level::Word, nearby))
            .or_else(|| last(Level::Token, done))
            .unwrap_or_else(|| self.first(limit..self.levels.len(), Level::Token))
    }

    /// Where the passage behind one of the tokens `from..end` begins: with whole sentences where that one ended between
    /// sentences, as long as they don't keep the next from ending so too.
    fn next(&self, from: usize, end: usize) -> usize {
        let earliest = end.saturating_sub(self.chunk.overlap).max(from + 1);
        if self.levels[end] < Level::Sentence {
            let word = self.first(earliest..end, Level::Word);
            return if word < end {
                word
            } else {
                self.first(earliest..end, Level::Token)
            };
        }
        let ends_well = |start: &usize| {
            let end = self.end(*start, end);
            self.levels
                .get(end)
                .is_none_or(|level| *level >= Level::Sentence)
        };
        let mut sentences = (earliest..=end).filter(|token| self.levels[*token] >= Level::Sentence);
        let most = self.first(earliest..end, Level::Sentence);
        sentences.find(ends_well).unwrap_or(most)
    }

    /// The first of these tokens that has such a level before it, else the one behind them.
    fn first(&self, mut tokens: Range<usize>, level: Level) -> usize {
        let end = tokens.end;
        tokens
            .find(|token| self.levels[*token] >= level)
            .unwrap_or(end)
    }
}

#[cfg(test)]
mod tests;
