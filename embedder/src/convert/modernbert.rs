//! The graph of ModernBERT: normalised before attention and feed-forward, positions by rotation, a gate in the feed-forward,
//! and a window of tokens in most layers.
//!
//! Written after `modeling_modernbert.py` of `transformers`, whose numbers the tests compare with.

use super::builder::{Builder, IDS};
use super::config::Config;
use super::weights::Weights;
use crate::error::Result;
use crate::onnx::{Attribute, Element, Model, Tensor};

const WORDS: &str = "embeddings.tok_embeddings.weight";

/// The weights of such a model in a folder.
pub(crate) fn open(dir: &std::path::Path) -> Result<Weights> {
    Weights::open(dir, WORDS, &["model.", "0.auto_model.", "auto_model."])
}

/// What the layers of one kind share: the rotation's cosines and sines, and what is added to the scores.
struct Kind {
    cosines: String,
    sines: String,
    bias: String,
}

/// The whole graph.
pub(crate) fn build(config: &Config, weights: &Weights) -> Result<Model> {
    let mut builder = Builder::new(config, weights);
    let (rows, values) = weights.table(WORDS, config.hidden)?;
    let words = builder.store(&Tensor::f32s(WORDS, &[rows, config.hidden], &values));
    let found = builder.op("Gather", &[&words, IDS]);
    let mut states = builder.norm(&found, "embeddings.norm", config.hidden)?;
    let mask = builder.mask();
    let windowed = window(&mut builder, &mask);
    let global = kind(&mut builder, config.rotary.global_base, mask);
    let local = kind(&mut builder, config.rotary.local_base, windowed);
    for layer in 0..config.layers {
        let is_global = layer % config.rotary.global_every == 0;
        states = block(
            &mut builder,
            &states,
            layer,
            if is_global { &global } else { &local },
        )?;
    }
    let states = builder.norm(&states, "final_norm", config.hidden)?;
    Ok(builder.finish(&states))
}

/// Attention and feed-forward of one layer. The first layer's input is normalised already.
fn block(builder: &mut Builder<'_>, x: &str, layer: usize, kind: &Kind) -> Result<String> {
    let (hidden, inner) = (builder.config.hidden, builder.config.intermediate);
    let name = |part: &str| format!("layers.{layer}.{part}");
    let input = match layer {
        0 => x.to_owned(),
        _ => builder.norm(x, &name("attn_norm"), hidden)?,
    };
    let projected = builder.linear(&input, &name("attn.Wqkv"), hidden, 3 * hidden)?;
    let [q, k, v] = [0, 1, 2].map(|part| {
        let part = part_of(builder, &projected, part * hidden, (part + 1) * hidden);
        builder.heads(&part)
    });
    let [q, k] = [q, k].map(|heads| rotated(builder, &heads, kind));
    let mixed = builder.attend([&q, &k, &v], &[&kind.bias]);
    let mixed = builder.linear(&mixed, &name("attn.Wo"), hidden, hidden)?;
    let attended = builder.op("Add", &[x, &mixed]);
    let input = builder.norm(&attended, &name("mlp_norm"), hidden)?;
    let both = builder.linear(&input, &name("mlp.Wi"), hidden, 2 * inner)?;
    let (wide, gate) = (
        part_of(builder, &both, 0, inner),
        part_of(builder, &both, inner, 2 * inner),
    );
    let bent = builder.activation(&wide);
    let gated = builder.op("Mul", &[&bent, &gate]);
    let narrow = builder.linear(&gated, &name("mlp.Wo"), inner, hidden)?;
    Ok(builder.op("Add", &[&attended, &narrow]))
}

/// Components `from` to `to` of the last axis.
fn part_of(builder: &mut Builder<'_>, x: &str, from: usize, to: usize) -> String {
    let [from, to] = [from, to].map(|place| i64::try_from(place).unwrap_or(i64::MAX));
    let (from, to) = (builder.integers(&[from]), builder.integers(&[to]));
    let axis = builder.integers(&[-1]);
    builder.op("Slice", &[x, &from, &to, &axis])
}

/// Each pair of components (i, i + d/2), turned by an angle that grows with the position.
fn rotated(builder: &mut Builder<'_>, heads: &str, kind: &Kind) -> String {
    let size = builder.config.head();
    let first = part_of(builder, heads, 0, size / 2);
    let second = part_of(builder, heads, size / 2, size);
    let negative = builder.op("Neg", &[&second]);
    let turned = builder.op_with(
        "Concat",
        &[&negative, &first],
        vec![Attribute::integer("axis", -1)],
    );
    let along = builder.op("Mul", &[heads, &kind.cosines]);
    let across = builder.op("Mul", &[&turned, &kind.sines]);
    builder.op("Add", &[&along, &across])
}

/// Angles: position times `base` to the power of -2i/d, the same for both of a pair; as [S, d].
fn kind(builder: &mut Builder<'_>, base: f64, bias: String) -> Kind {
    let size = builder.config.head();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to 32 bits is what is asked for"
    )]
    let speed =
        |component: usize| base.powf(-2.0 * (component % (size / 2)) as f64 / size as f64) as f32;
    let speeds: Vec<f32> = (0..size / 2 * 2).map(speed).collect();
    let speeds = builder.store(&Tensor::f32s(
        &format!("speeds {base}"),
        &[1, speeds.len()],
        &speeds,
    ));
    let positions = builder.positions();
    let floats = builder.op_with(
        "Cast",
        &[&positions],
        vec![Attribute::integer("to", Element::F32 as i64)],
    );
    let last = builder.integers(&[1]);
    let column = builder.op("Unsqueeze", &[&floats, &last]);
    let angles = builder.op("Mul", &[&column, &speeds]);
    Kind {
        cosines: builder.op("Cos", &[&angles]),
        sines: builder.op("Sin", &[&angles]),
        bias,
    }
}

/// The mask with the least number also for tokens farther away than half the window, as [B, 1, S, S].
fn window(builder: &mut Builder<'_>, mask: &str) -> String {
    let half = builder.config.rotary.window / 2;
    let (half, least) = (
        builder.integer(i64::try_from(half).unwrap_or(i64::MAX)),
        builder.number(f32::MIN),
    );
    let distances = builder.distances();
    let absolute = builder.op("Abs", &[&distances]);
    let is_far = builder.op("Greater", &[&absolute, &half]);
    builder.op("Where", &[&is_far, &least, mask])
}
