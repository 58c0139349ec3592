//! In which range the inputs of a matrix product lie, and how they become unsigned bytes, token by token.
//!
//! Most inputs lie on both sides of zero, and zero is put in the middle. What comes out of GELU is never below -0.17, so
//! that nearly all 256 steps serve the positive side there: the rounding error is half as large, and the largest value is
//! found without taking absolute values first. The same goes for ReLU.

use super::graph::Graph;
use crate::onnx::{Node, Refusal};

/// How a token's values become bytes: `byte = value / scale + zero`, with `scale = max(largest / steps, least)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    /// Part of the names of its constants.
    pub(crate) name: &'static str,
    /// The byte that stands for 0.
    pub(crate) zero: u8,
    /// Steps above it.
    pub(crate) steps: f32,
    /// The smallest scale.
    pub(crate) least: f32,
    /// Whether the largest value is the largest absolute one.
    pub(crate) absolute: bool,
}

/// Any value.
const BOTH: Range = Range {
    name: "both",
    zero: 128,
    steps: 127.0,
    least: 1e-8,
    absolute: true,
};
/// Values from -0.17 on. With 24 bytes below zero the scale is at least 0.0071: tokens whose largest value is below 1.6
/// do not use all bytes. Of 8 to 40, 24 came closest to the unquantised vectors.
const GELU: Range = Range {
    name: "gelu",
    zero: 24,
    steps: 231.0,
    least: 0.17 / 24.0,
    absolute: false,
};
/// Values from 0 on.
const RELU: Range = Range {
    name: "relu",
    zero: 0,
    steps: 255.0,
    least: 1e-8,
    absolute: false,
};

impl Range {
    /// The range of the value `name`, as far as the graph shows it.
    pub(crate) fn of(name: &str, graph: &Graph) -> Result<Self, Refusal> {
        let Some(node) = graph.maker(name) else {
            return Ok(BOTH);
        };
        match node.operator.as_str() {
            "Relu" => Ok(RELU),
            "Gelu" | "FastGelu" | "BiasGelu" => Ok(GELU),
            "Mul" if is_gelu(node, graph)? => Ok(GELU),
            _ => Ok(BOTH),
        }
    }
}

/// Whether a product is `0.5 · x · (1 + erf(x / √2))`, in any order.
fn is_gelu(product: &Node, graph: &Graph) -> Result<bool, Refusal> {
    let mut factors = Vec::new();
    for factor in &product.input {
        match graph.maker(factor) {
            Some(inner) if inner.is("Mul") => factors.extend(&inner.input),
            _ => factors.push(factor),
        }
    }
    let (mut halves, mut erfs, mut rest) = (0, Vec::new(), Vec::new());
    for factor in factors {
        if graph.scalar(factor)? == Some(0.5) {
            halves += 1;
        } else if let Some(inner) = inside_erf(factor, graph)? {
            erfs.push(inner);
        } else {
            rest.push(factor);
        }
    }
    let (erfs, rest): (&[&String], &[&String]) = (&erfs, &rest);
    Ok(halves == 1 && matches!((erfs, rest), ([inner], [x]) if inner == x))
}

/// The `x` of `1 + erf(x / √2)`.
fn inside_erf<'a>(name: &str, graph: &'a Graph) -> Result<Option<&'a String>, Refusal> {
    let Some(sum) = graph.maker(name).filter(|node| node.is("Add")) else {
        return Ok(None);
    };
    let [a, b] = sum.input.as_slice() else {
        return Ok(None);
    };
    let erf = if graph.scalar(a)? == Some(1.0) { b } else { a };
    if erf == a && graph.scalar(b)? != Some(1.0) {
        return Ok(None);
    }
    let Some(erf) = graph.maker(erf).filter(|node| node.is("Erf")) else {
        return Ok(None);
    };
    let Some(node) = erf.input.first().and_then(|input| graph.maker(input)) else {
        return Ok(None);
    };
    let [x, constant] = node.input.as_slice() else {
        return Ok(None);
    };
    let expected = match node.operator.as_str() {
        "Div" => std::f32::consts::SQRT_2,
        "Mul" => std::f32::consts::FRAC_1_SQRT_2,
        _ => return Ok(None),
    };
    let near = |value: f32| (value - expected).abs() < 1e-5;
    Ok(graph.scalar(constant)?.is_some_and(near).then_some(x))
}
