//! The parts that every encoder's graph is put together from.
//!
//! Invariant: a method adds operations and gives the name of their result; shapes are in its description, with B texts, S
//! tokens, H components. Only operators of the standard's version 17 are used, in the patterns that ONNX Runtime fuses.

use super::config::{Activation, Config};
use super::graph::transpose;
use super::weights::Weights;
use crate::error::Result;
use crate::onnx::{Attribute, Element, Field, Model, Node, Tensor, ValueInfo, field};
use std::collections::HashSet;

/// The version of the operators.
const OPERATORS: i64 = 17;
pub(crate) const OUTPUT: &str = "last_hidden_state";
const MASK: &str = "attention_mask";
pub(crate) const IDS: &str = "input_ids";
pub(crate) const TYPES: &str = "token_type_ids";

/// A graph in the making.
pub(crate) struct Builder<'a> {
    pub(crate) config: &'a Config,
    pub(crate) weights: &'a Weights,
    nodes: Vec<Field>,
    stored: Vec<Field>,
    names: HashSet<String>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(config: &'a Config, weights: &'a Weights) -> Self {
        Self {
            config,
            weights,
            nodes: Vec::new(),
            stored: Vec::new(),
            names: HashSet::new(),
        }
    }

    /// Adds an operation without settings.
    pub(crate) fn op(&mut self, operator: &str, inputs: &[&str]) -> String {
        self.op_with(operator, inputs, Vec::new())
    }

    pub(crate) fn op_with(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<Attribute>,
    ) -> String {
        let name = format!("{operator}_{}", self.nodes.len());
        let node = Node::new(operator, inputs, &name, attributes);
        self.nodes.push(Field::message(field::NODE, &node));
        name
    }

    /// Stores a tensor, once per name.
    pub(crate) fn store(&mut self, tensor: &Tensor) -> String {
        if self.names.insert(tensor.name.clone()) {
            self.stored.push(Field::message(field::INITIALIZER, tensor));
        }
        tensor.name.clone()
    }

    pub(crate) fn number(&mut self, value: f32) -> String {
        self.store(&Tensor::f32s(&format!("number {value}"), &[], &[value]))
    }

    pub(crate) fn integers(&mut self, values: &[i64]) -> String {
        self.store(&Tensor::i64s(
            &format!("integers {values:?}"),
            &[values.len()],
            values,
        ))
    }

    pub(crate) fn integer(&mut self, value: i64) -> String {
        self.store(&Tensor::i64s(&format!("integer {value}"), &[], &[value]))
    }

    /// `x · W + b`, with the weights `name`: from [B, S, `from`] to [B, S, `to`].
    pub(crate) fn linear(&mut self, x: &str, name: &str, from: usize, to: usize) -> Result<String> {
        let values = self.weights.matrix(&format!("{name}.weight"), to, from)?;
        let weight = Tensor::f32s(
            &format!("{name}.weight"),
            &[from, to],
            &transpose(&values, from),
        );
        let weight = self.store(&weight);
        let product = self.op("MatMul", &[x, &weight]);
        let bias = format!("{name}.bias");
        if !self.weights.has(&bias) {
            return Ok(product);
        }
        let bias = Tensor::f32s(&bias, &[to], &self.weights.vector(&bias, to)?);
        let bias = self.store(&bias);
        Ok(self.op("Add", &[&product, &bias]))
    }

    /// Layer normalisation over the last axis. Models that were once TensorFlow's call weight and bias gamma and beta.
    pub(crate) fn norm(&mut self, x: &str, name: &str, width: usize) -> Result<String> {
        let old = self.weights.has(&format!("{name}.gamma"));
        let [weight, bias] = if old {
            ["gamma", "beta"]
        } else {
            ["weight", "bias"]
        }
        .map(|part| format!("{name}.{part}"));
        let values = self.weights.vector(&weight, width)?;
        let mut inputs = vec![
            x.to_owned(),
            self.store(&Tensor::f32s(&weight, &[width], &values)),
        ];
        if self.weights.has(&bias) {
            let values = self.weights.vector(&bias, width)?;
            inputs.push(self.store(&Tensor::f32s(&bias, &[width], &values)));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let settings = vec![
            Attribute::integer("axis", -1),
            Attribute::float("epsilon", self.config.epsilon),
        ];
        Ok(self.op_with("LayerNormalization", &inputs, settings))
    }

    pub(crate) fn activation(&mut self, x: &str) -> String {
        match self.config.activation {
            Activation::Relu => self.op("Relu", &[x]),
            Activation::Silu => {
                let gate = self.op("Sigmoid", &[x]);
                self.op("Mul", &[x, &gate])
            }
            Activation::Gelu => {
                let root = self.number(std::f32::consts::SQRT_2);
                let scaled = self.op("Div", &[x, &root]);
                let bent = self.op("Erf", &[&scaled]);
                self.gated(x, &bent)
            }
            Activation::GeluTanh => {
                let (cubic, outer) = (
                    self.number(0.044_715),
                    self.number((2.0 / std::f32::consts::PI).sqrt()),
                );
                let square = self.op("Mul", &[x, x]);
                let cube = self.op("Mul", &[x, &square]);
                let small = self.op("Mul", &[&cube, &cubic]);
                let sum = self.op("Add", &[x, &small]);
                let scaled = self.op("Mul", &[&sum, &outer]);
                let bent = self.op("Tanh", &[&scaled]);
                self.gated(x, &bent)
            }
        }
    }

    /// `0.5 · x · (1 + bent)`.
    fn gated(&mut self, x: &str, bent: &str) -> String {
        let (one, half) = (self.number(1.0), self.number(0.5));
        let sum = self.op("Add", &[bent, &one]);
        let product = self.op("Mul", &[x, &sum]);
        self.op("Mul", &[&product, &half])
    }

    /// From [B, S, H] to [B, heads, S, H / heads].
    pub(crate) fn heads(&mut self, x: &str) -> String {
        let size = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let shape = self.integers(&[0, 0, size(self.config.heads), size(self.config.head())]);
        let parts = self.op("Reshape", &[x, &shape]);
        self.op_with(
            "Transpose",
            &[&parts],
            vec![Attribute::integers("perm", &[0, 2, 1, 3])],
        )
    }

    /// Attention of heads: `softmax(q · kᵀ / √d + biases) · v`, as [B, S, H].
    pub(crate) fn attend(&mut self, [q, k, v]: [&str; 3], biases: &[&str]) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounding to 32 bits is what is asked for"
        )]
        let scale = (self.config.head() as f64).sqrt().recip() as f32;
        let scale = self.number(scale);
        let turned = self.op_with(
            "Transpose",
            &[k],
            vec![Attribute::integers("perm", &[0, 1, 3, 2])],
        );
        let products = self.op("MatMul", &[q, &turned]);
        let mut scores = self.op("Mul", &[&products, &scale]);
        for bias in biases {
            scores = self.op("Add", &[&scores, bias]);
        }
        let shares = self.op_with("Softmax", &[&scores], vec![Attribute::integer("axis", -1)]);
        let mixed = self.op("MatMul", &[&shares, v]);
        let back = self.op_with(
            "Transpose",
            &[&mixed],
            vec![Attribute::integers("perm", &[0, 2, 1, 3])],
        );
        let shape = self.integers(&[0, 0, i64::try_from(self.config.hidden).unwrap_or(i64::MAX)]);
        self.op("Reshape", &[&back, &shape])
    }

    /// What is added to the scores: 0 for tokens and the least number for padding, as [B, 1, 1, S].
    pub(crate) fn mask(&mut self) -> String {
        let (one, least) = (self.number(1.0), self.number(f32::MIN));
        let floats = self.op_with(
            "Cast",
            &[MASK],
            vec![Attribute::integer("to", Element::F32 as i64)],
        );
        let padding = self.op("Sub", &[&one, &floats]);
        let bias = self.op("Mul", &[&padding, &least]);
        let axes = self.integers(&[1, 2]);
        self.op("Unsqueeze", &[&bias, &axes])
    }

    /// S, as [1].
    pub(crate) fn length(&mut self) -> String {
        let shape = self.op("Shape", &[IDS]);
        let second = self.integers(&[1]);
        self.op("Gather", &[&shape, &second])
    }

    /// 0 to S - 1, as [S].
    pub(crate) fn positions(&mut self) -> String {
        let length = self.length();
        let (zero, one, first) = (self.integer(0), self.integer(1), self.integers(&[0]));
        let end = self.op("Squeeze", &[&length, &first]);
        self.op("Range", &[&zero, &end, &one])
    }

    /// The place of the attended token less that of the attending one, as [S, S].
    pub(crate) fn distances(&mut self) -> String {
        let positions = self.positions();
        let (first, second) = (self.integers(&[0]), self.integers(&[1]));
        let along = self.op("Unsqueeze", &[&positions, &first]);
        let down = self.op("Unsqueeze", &[&positions, &second]);
        self.op("Sub", &[&along, &down])
    }

    /// The model whose token states are `states`.
    pub(crate) fn finish(mut self, states: &str) -> Model {
        let last = Node::new("Identity", &[states], OUTPUT, Vec::new());
        self.nodes.push(Field::message(field::NODE, &last));
        let mut graph = self.nodes;
        graph.push(Field::bytes(field::GRAPH_NAME, b"encoder"));
        graph.append(&mut self.stored);
        let types = self.config.has_type_input().then_some(TYPES);
        for name in [IDS, MASK].into_iter().chain(types) {
            let dims = [Err("batch"), Err("sequence")];
            graph.push(Field::message(
                field::INPUT,
                &ValueInfo::tensor(name, Element::I64 as i32, &dims),
            ));
        }
        let width = i64::try_from(self.config.hidden).unwrap_or(i64::MAX);
        let dims = [Err("batch"), Err("sequence"), Ok(width)];
        graph.push(Field::message(
            field::OUTPUT,
            &ValueInfo::tensor(OUTPUT, Element::F32 as i32, &dims),
        ));
        Model::new(graph, OPERATORS)
    }
}
