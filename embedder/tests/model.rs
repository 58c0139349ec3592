//! What users rely on, with the real model: the same vector everywhere, any text at all, errors that say what to do.

use crate::cosine;
use crate::home::{self, open};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;
use vinedb_embedder::{Embed, Embeddings, Error, OnnxEmbedder, Options, Purpose};

/// One embedder for the tests that only use it.
static SHARED: LazyLock<OnnxEmbedder> = LazyLock::new(|| open(&Options::default()));

const REVIEWS: [&str; 5] = [
    "Crisp, lean and a little green, with a squeeze of lime at the end.",
    "Big, dark and oaky. Blackberry jam on burnt toast, and tannins like a wool blanket: warm, heavy, hard to get out from under.",
    "",
    "Ripe pear",
    "Tastes of the sea: oyster shell, salt and lemon, then a surprisingly creamy finish that stays for a minute and more, so \
     that one forgets the price until the bill comes. We had it with turbot, and then, to be sure, once more without.",
];

fn one(text: &str, purpose: Purpose) -> Embeddings {
    SHARED
        .embed(&[text], purpose)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_vector_is_the_same_alone_and_in_any_batch() {
    let alone: Vec<Embeddings> = REVIEWS
        .iter()
        .map(|text| one(text, Purpose::Query))
        .collect();
    for (budget, threads) in [(1, 1), (64, 2), (1024, 1), (16384, 2)] {
        let embedder = open(&Options {
            token_budget: budget,
            sessions: 2,
            threads,
            ..Options::default()
        });
        let texts: Vec<String> = (0..60)
            .map(|number| REVIEWS[number * 7 % REVIEWS.len()].to_owned())
            .collect();
        let rows = embedder
            .submit(texts, Purpose::Document)
            .unwrap()
            .wait()
            .unwrap();
        for (number, row) in rows.rows().enumerate() {
            let same = cosine(row, alone[number * 7 % REVIEWS.len()].row(0));
            assert!(same >= 0.99999, "budget {budget}, text {number}: {same}");
        }
    }
}

#[test]
fn a_quick_start_changes_vectors_by_rounding_only() {
    let quick = open(&Options {
        quick_start: true,
        ..Options::default()
    });
    assert_eq!(quick.identity(), SHARED.identity());
    let rows = quick.embed(&REVIEWS, Purpose::Query).unwrap();
    for (text, row) in REVIEWS.iter().zip(rows.rows()) {
        let same = cosine(row, one(text, Purpose::Query).row(0));
        assert!(same >= 0.9995, "{text}: {same}");
    }
}

#[test]
fn callers_side_by_side_get_their_own_vectors() {
    let expected: Vec<Embeddings> = REVIEWS
        .iter()
        .map(|text| one(text, Purpose::Query))
        .collect();
    std::thread::scope(|scope| {
        for caller in 0..6_usize {
            let expected = &expected;
            scope.spawn(move || {
                let purpose = if caller.is_multiple_of(2) {
                    Purpose::Query
                } else {
                    Purpose::Document
                };
                for round in 0..4 {
                    let number = (caller + round) % REVIEWS.len();
                    assert!(
                        cosine(
                            one(REVIEWS[number], purpose).row(0),
                            expected[number].row(0)
                        ) >= 0.99999
                    );
                }
            });
        }
    });
}

#[test]
fn near_meanings_are_near() {
    let rows = SHARED
        .embed(
            &[
                "a fruity red",
                "cherries and plums in the glass",
                "annual tax return",
            ],
            Purpose::Query,
        )
        .unwrap();
    assert!(cosine(rows.row(0), rows.row(1)) > cosine(rows.row(0), rows.row(2)) + 0.1);
}

#[test]
fn a_hundred_megabytes_are_as_good_as_their_beginning() {
    let sentence = "Smoke and cherries, then cherries and smoke. ";
    let rows = SHARED
        .submit(
            vec![
                sentence.repeat(100_000_000 / sentence.len()),
                sentence.repeat(200),
            ],
            Purpose::Document,
        )
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(rows.truncated(), [true, true]);
    assert!(cosine(rows.row(0), rows.row(1)) >= 0.99999);
}

#[test]
fn a_huge_word_and_huge_blanks_are_embedded() {
    let texts = vec![
        "x".repeat(20_000_000),
        " ".repeat(20_000_000),
        "\0".repeat(1_000_000),
        "字".repeat(5_000_000),
    ];
    let rows = SHARED
        .submit(texts, Purpose::Document)
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(rows.truncated(), [true; 4]);
    assert!(rows.data().iter().all(|value| value.is_finite()));
}

#[test]
fn no_texts_give_no_rows() {
    let rows = SHARED.embed(&[], Purpose::Document).unwrap();
    assert_eq!((rows.len(), rows.dimension()), (0, 384));
}

#[test]
fn more_texts_than_the_queue_holds_go_through() {
    let embedder = open(&Options {
        queue_texts: 3,
        sessions: 1,
        ..Options::default()
    });
    let rows = embedder
        .submit(vec!["wine".to_owned(); 300], Purpose::Document)
        .unwrap()
        .wait()
        .unwrap();
    let same = one("wine", Purpose::Document);
    assert!(rows.rows().all(|row| cosine(row, same.row(0)) >= 0.99999));
}

#[test]
fn dropping_the_embedder_closes_what_waits() {
    let embedder = open(&Options {
        sessions: 1,
        ..Options::default()
    });
    let pending = embedder
        .submit(vec![REVIEWS[4].to_owned(); 3000], Purpose::Document)
        .unwrap();
    drop(embedder);
    assert!(matches!(pending.wait(), Err(Error::Closed)));
}

#[test]
fn what_is_missing_is_named_with_the_way_to_get_it() {
    let nowhere = Path::new("/nowhere/at/all");
    let runtime =
        OnnxEmbedder::open("m", &home::model(), nowhere, &Options::default()).unwrap_err();
    assert!(matches!(runtime, Error::MissingRuntime { .. }));
    let model =
        OnnxEmbedder::open("m", nowhere, &home::runtime(), &Options::default()).unwrap_err();
    assert!(matches!(
        model,
        Error::MissingModelFile {
            file: "model.onnx",
            ..
        }
    ));
    for error in [runtime, model] {
        let message = error.to_string();
        assert!(
            message.contains("/nowhere/at/all") && message.contains("make setup"),
            "{message}"
        );
    }
}

#[test]
fn a_second_runtime_is_refused_while_the_first_is_used() {
    LazyLock::force(&SHARED);
    let other = tempfile::NamedTempFile::new().unwrap();
    let error =
        OnnxEmbedder::open("m", &home::model(), other.path(), &Options::default()).unwrap_err();
    assert!(matches!(error, Error::RuntimeConflict { .. }), "{error}");
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let open = |options| {
        OnnxEmbedder::open("m", &home::model(), &home::runtime(), &options)
            .unwrap_err()
            .to_string()
    };
    assert!(
        open(Options {
            token_budget: 0,
            ..Options::default()
        })
        .contains("token_budget is 0")
    );
    assert!(
        open(Options {
            queue_texts: 0,
            ..Options::default()
        })
        .contains("queue_texts is 0")
    );
    let zero = |options: Options| open(options).contains(" is 0, and must be");
    assert!(zero(Options {
        threads: 0,
        ..Options::default()
    }));
    assert!(zero(Options {
        batch_texts: 0,
        ..Options::default()
    }));
    assert!(zero(Options {
        batch_ms: 0,
        ..Options::default()
    }));
    assert!(
        open(Options {
            sessions: 2000,
            ..Options::default()
        })
        .contains("sessions is 2000")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Scalar values of any kind, in any number, some of them many times over.
    #[test]
    fn any_text_is_embedded(parts in prop::collection::vec((any::<String>(), 1_usize..200), 0..20), bulk: bool) {
        let text: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
        let rows = one(&text, if bulk { Purpose::Document } else { Purpose::Query });
        prop_assert!((cosine(rows.row(0), rows.row(0)) - 1.0).abs() < 1e-6);
        let length = rows.row(0).iter().map(|value| value * value).sum::<f32>();
        prop_assert!((length - 1.0).abs() < 1e-4);
    }

    /// The cut of long texts changes nothing that the model sees.
    #[test]
    fn a_long_text_equals_its_beginning(words in prop::collection::vec("[a-z]{1,9}|[A-Za-z0-9,.;:'-]{1,14}|[а-я]{2,9}|[一-龥]{1,4}", 700)) {
        let text = words.join(" ");
        let longer = format!("{text} {}", "and so on ".repeat(20_000));
        let (short, long) = (one(&text, Purpose::Document), one(&longer, Purpose::Document));
        prop_assert_eq!(short.truncated(), [true]);
        prop_assert!(cosine(short.row(0), long.row(0)) >= 0.99999);
    }
}
