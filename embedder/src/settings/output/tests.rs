//! Which output is taken, without a model.

use super::*;

fn offer(name: &str, shape: &[i64]) -> Offer {
    Offer {
        name: name.to_owned(),
        float: true,
        shape: shape.to_vec(),
    }
}

const WANTED: Wanted<'_> = Wanted {
    output: None,
    by_the_model: false,
    widths: Widths {
        states: Some(8),
        pooled: Some(8),
        finished: Some(4),
    },
};

fn of(wanted: &Wanted<'_>, offers: &[Offer]) -> Option<Output> {
    wanted.among(offers, Path::new("model.onnx")).ok()
}

fn chosen(offers: &[Offer]) -> Option<Output> {
    of(&WANTED, offers)
}

#[test]
fn token_states_are_preferred_over_the_pooler() {
    let offers = [
        offer("pooler_output", &[-1, 8]),
        offer("last_hidden_state", &[-1, -1, 8]),
    ];
    assert_eq!(
        chosen(&offers),
        Some(Output::States("last_hidden_state".into()))
    );
}

#[test]
fn a_known_name_wins_among_many_states() {
    let offers = [
        offer("hidden.0", &[-1, -1, 8]),
        offer("token_embeddings", &[-1, -1, 8]),
    ];
    assert_eq!(
        chosen(&offers),
        Some(Output::States("token_embeddings".into()))
    );
    assert_eq!(
        chosen(&[offer("a", &[-1, -1, 8]), offer("b", &[-1, -1, 8])]),
        None
    );
}

#[test]
fn any_name_does_when_there_is_one_candidate() {
    assert_eq!(
        chosen(&[offer("461", &[-1, -1, -1])]),
        Some(Output::States("461".into()))
    );
    assert_eq!(
        chosen(&[offer("461", &[-1, 8])]),
        Some(Output::Pooled("461".into()))
    );
}

#[test]
fn the_models_own_pooling_is_taken_when_there_are_no_states() {
    let offers = [
        offer("other", &[-1, 8]),
        offer("sentence_embedding", &[-1, 8]),
    ];
    assert_eq!(
        chosen(&offers),
        Some(Output::Pooled("sentence_embedding".into()))
    );
    assert_eq!(chosen(&[offer("pooler_output", &[-1, 8])]), None);
}

#[test]
fn the_width_tells_whether_later_modules_are_in_the_model() {
    let finished = Some(Output::Finished("sentence_embedding".into()));
    assert_eq!(chosen(&[offer("sentence_embedding", &[-1, 4])]), finished);
    assert_eq!(chosen(&[offer("sentence_embedding", &[-1, -1])]), finished);
}

#[test]
fn a_model_that_is_said_to_pool_is_taken_at_its_word() {
    let offers = [
        offer("token_embeddings", &[-1, -1, 8]),
        offer("sentence_embedding", &[-1, 4]),
    ];
    let wanted = Wanted {
        by_the_model: true,
        ..WANTED
    };
    assert_eq!(
        of(&wanted, &offers),
        Some(Output::Finished("sentence_embedding".into()))
    );
    assert_eq!(of(&wanted, &offers[..1]), None);
}

#[test]
fn the_named_output_is_taken_if_it_has_a_shape_that_fits() {
    let offers = [
        offer("a", &[-1, -1, 8]),
        offer("b", &[-1, -1, 8]),
        offer("c", &[-1, 4]),
        offer("d", &[-1, 8]),
        offer("e", &[-1, 5]),
    ];
    let named = |name| {
        let output = Some(name);
        of(&Wanted { output, ..WANTED }, &offers)
    };
    assert_eq!(named("b"), Some(Output::States("b".into())));
    assert_eq!(named("c"), Some(Output::Finished("c".into())));
    assert_eq!(named("d"), Some(Output::Pooled("d".into())));
    assert_eq!((named("e"), named("f")), (None, None));
    assert_eq!(named("1"), named("b"), "by its position");
    assert_eq!((named("4"), named("5")), (None, None));
}

#[test]
fn a_name_that_is_a_number_is_no_position() {
    let offers = [offer("1", &[-1, -1, 8]), offer("0", &[-1, -1, 8])];
    let wanted = Wanted {
        output: Some("1"),
        ..WANTED
    };
    assert_eq!(of(&wanted, &offers), Some(Output::States("1".into())));
}

#[test]
fn without_a_known_width_any_does() {
    let wanted = Wanted {
        widths: Widths::default(),
        ..WANTED
    };
    let states = offer("last_hidden_state", &[-1, -1, 7]);
    assert_eq!(
        of(&wanted, &[offer("a", &[-1, 5]), states]),
        Some(Output::States("last_hidden_state".into()))
    );
    assert_eq!(
        of(&wanted, &[offer("a", &[-1, 5])]),
        Some(Output::Finished("a".into()))
    );
}

#[test]
fn refusals_name_the_option_that_settles_them() {
    let two = [offer("a", &[-1, -1, 8]), offer("b", &[-1, -1, 8])];
    let by_the_model = Wanted {
        by_the_model: true,
        ..WANTED
    };
    let named_states = Wanted {
        output: Some("b"),
        by_the_model: true,
        ..WANTED
    };
    let score = Wanted {
        widths: Widths {
            states: Some(1),
            pooled: Some(1),
            finished: Some(1),
        },
        ..WANTED
    };
    for (wanted, offers, option) in [
        (WANTED, &two[..], "output"),
        (by_the_model, &two[..1], "pooling"),
        (named_states, &two[..], "pooling"),
        (score, &two[..], "output"),
    ] {
        let error = wanted.among(offers, Path::new("model.onnx")).unwrap_err();
        assert_eq!(error.model_option(), Some(option));
        assert!(
            error.to_string().contains(&format!("`{option}`")),
            "{error}"
        );
    }
}

#[test]
fn other_widths_and_types_are_no_candidates() {
    assert_eq!(chosen(&[offer("last_hidden_state", &[-1, -1, 9])]), None);
    assert_eq!(
        chosen(&[Offer {
            float: false,
            ..offer("last_hidden_state", &[-1, -1, 8])
        }]),
        None
    );
}

#[test]
fn an_output_of_unknown_shape_is_taken_by_name_only() {
    assert_eq!(
        chosen(&[offer("sentence_embedding", &[])]),
        Some(Output::Finished("sentence_embedding".into()))
    );
    assert_eq!(chosen(&[offer("x", &[])]), None);
}
