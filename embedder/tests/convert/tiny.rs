//! Small models of every kind, made by `golden/tiny.py`: two layers, seeded weights.

use crate::{Reference, folder, open, reference, states};
use vinedb_embedder::convert::{Precision, from_safetensors, quantize};

const MODELS: [&str; 8] = [
    "bert",
    "bert_old_names",
    "electra",
    "roberta",
    "xlm_roberta_bf16",
    "distilbert",
    "mpnet",
    "modernbert",
];

/// Both texts in one batch, through a converted model.
fn converted(
    name: &str,
    precision: Precision,
    given: &Reference,
    texts: &[usize],
) -> Vec<Vec<Vec<f32>>> {
    let dir = tempfile::tempdir().expect("a folder");
    let target = dir.path().join("model.onnx");
    from_safetensors(&folder(name), &target, precision)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    states(&mut open(&target), given, texts)
}

/// Every state of one with that of the other.
fn pairs<'a>(
    a: &'a [Vec<Vec<f32>>],
    b: &'a [Vec<Vec<f32>>],
) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).flat_map(|(a, b)| {
        assert_eq!(a.len(), b.len());
        a.iter().map(Vec::as_slice).zip(b.iter().map(Vec::as_slice))
    })
}

fn farthest(a: &[Vec<Vec<f32>>], b: &[Vec<Vec<f32>>]) -> f32 {
    pairs(a, b)
        .flat_map(|(a, b)| a.iter().zip(b))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// The length of the difference, as a share of the length.
fn off(a: &[Vec<Vec<f32>>], b: &[Vec<Vec<f32>>]) -> f32 {
    let square =
        |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>();
    let difference: f32 = pairs(a, b)
        .map(|(a, b)| square(&mut a.iter().zip(b).map(|(a, b)| a - b)))
        .sum();
    let whole: f32 = pairs(a, b)
        .map(|(_, b)| square(&mut b.iter().copied()))
        .sum();
    (difference / whole).sqrt()
}

#[test]
fn states_are_those_of_transformers() {
    for name in MODELS {
        let given = reference(name);
        let actual = converted(name, Precision::Fp32, &given, &[0, 1]);
        let most = farthest(&actual, &given.last_hidden_state);
        println!("{name}: {most:.6}");
        assert!(most < 5e-5, "{name}: {most}");
    }
}

#[test]
fn in_8_bits_states_are_near_and_the_same_alone_and_in_a_batch() {
    for name in MODELS {
        let given = reference(name);
        let together = converted(name, Precision::Int8, &given, &[0, 1]);
        let share = off(&together, &given.last_hidden_state);
        println!("{name}: {share:.4}");
        assert!((1e-4..0.1).contains(&share), "{name}: {share}");
        for text in [0, 1] {
            let alone = converted(name, Precision::Int8, &given, &[text]);
            let most = farthest(&alone, &together[text..=text]);
            assert!(most < 1e-4, "{name}, text {text}: {most}");
        }
    }
}

#[test]
fn an_onnx_file_in_8_bits_is_the_one_from_the_weights() {
    let dir = tempfile::tempdir().unwrap();
    let [floats, after, direct] = ["floats", "after", "direct"].map(|name| dir.path().join(name));
    from_safetensors(&folder("bert"), &floats, Precision::Fp32).unwrap();
    let matrices = quantize(&floats, &after).unwrap();
    from_safetensors(&folder("bert"), &direct, Precision::Int8).unwrap();
    assert_eq!(matrices, 12);
    assert_eq!(
        std::fs::read(after).unwrap(),
        std::fs::read(direct).unwrap()
    );
}
