//! A model in 32-bit floats becomes one that multiplies in 8 bits, with a scale per token.
//!
//! Every product of a matrix that a batch brings and a matrix that the model stores is replaced: the tokens' values become
//! bytes, each token with a scale of its own (`range.rs`), `MatMulInteger` multiplies them with the weights in 8 bits, each
//! column with a scale of its own (`columns.rs`), and both scales are multiplied in. The scale of the standard's
//! `DynamicQuantizeLinear` is one for a whole batch, which makes a text's vector depend on the texts beside it; this does
//! not. Products of one input, such as query, key and value, share its bytes.
//!
//! Invariant: all other operations stay as they are, save for guards against NaN behind a softmax, which text never needs.

use super::columns;
use super::graph::{Array, Graph, used};
use super::range::Range;
use crate::onnx::{Attribute, Element, Field, Model, Node, Refusal, Tensor, ValueInfo, field};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Before the names of all that is added.
const OURS: &str = "vinedb_int8/";
/// Matrices with fewer rows are left as they are: nothing is gained, and they may hold positions instead of weights.
const FEWEST_ROWS: usize = 16;
/// Operations of models that are quantized already.
const QUANTIZED: [&str; 10] = [
    "QuantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul",
    "MatMulNBits",
    "QLinearMatMul",
    "QGemm",
    "QAttention",
    "QLinearConv",
];

/// The model in 8 bits, and how many matrices were changed. Weights in files of their own are read from the folder `dir`.
pub(crate) fn per_token(model: &Model, dir: &Path) -> Result<(Model, usize), Refusal> {
    let operators = model.operators()?;
    if operators < 11 {
        let found = format!("uses version {operators} of the ONNX operators");
        return Err(Refusal::new(
            found,
            "export the model for version 11 or later",
        ));
    }
    let graph = Graph::index(model, dir)?;
    let mut rewrite = Rewrite {
        graph: &graph,
        axes_as_input: operators >= 18,
        nodes: Vec::new(),
        constants: HashMap::new(),
        inputs: HashMap::new(),
        matrices: 0,
    };
    for found in model
        .graph
        .iter()
        .filter(|found| found.number == field::NODE)
    {
        rewrite.node(found)?;
    }
    if rewrite.matrices == 0 {
        return Err(Refusal::new(
            "has no product with a matrix of 32-bit floats that it stores",
            "take the model's export in 32-bit floats",
        ));
    }
    let matrices = rewrite.matrices;
    Ok((rewrite.finish(model)?, matrices))
}

struct Rewrite<'a> {
    graph: &'a Graph,
    /// Since version 18 of the operators, the axes of a reduction are an input instead of an attribute.
    axes_as_input: bool,
    /// What the new graph computes, in order.
    nodes: Vec<(Node, Field)>,
    /// Stored tensors that are added.
    constants: HashMap<String, Tensor>,
    /// Inputs that have their bytes already.
    inputs: HashMap<String, Bytes>,
    matrices: usize,
}

/// The names of an input's bytes, of its tokens' scales, and of the byte that stands for zero.
#[derive(Clone)]
struct Bytes {
    values: String,
    scales: String,
    zero: String,
}

/// A product that is replaced: `input · weight · factor + bias`.
struct Product<'a> {
    input: &'a str,
    weight: Array,
    factor: f32,
    bias: Option<&'a str>,
    output: &'a str,
}

impl<'a> Rewrite<'a> {
    fn node(&mut self, found: &Field) -> Result<(), Refusal> {
        let node: Node = found.decode()?;
        if QUANTIZED.contains(&node.operator.as_str()) {
            let found = format!(
                "is quantized already: it has the operation `{}`",
                node.operator
            );
            return Err(Refusal::new(
                found,
                "take the model's export in 32-bit floats",
            ));
        }
        let graph = self.graph;
        if let Some(kept) = guarded(&node, graph)? {
            self.add(Node::new("Identity", &[kept], &node.output[0], Vec::new()));
        } else if let Some(node) = graph.maker(node.output.first().map_or("", String::as_str))
            && let Some(product) = product(node, graph)?
        {
            self.replace(&product)?;
        } else {
            self.nodes.push((node, found.clone()));
        }
        Ok(())
    }

    fn add(&mut self, node: Node) {
        let written = Field::message(field::NODE, &node);
        self.nodes.push((node, written));
    }

    /// Adds an operation whose result gets a name of ours.
    fn operation(
        &mut self,
        operator: &str,
        inputs: &[&str],
        name: &str,
        attributes: Vec<Attribute>,
    ) -> String {
        self.add(Node::new(operator, inputs, name, attributes));
        name.to_owned()
    }

    fn constant(&mut self, tensor: Tensor) -> String {
        let name = tensor.name.clone();
        self.constants.insert(name.clone(), tensor);
        name
    }

    fn number(&mut self, name: &str, value: f32) -> String {
        self.constant(Tensor::f32s(&format!("{OURS}{name}"), &[], &[value]))
    }

    fn replace(&mut self, product: &Product<'a>) -> Result<(), Refusal> {
        let Product { weight, factor, .. } = product;
        if let Some(value) = weight.values.iter().find(|value| !value.is_finite()) {
            let found = format!(
                "has a weight that is {value}, in the product `{}`",
                product.output
            );
            return Err(Refusal::new(
                found,
                "take a file of the model that is not damaged",
            ));
        }
        let bytes = self.bytes(product.input)?;
        let mut quantized = columns::quantize(&weight.values, weight.shape[1]);
        quantized
            .scales
            .iter_mut()
            .for_each(|scale| *scale *= factor);
        let base = format!("{OURS}matrix_{}", self.matrices);
        let name = |part: &str| format!("{base}_{part}");
        let weights = self.constant(Tensor::i8s(
            &name("weights"),
            &weight.shape,
            &quantized.weights,
        ));
        let scales = self.constant(Tensor::f32s(
            &name("scales"),
            &weight.shape[1..],
            &quantized.scales,
        ));
        let factors = [&*bytes.values, &*weights, &*bytes.zero];
        let sums = self.operation("MatMulInteger", &factors, &name("sums"), Vec::new());
        let to_float = vec![Attribute::integer("to", Element::F32 as i64)];
        let floats = self.operation("Cast", &[&sums], &name("floats"), to_float);
        let rows = self.operation("Mul", &[&floats, &bytes.scales], &name("rows"), Vec::new());
        match product.bias {
            None => self.operation("Mul", &[&rows, &scales], product.output, Vec::new()),
            Some(bias) => {
                let whole = self.operation("Mul", &[&rows, &scales], &name("whole"), Vec::new());
                self.operation("Add", &[&whole, bias], product.output, Vec::new())
            }
        };
        self.matrices += 1;
        Ok(())
    }

    /// The bytes of the value `input`, made where it is first needed.
    fn bytes(&mut self, input: &str) -> Result<Bytes, Refusal> {
        if let Some(bytes) = self.inputs.get(input) {
            return Ok(bytes.clone());
        }
        let range = Range::of(input, self.graph)?;
        let base = format!("{OURS}input_{}", self.inputs.len());
        let name = |part: &str| format!("{base}_{part}");
        let step = self.number(&format!("{}_step", range.name), 1.0 / range.steps);
        let least = self.number(&format!("{}_least", range.name), range.least);
        let one = self.number("one", 1.0);
        let zero = self.constant(Tensor::u8(
            &format!("{OURS}{}_zero", range.name),
            range.zero,
        ));
        let largest = self.largest(input, range, &base);
        let wanted = self.operation("Mul", &[&largest, &step], &name("wanted"), Vec::new());
        let scales = self.operation("Max", &[&wanted, &least], &name("scales"), Vec::new());
        let inverse = self.operation("Reciprocal", &[&scales], &name("inverse"), Vec::new());
        let scaled = self.operation("Mul", &[input, &inverse], &name("scaled"), Vec::new());
        let rounded = [&*scaled, &*one, &*zero];
        let values = self.operation("QuantizeLinear", &rounded, &name("bytes"), Vec::new());
        let bytes = Bytes {
            values,
            scales,
            zero,
        };
        self.inputs.insert(input.to_owned(), bytes.clone());
        Ok(bytes)
    }

    /// The largest value of each token.
    fn largest(&mut self, input: &str, range: Range, base: &str) -> String {
        let values = if range.absolute {
            self.operation("Abs", &[input], &format!("{base}_absolute"), Vec::new())
        } else {
            input.to_owned()
        };
        let name = format!("{base}_largest");
        if self.axes_as_input {
            let axes = self.constant(Tensor::i64s(&format!("{OURS}last_axis"), &[1], &[-1]));
            return self.operation("ReduceMax", &[&values, &axes], &name, Vec::new());
        }
        let axes = vec![Attribute::integers("axes", &[-1])];
        self.operation("ReduceMax", &[&values], &name, axes)
    }

    /// The new graph: what leads to an output, and only that.
    fn finish(self, model: &Model) -> Result<Model, Refusal> {
        let mut live = HashSet::new();
        for found in model
            .graph
            .iter()
            .filter(|found| found.number == field::OUTPUT)
        {
            live.insert(found.decode::<ValueInfo>()?.name);
        }
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (node, written) in self.nodes.into_iter().rev() {
            if node.output.iter().any(|output| live.contains(output)) {
                live.extend(used(&node)?);
                nodes.push(written);
            }
        }
        nodes.reverse();
        let mut added: Vec<_> = self.constants.into_values().collect();
        added.sort_by(|a, b| a.name.cmp(&b.name));
        nodes.extend(
            added
                .iter()
                .map(|tensor| Field::message(field::INITIALIZER, tensor)),
        );
        for found in model
            .graph
            .iter()
            .filter(|found| found.number != field::NODE)
        {
            nodes.extend(kept(found, self.graph, &live)?);
        }
        let around = model.around.clone();
        Ok(Model {
            around,
            graph: nodes,
        })
    }
}

/// A field of the graph beside its nodes, if it is still of use. A tensor that lies in another file comes in.
fn kept(found: &Field, graph: &Graph, live: &HashSet<String>) -> Result<Option<Field>, Refusal> {
    Ok(match found.number {
        field::INITIALIZER => {
            let before: Tensor = found.decode()?;
            match graph
                .stored(&before.name)
                .filter(|_| live.contains(&before.name))
            {
                Some(inlined) if before.location == 1 => {
                    Some(Field::message(field::INITIALIZER, inlined))
                }
                Some(_) => Some(found.clone()),
                None => None,
            }
        }
        field::VALUE_INFO => live
            .contains(&found.decode::<ValueInfo>()?.name)
            .then(|| found.clone()),
        field::INPUT => {
            let name = found.decode::<ValueInfo>()?.name;
            let is_gone = graph.stored(&name).is_some() && !live.contains(&name);
            (!is_gone).then(|| found.clone())
        }
        _ => Some(found.clone()),
    })
}

/// The product that a node computes, if it is one that can be replaced.
fn product<'a>(node: &'a Node, graph: &'a Graph) -> Result<Option<Product<'a>>, Refusal> {
    let ([input, weight, ..], [output]) = (node.input.as_slice(), node.output.as_slice()) else {
        return Ok(None);
    };
    let is_gemm = node.is("Gemm");
    if !(is_gemm || node.is("MatMul")) || graph.constant(input)?.is_some() {
        return Ok(None);
    }
    let number =
        |name: &str, default: f32| node.attribute(name).map_or(default, |value| value.float);
    let switch = |name: &str| node.attribute(name).is_some_and(|value| value.integer != 0);
    if is_gemm && (switch("transA") || number("beta", 1.0) != 1.0) {
        return Ok(None);
    }
    let Some(mut weight) = graph.constant(weight)?.filter(is_weight) else {
        return Ok(None);
    };
    if is_gemm && switch("transB") {
        weight.values = super::graph::transpose(&weight.values, weight.shape[1]);
        weight.shape.reverse();
    }
    if weight.shape[0] < FEWEST_ROWS {
        return Ok(None);
    }
    Ok(Some(Product {
        input,
        weight,
        factor: if is_gemm { number("alpha", 1.0) } else { 1.0 },
        bias: node
            .input
            .get(2)
            .map(String::as_str)
            .filter(|name| !name.is_empty()),
        output,
    }))
}

fn is_weight(array: &Array) -> bool {
    array.element == Element::F32 && array.shape.len() == 2 && !array.values.is_empty()
}

/// What a node passes on if it is `Where(IsNaN(x), constant, x)` behind a softmax: `x`. A softmax gives NaN only for a
/// row without any token, and every text has some.
fn guarded<'a>(node: &Node, graph: &'a Graph) -> Result<Option<&'a str>, Refusal> {
    let [condition, replacement, value] = node.input.as_slice() else {
        return Ok(None);
    };
    let condition = graph
        .maker(condition)
        .filter(|maker| node.is("Where") && maker.is("IsNaN"));
    let softmax = graph.maker(value).filter(|maker| maker.is("Softmax"));
    let (Some(condition), Some(softmax)) = (condition, softmax) else {
        return Ok(None);
    };
    let same = condition.input.first() == Some(value) && graph.constant(replacement)?.is_some();
    Ok(softmax.output.first().map(String::as_str).filter(|_| same))
}

#[cfg(test)]
mod tests;
