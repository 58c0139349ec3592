//! The graph of BERT, RoBERTa, DistilBERT and MPNet: attention and feed-forward, each added to its input and normalised.
//!
//! They differ in the names of their weights, in how positions are counted, and in MPNet's bias by distance. Written after
//! the models of `transformers` (`modeling_bert.py` and its relatives), whose numbers the tests compare with.

use super::builder::{Builder, IDS, TYPES};
use super::config::{Config, Family};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::onnx::{Attribute, Element, Model, Tensor};

/// Distances from which on MPNet tells no more apart.
const FARTHEST: f32 = 128.0;
const WORDS: &str = "embeddings.word_embeddings.weight";

/// The names of one layer's weights.
struct Names {
    layer: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    mixed: &'static str,
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    norm: &'static str,
}

const BERT: Names = Names {
    layer: "encoder.layer.",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    mixed: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    norm: "output.LayerNorm",
};
const MPNET: Names = Names {
    query: "attention.attn.q",
    key: "attention.attn.k",
    value: "attention.attn.v",
    mixed: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
    ..BERT
};
const DISTILBERT: Names = Names {
    layer: "transformer.layer.",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    mixed: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    norm: "output_layer_norm",
};

impl Names {
    fn of(family: Family) -> &'static Self {
        match family {
            Family::Bert | Family::Roberta | Family::ModernBert => &BERT,
            Family::Mpnet => &MPNET,
            Family::DistilBert => &DISTILBERT,
        }
    }
}

/// The weights of such a model in a folder.
pub(crate) fn open(dir: &std::path::Path) -> Result<Weights> {
    let prefixes = [
        "bert.",
        "roberta.",
        "distilbert.",
        "mpnet.",
        "electra.",
        "model.",
        "0.auto_model.",
        "auto_model.",
    ];
    Weights::open(dir, WORDS, &prefixes)
}

/// The whole graph.
pub(crate) fn build(config: &Config, weights: &Weights) -> Result<Model> {
    let mut builder = Builder::new(config, weights);
    let mut states = embeddings(&mut builder)?;
    let mut biases = Vec::new();
    if config.family == Family::Mpnet {
        biases.push(distance_bias(&mut builder)?);
    }
    biases.push(builder.mask());
    for layer in 0..config.layers {
        states = block(&mut builder, &states, layer, &biases)?;
    }
    Ok(builder.finish(&states))
}

/// Attention and feed-forward of one layer.
fn block(builder: &mut Builder<'_>, x: &str, layer: usize, biases: &[String]) -> Result<String> {
    let (hidden, inner) = (builder.config.hidden, builder.config.intermediate);
    let names = Names::of(builder.config.family);
    let name = |part: &str| format!("{}{layer}.{part}", names.layer);
    let mut project = |part: &str| {
        let projected = builder.linear(x, &name(part), hidden, hidden)?;
        Ok::<_, Error>(builder.heads(&projected))
    };
    let (q, k, v) = (
        project(names.query)?,
        project(names.key)?,
        project(names.value)?,
    );
    let biases: Vec<&str> = biases.iter().map(String::as_str).collect();
    let mixed = builder.attend([&q, &k, &v], &biases);
    let mixed = builder.linear(&mixed, &name(names.mixed), hidden, hidden)?;
    let sum = builder.op("Add", &[&mixed, x]);
    let attended = builder.norm(&sum, &name(names.attention_norm), hidden)?;
    let wide = builder.linear(&attended, &name(names.up), hidden, inner)?;
    let wide = builder.activation(&wide);
    let narrow = builder.linear(&wide, &name(names.down), inner, hidden)?;
    let sum = builder.op("Add", &[&narrow, &attended]);
    builder.norm(&sum, &name(names.norm), hidden)
}

/// Words, types and positions, added up and normalised.
fn embeddings(builder: &mut Builder<'_>) -> Result<String> {
    let config = builder.config;
    let words = table(builder, WORDS)?;
    let mut sum = builder.op("Gather", &[&words, IDS]);
    if config.types > 0 {
        let types = table(builder, "embeddings.token_type_embeddings.weight")?;
        let rows = if config.has_type_input() {
            builder.op("Gather", &[&types, TYPES])
        } else {
            let first = builder.integer(0);
            builder.op("Gather", &[&types, &first])
        };
        sum = builder.op("Add", &[&sum, &rows]);
    }
    let places = table(builder, "embeddings.position_embeddings.weight")?;
    let rows = match config.family {
        Family::Roberta | Family::Mpnet => {
            let numbers = numbers_behind_padding(builder);
            builder.op("Gather", &[&places, &numbers])
        }
        Family::Bert | Family::DistilBert | Family::ModernBert => {
            let (start, end) = (builder.integers(&[0]), builder.length());
            let axis = builder.integers(&[0]);
            builder.op("Slice", &[&places, &start, &end, &axis])
        }
    };
    sum = builder.op("Add", &[&sum, &rows]);
    let states = builder.norm(&sum, "embeddings.LayerNorm", config.embedding)?;
    if config.embedding == config.hidden {
        return Ok(states);
    }
    builder.linear(
        &states,
        "embeddings_project",
        config.embedding,
        config.hidden,
    )
}

/// A table of embeddings, with as many rows as it has.
fn table(builder: &mut Builder<'_>, name: &str) -> Result<String> {
    let width = builder.config.embedding;
    let (rows, values) = builder.weights.table(name, width)?;
    Ok(builder.store(&Tensor::f32s(name, &[rows, width], &values)))
}

/// Positions from the padding's number plus one on; padding has its own number.
fn numbers_behind_padding(builder: &mut Builder<'_>) -> String {
    let (pad, axis) = (builder.integer(builder.config.pad), builder.integer(1));
    let is_pad = builder.op("Equal", &[IDS, &pad]);
    let is_word = builder.op("Not", &[&is_pad]);
    let ones = builder.op_with(
        "Cast",
        &[&is_word],
        vec![Attribute::integer("to", Element::I64 as i64)],
    );
    let counted = builder.op("CumSum", &[&ones, &axis]);
    let words = builder.op("Mul", &[&counted, &ones]);
    builder.op("Add", &[&words, &pad])
}

/// What MPNet adds to the scores: a number per head and bucket of distances, as [1, heads, S, S]. The buckets of all
/// distances are settled here, so that the graph only looks them up.
fn distance_bias(builder: &mut Builder<'_>) -> Result<String> {
    let (heads, buckets) = (builder.config.heads, builder.config.buckets);
    let (positions, _) = builder.weights.table(
        "embeddings.position_embeddings.weight",
        builder.config.embedding,
    )?;
    let name = "encoder.relative_attention_bias.weight";
    let values = builder.weights.matrix(name, buckets, heads)?;
    let farthest = i64::try_from(positions).unwrap_or(i64::MAX);
    let rows = (1 - farthest..farthest).flat_map(|distance| {
        let at = bucket(distance, buckets) * heads;
        values[at..at + heads].iter().copied()
    });
    let rows: Vec<f32> = rows.collect();
    let table = builder.store(&Tensor::f32s(name, &[rows.len() / heads, heads], &rows));
    let (distances, first) = (builder.distances(), builder.integer(farthest - 1));
    let numbers = builder.op("Add", &[&distances, &first]);
    let found = builder.op("Gather", &[&table, &numbers]);
    let by_head = builder.op_with(
        "Transpose",
        &[&found],
        vec![Attribute::integers("perm", &[2, 0, 1])],
    );
    let axes = builder.integers(&[0]);
    Ok(builder.op("Unsqueeze", &[&by_head, &axes]))
}

/// The bucket of a distance (attended less attending): half of them for tokens behind, half for those before; of each
/// half, the first half one per distance, the others ever wider. After `MPNetEncoder.relative_position_bucket`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number above 0, cut to its whole part as there"
)]
fn bucket(distance: i64, buckets: usize) -> usize {
    let half = buckets / 2;
    let side = if distance > 0 { half } else { 0 };
    let far = usize::try_from(distance.unsigned_abs()).unwrap_or(usize::MAX);
    let exact = half / 2;
    if far < exact {
        return side + far;
    }
    let share = (far as f32 / exact as f32).ln() / (FARTHEST / exact as f32).ln();
    let wide = exact + (share * (half - exact) as f32) as usize;
    side + wide.min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those of `MPNetEncoder.relative_position_bucket`, printed by `golden/tiny.py`.
    #[test]
    fn distances_fall_into_the_buckets_of_transformers() {
        let given = include_str!("../../golden/tiny/mpnet_buckets.json");
        let expected: Vec<usize> = serde_json::from_str(given).unwrap();
        let actual: Vec<usize> = (-600..=600).map(|distance| bucket(distance, 32)).collect();
        assert_eq!(actual, expected);
    }
}
