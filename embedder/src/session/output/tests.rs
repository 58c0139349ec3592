//! Which output is taken, without a model.

use super::*;

fn offer(name: &str, shape: &[i64]) -> Offer {
    Offer {
        name: name.to_owned(),
        float: true,
        shape: shape.to_vec(),
    }
}

const WIDTHS: Widths = Widths {
    states: 8,
    pooled: 8,
    finished: 4,
};

fn chosen(offers: &[Offer]) -> Option<Output> {
    choose(offers, WIDTHS, false)
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
    assert_eq!(
        choose(&offers, WIDTHS, true),
        Some(Output::Finished("sentence_embedding".into()))
    );
    assert_eq!(choose(&offers[..1], WIDTHS, true), None);
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
    let named = |name| named(&offers, WIDTHS, name);
    assert_eq!(named("b"), Some(Output::States("b".into())));
    assert_eq!(named("c"), Some(Output::Finished("c".into())));
    assert_eq!(named("d"), Some(Output::Pooled("d".into())));
    assert_eq!((named("e"), named("f")), (None, None));
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

#[test]
fn shapes_are_compared_exactly() {
    assert!(check_shape(&[2, 3, 8], 48, vec![2, 3, 8]).is_ok());
    assert!(check_shape(&[2, 8], 16, vec![2, 3, 8]).is_err());
    assert!(check_shape(&[2, 3, -8], 48, vec![2, 3, 8]).is_err());
}
