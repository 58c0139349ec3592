//! Cutting texts whose tokens are told here: words, characters, bytes.

use super::*;
use crate::HashEmbedder;
use crate::embed::{Pending, Purpose};
use crate::identity::Identity;
use proptest::prelude::*;

/// Where words begin: runs of what is not blank.
fn words(text: &str) -> Vec<usize> {
    let begins = |(at, c): &(usize, char)| {
        !c.is_whitespace() && !text[..*at].ends_with(|c: char| !c.is_whitespace())
    };
    let found = text.char_indices().filter(begins);
    found.map(|(at, _)| at).collect()
}

/// Every byte that is not blank is a token, as in tokenizers that know bytes alone.
fn bytes(text: &str) -> Vec<usize> {
    let all = text.char_indices().filter(|(_, c)| !c.is_whitespace());
    all.flat_map(|(at, c)| at..at + c.len_utf8()).collect()
}

fn chunk(tokens: usize, overlap: usize, at: Border) -> Chunk {
    Chunk {
        tokens,
        overlap,
        at,
    }
}

fn parts<'t>(text: &'t str, tokens: &[usize], chunk: &Chunk) -> Vec<&'t str> {
    let passages = cut(text, &counted(text, tokens), chunk);
    passages.into_iter().map(|range| &text[range]).collect()
}

fn by_words(text: &str, chunk: Chunk) -> Vec<&str> {
    parts(text, &words(text), &chunk)
}

#[test]
fn a_short_text_is_one_passage() {
    let plan = chunk(8, 4, Border::Sentence);
    assert_eq!(
        by_words(" One two. Three four.\n", plan),
        ["One two. Three four."]
    );
    assert_eq!(by_words("", plan), [""]);
    assert_eq!(by_words(" \r\n ", plan), [" \r\n "]);
}

#[test]
fn a_sentence_begins_with_the_blank_that_its_first_token_has() {
    let text = "A one two. B three four five. C six.";
    let with_blanks: Vec<usize> = words(text).iter().map(|at| at.saturating_sub(1)).collect();
    let found = parts(text, &with_blanks, &chunk(4, 0, Border::Sentence));
    assert_eq!(found, ["A one two.", "B three four five.", "C six."]);
}

#[test]
fn blanks_at_the_end_are_no_passage() {
    let text = "1 2 3 4 5 6 7 8".to_owned() + &" ".repeat(10_000);
    let found = by_words(&text, chunk(8, 4, Border::Token));
    assert_eq!(found, ["1 2 3 4 5 6 7 8"]);
}

#[test]
fn by_tokens_each_passage_begins_so_many_before_the_end_of_the_last() {
    let plan = chunk(8, 3, Border::Token);
    let text = "1 2 3 4 5 6 7. 8 9 10 11 12 13 14";
    let expected = ["1 2 3 4 5 6 7. 8", "6 7. 8 9 10 11 12 13", "11 12 13 14"];
    assert_eq!(by_words(text, plan), expected);
}

#[test]
fn whole_sentences_are_kept_together_and_repeated() {
    let text = "A one. B two three. C four. D five six seven. E eight.";
    let plan = chunk(8, 3, Border::Sentence);
    let expected = [
        "A one. B two three. C four.",
        "C four. D five six seven. E eight.",
    ];
    assert_eq!(by_words(text, plan), expected);
    let plan = chunk(8, 0, Border::Sentence);
    let expected = ["A one. B two three. C four.", "D five six seven. E eight."];
    assert_eq!(by_words(text, plan), expected);
}

#[test]
fn what_is_repeated_gives_way_to_a_whole_sentence() {
    let text = "A one two. B three four. C five six seven eight nine ten.";
    let plan = chunk(8, 4, Border::Sentence);
    let expected = [
        "A one two. B three four.",
        "C five six seven eight nine ten.",
    ];
    assert_eq!(by_words(text, plan), expected);
}

#[test]
fn a_sentence_that_does_not_fit_is_cut_between_words() {
    let text = "A one. B 2 3 4 5 6 7 8 9 10 11 12. C end.";
    let plan = chunk(8, 2, Border::Sentence);
    let expected = ["A one.", "B 2 3 4 5 6 7 8", "7 8 9 10 11 12. C end."];
    assert_eq!(by_words(text, plan), expected);
}

#[test]
fn paragraphs_are_kept_together_whatever_ends_their_lines() {
    for blank in ["\n\n", "\r\n\r\n", "\n \t\n"] {
        let paragraphs = [
            "A one. Two three.",
            "B four five. Six.",
            "C seven. Eight nine.",
        ];
        let text = paragraphs.join(blank);
        let first = paragraphs[..2].join(blank);
        let found = by_words(&text, chunk(10, 0, Border::Paragraph));
        assert_eq!(found, [first.as_str(), paragraphs[2]]);
        let found = by_words(&text, chunk(10, 0, Border::Sentence));
        assert_eq!(
            found,
            [format!("{first}{blank}C seven.").as_str(), "Eight nine."]
        );
    }
}

#[test]
fn a_wrapped_line_ends_no_sentence_and_a_list_has_items() {
    let wrapped = "A one two three\nfour five. B six seven\neight nine.";
    let plan = chunk(8, 0, Border::Sentence);
    let expected = ["A one two three\nfour five.", "B six seven\neight nine."];
    assert_eq!(by_words(wrapped, plan), expected);
    let list = "- One two three\n- Four five six\n- Seven eight nine";
    let expected = ["- One two three\n- Four five six", "- Seven eight nine"];
    assert_eq!(by_words(list, plan), expected);
}

#[test]
fn sentences_without_blanks_are_told_apart() {
    let text = "我喜欢红酒。你喜欢白酒吗？他不喝酒。";
    let plan = chunk(16, 0, Border::Sentence);
    let tokens: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    assert_eq!(
        parts(text, &tokens, &plan),
        ["我喜欢红酒。你喜欢白酒吗？", "他不喝酒。"]
    );
}

#[test]
fn sentences_are_the_same_in_a_long_text_and_by_themselves() {
    let one = "Mr. fox said: \"No!\" He paid 3.50 for it. Why? Nobody knows. ";
    let ours = sentences(one);
    assert_eq!(ours.len(), 3, "{ours:?}");
    let long = one.repeat(500);
    let at = |number: usize| ours.iter().map(move |border| number * one.len() + border);
    let begins = |number: usize| (number > 0).then_some(number * one.len());
    let all: Vec<usize> = (0..500)
        .flat_map(|number| begins(number).into_iter().chain(at(number)))
        .collect();
    assert_eq!(sentences(&long), all);
    // What takes the square of its length at once.
    let blanks = format!("End.{}Begin. ", " ".repeat(4 << 20));
    assert_eq!(
        by_words(&blanks, chunk(8, 0, Border::Sentence)),
        ["End.", "Begin."]
    );
}

#[test]
fn no_character_is_halved_even_where_it_has_several_tokens() {
    let text = "🍷🍷🍷🍷🍷";
    for at in [Border::Token, Border::Sentence] {
        let plan = chunk(10, 0, at);
        assert_eq!(parts(text, &bytes(text), &plan), ["🍷🍷", "🍷🍷", "🍷"]);
    }
    let plan = chunk(8, 4, Border::Token);
    assert_eq!(parts(text, &bytes(text), &plan), ["🍷🍷"; 4]);
}

#[test]
fn a_character_of_more_tokens_than_a_passage_stands_alone() {
    let (text, plan) = ("xy", chunk(8, 0, Border::Token));
    let tokens = [[0; 12], [1; 12]].concat();
    assert_eq!(parts(text, &tokens, &plan), ["x", "y"]);
}

#[test]
fn one_giant_word_and_pages_of_blanks_count_by_their_bytes() {
    let plan = chunk(8, 0, Border::Sentence);
    let giant = "x".repeat(10 * 8 * LONGEST_TOKEN + 1);
    let found = by_words(&giant, plan);
    assert_eq!(found.len(), 11);
    assert!(found.iter().all(|part| part.len() <= 8 * LONGEST_TOKEN));
    assert_eq!(found.concat(), giant);
    let blanks = format!("one{}two", " ".repeat(10 * 8 * LONGEST_TOKEN));
    assert_eq!(by_words(&blanks, plan), ["one", "two"]);
}

/// Says that a text beginning with a blank has a token more than the same text without, as tokenizers may.
struct Jumpy(HashEmbedder);

impl Embed for Jumpy {
    fn identity(&self) -> &Identity {
        self.0.identity()
    }

    fn room(&self) -> usize {
        self.0.room()
    }

    fn tokens(&self, text: &str) -> Result<Vec<usize>> {
        let mut tokens = words(text);
        if !text.starts_with("first") {
            tokens = tokens.iter().flat_map(|at| [*at, at + 1]).collect();
        }
        Ok(tokens)
    }

    fn submit(&self, texts: Vec<String>, purpose: Purpose) -> Result<Pending> {
        self.0.submit(texts, purpose)
    }
}

#[test]
fn a_passage_that_has_more_tokens_by_itself_is_cut_again() {
    let model = Jumpy(HashEmbedder::new(4));
    let text = format!("first {}", "ab ".repeat(30));
    let found = passages(&model, &text, &chunk(8, 2, Border::Token)).unwrap();
    let mut covered = 0;
    for range in found {
        let part = &text[range.clone()];
        assert!(model.tokens(part).unwrap().len() <= 8, "{part:?}");
        assert!(text[covered..range.start.max(covered)].trim().is_empty());
        covered = range.end;
    }
    assert!(text[covered..].trim().is_empty());
}

#[test]
fn the_form_in_json_has_defaults_and_refuses_what_it_does_not_know() {
    let plan: Chunk = serde_json::from_str(r#"{"tokens": 100}"#).unwrap();
    assert_eq!(plan, chunk(100, 0, Border::Sentence));
    let json = r#"{"tokens":64,"overlap":8,"at":"paragraph"}"#;
    let plan: Chunk = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&plan).unwrap(), json);
    for json in [
        r#"{"tokens": 9, "at": "page"}"#,
        r#"{"tokens": 9, "by": 1}"#,
        "{}",
    ] {
        assert!(serde_json::from_str::<Chunk>(json).is_err(), "{json}");
    }
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-z]{1,9}",
        2 => "[A-Z][a-z]{0,5}",
        3 => Just(". ".to_owned()),
        8 => Just(" ".to_owned()),
        1 => Just("\n\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just("。".to_owned()),
        2 => "[酒红白]{1,6}",
        1 => "[🍷é\u{301}👩\u{200d}]{1,3}",
        1 => "x{30,60}",
    ];
    proptest::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn passages_cover_the_text_in_order_within_their_tokens(
        text in text(),
        tokens in 8_usize..40,
        overlap in 0_usize..20,
        at in prop_oneof![Just(Border::Token), Just(Border::Sentence), Just(Border::Paragraph)],
        of_bytes in any::<bool>(),
    ) {
        let plan = chunk(tokens, overlap.min(tokens / 2), at);
        let starts = counted(&text, &if of_bytes { bytes(&text) } else { words(&text) });
        let found = cut(&text, &starts, &plan);
        let within = |range: &Range<usize>| starts.iter().filter(|start| range.contains(start)).count();
        let mut last = 0..0;
        for range in &found {
            prop_assert!(text.is_char_boundary(range.start) && text.is_char_boundary(range.end));
            prop_assert!(within(range) <= tokens);
            prop_assert!(range.end > last.end || text.trim().is_empty());
            prop_assert!(range.start > last.start || last == (0..0));
            prop_assert!(text[last.end.min(range.start)..range.start].trim().is_empty());
            prop_assert!(range.start >= last.end || within(&(range.start..last.end)) <= plan.overlap);
            prop_assert!(text.trim().is_empty() || text[range.clone()].trim() == &text[range.clone()]);
            last = range.clone();
        }
        prop_assert!(text[last.end..].trim().is_empty());
    }

    #[test]
    fn a_passage_ends_between_sentences_where_one_ends_in_reach(text in text(), tokens in 8_usize..40) {
        let letters = text.char_indices().filter(|(_, c)| !c.is_whitespace());
        let starts = counted(&text, &letters.map(|(at, _)| at).collect::<Vec<_>>());
        let token = |at: usize| starts.partition_point(|start| *start < at);
        // A token that has blanks before the border alone belongs to what is behind it.
        let behind = |at: usize| match token(at) {
            0 => 0,
            token if text[starts[token - 1]..at].trim().is_empty() => token - 1,
            token => token,
        };
        let borders: Vec<usize> = sentences(&text).into_iter().map(behind).collect();
        for range in cut(&text, &starts, &chunk(tokens, 0, Border::Sentence)) {
            let (first, end) = (starts.partition_point(|start| *start <= range.start) - 1, token(range.end));
            let in_reach = borders.iter().any(|border| (first + 1..=first + tokens).contains(border));
            if end < starts.len() && in_reach {
                prop_assert!(borders.contains(&end), "{:?}", &text[range]);
            }
        }
    }
}
