//! A graph to look things up in: which node makes a value, which values are constant and what they are.
//!
//! Invariant: a value counts as constant only if it can be computed here exactly as a runtime would. Values inside
//! sub-graphs are not looked into; names that they use count as used.

use crate::onnx::{Element, Field, Model, Node, Refusal, Tensor, f32s, field, shape, split};
use prost::bytes::Bytes;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// How many operations may lie between a stored tensor and the weight that is made of it.
const DEPTH: usize = 6;

/// A constant: its sizes, and its values as 32-bit floats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
    /// The type that it has in the model.
    pub(crate) element: Element,
}

/// The nodes and stored tensors of a model's graph, by the names of what they make.
pub(crate) struct Graph {
    makers: HashMap<String, Node>,
    stored: HashMap<String, Tensor>,
}

impl Graph {
    /// Reads the graph. Tensors that lie in files of their own are read from the folder `dir`.
    pub(crate) fn index(model: &Model, dir: &Path) -> Result<Self, Refusal> {
        let (mut makers, mut stored) = (HashMap::new(), HashMap::new());
        for found in &model.graph {
            match found.number {
                field::NODE => {
                    let node: Node = found.decode()?;
                    for output in &node.output {
                        makers.insert(output.clone(), node.clone());
                    }
                }
                field::INITIALIZER => {
                    let tensor = inlined(found.decode()?, dir)?;
                    stored.insert(tensor.name.clone(), tensor);
                }
                _ => {}
            }
        }
        Ok(Self { makers, stored })
    }

    /// The node that makes the value `name`.
    pub(crate) fn maker(&self, name: &str) -> Option<&Node> {
        self.makers.get(name)
    }

    /// A tensor that the model stores.
    pub(crate) fn stored(&self, name: &str) -> Option<&Tensor> {
        self.stored.get(name)
    }

    /// The value `name`, if it is constant.
    pub(crate) fn constant(&self, name: &str) -> Result<Option<Array>, Refusal> {
        self.constant_within(name, DEPTH)
    }

    /// The value `name`, if it is constant and a single number.
    pub(crate) fn scalar(&self, name: &str) -> Result<Option<f32>, Refusal> {
        let array = self.constant(name)?;
        Ok(array
            .filter(|array| array.values.len() == 1)
            .map(|array| array.values[0]))
    }

    fn constant_within(&self, name: &str, depth: usize) -> Result<Option<Array>, Refusal> {
        if let Some(tensor) = self.stored.get(name) {
            return array(tensor);
        }
        let (Some(node), Some(depth)) = (self.makers.get(name), depth.checked_sub(1)) else {
            return Ok(None);
        };
        if node.is("Constant") {
            let tensor = node
                .attribute("value")
                .and_then(|value| value.tensor.as_ref());
            return tensor.map_or(Ok(None), array);
        }
        let operand = |place: usize| match node.input.get(place) {
            Some(input) if !input.is_empty() => self.constant_within(input, depth),
            _ => Ok(None),
        };
        Ok(match node.operator.as_str() {
            "Identity" => operand(0)?,
            "Cast" => operand(0)?.and_then(|array| cast(array, node)),
            "Transpose" => operand(0)?.and_then(|array| transposed(array, node)),
            "Mul" => operand(1)?
                .zip(operand(0)?)
                .and_then(|(b, a)| product(a, b)),
            "DequantizeLinear" => {
                let zero = operand(2)?;
                let parts = operand(0)?.zip(operand(1)?);
                parts.and_then(|(array, scale)| dequantized(array, scale, zero, node))
            }
            _ => None,
        })
    }
}

fn array(tensor: &Tensor) -> Result<Option<Array>, Refusal> {
    let (Some(element), Some(values)) = (Element::of(tensor.element), f32s(tensor)?) else {
        return Ok(None);
    };
    Ok(Some(Array {
        shape: shape(tensor)?,
        values,
        element,
    }))
}

/// To 32-bit floats, which is what the values are kept in.
fn cast(array: Array, node: &Node) -> Option<Array> {
    let element = Element::of(i32::try_from(node.attribute("to")?.integer).ok()?)?;
    (element == Element::F32).then_some(Array { element, ..array })
}

/// A matrix with its sides swapped.
fn transposed(array: Array, node: &Node) -> Option<Array> {
    let [rows, columns] = *array.shape.as_slice() else {
        return None;
    };
    match node.attribute("perm").map(|perm| perm.integers.as_slice()) {
        None | Some([1, 0]) => Some(Array {
            shape: vec![columns, rows],
            values: transpose(&array.values, columns),
            element: array.element,
        }),
        _ => None,
    }
}

/// The transpose of a matrix with that many columns.
pub(crate) fn transpose(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| values.iter().skip(column).step_by(columns.max(1)).copied())
        .collect()
}

/// The product of a matrix with a number, or with a number per column or per row.
fn product(a: Array, b: Array) -> Option<Array> {
    let (matrix, factor) = if a.values.len() >= b.values.len() {
        (a, b)
    } else {
        (b, a)
    };
    let along = spread(&matrix.shape, &factor.shape)?;
    scaled(matrix, &factor.values, along, Element::F32)
}

/// Which axis of a matrix a factor of these sizes runs along; `Some(None)` for a single number.
fn spread(matrix: &[usize], factor: &[usize]) -> Option<Option<usize>> {
    match (matrix, factor) {
        (_, [] | [1] | [1, 1]) => Some(None),
        (&[_, columns], &[size] | &[1, size]) if size == columns => Some(Some(1)),
        (&[rows, _], &[size, 1]) if size == rows => Some(Some(0)),
        _ => None,
    }
}

fn scaled(
    mut matrix: Array,
    factor: &[f32],
    along: Option<usize>,
    element: Element,
) -> Option<Array> {
    let columns = *matrix.shape.last()?;
    for (place, value) in matrix.values.iter_mut().enumerate() {
        let index = match along {
            None => 0,
            Some(0) => place / columns,
            Some(_) => place % columns,
        };
        *value *= factor.get(index)?;
    }
    matrix.element = element;
    Some(matrix)
}

/// `(array - zero) * scale`, with one scale and zero, or one per row or column.
fn dequantized(mut array: Array, scale: Array, zero: Option<Array>, node: &Node) -> Option<Array> {
    // A zero point that is there and not constant is no constant.
    if node.input.get(2).is_some_and(|name| !name.is_empty()) && zero.is_none() {
        return None;
    }
    let axis = node.attribute("axis").map_or(1, |axis| axis.integer);
    let along = match (scale.values.len(), axis) {
        (1, _) => None,
        (size, 0 | -2) if array.shape.first() == Some(&size) => Some(0),
        (size, 1 | -1) if array.shape.last() == Some(&size) => Some(1),
        _ => return None,
    };
    let columns = *array.shape.last()?;
    if let Some(zero) = zero {
        for (place, value) in array.values.iter_mut().enumerate() {
            let index = match along {
                None => 0,
                Some(0) => place / columns,
                Some(_) => place % columns,
            };
            *value -= zero.values.get(index)?;
        }
    }
    scaled(array, &scale.values, along, scale.element)
}

/// The tensor with its values in it, read from the file that it names if they lie there.
fn inlined(mut tensor: Tensor, dir: &Path) -> Result<Tensor, Refusal> {
    if tensor.location != 1 {
        return Ok(tensor);
    }
    let entry = |key: &str| tensor.external.iter().find(|entry| entry.key == key);
    let number = |key: &str| entry(key).and_then(|entry| entry.value.parse::<u64>().ok());
    let location = entry("location").map_or("", |entry| entry.value.as_str());
    let refuse = |reason: String| {
        let found = format!(
            "keeps its weights in `{location}`, a file in its folder, and `{}` cannot be read there: {reason}",
            tensor.name
        );
        Refusal::new(found, "put that file of the model's own distribution there")
    };
    let inside = Path::new(location)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || !inside {
        return Err(refuse("it is no name of a file in the folder".to_owned()));
    }
    let raw = read_part(&dir.join(location), number("offset"), number("length"));
    let raw = raw.map_err(|error| refuse(error.to_string()))?;
    tensor.raw = Some(Bytes::from(raw));
    tensor.external.clear();
    tensor.location = 0;
    Ok(tensor)
}

fn read_part(path: &Path, offset: Option<u64>, length: Option<u64>) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset.unwrap_or(0)))?;
    let mut bytes = Vec::new();
    let read = file
        .take(length.unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)?;
    match length {
        Some(length) if length != read as u64 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(bytes),
    }
}

/// The names that a node uses: its inputs, and what the graphs within it take from outside or call their own.
pub(crate) fn used(node: &Node) -> Result<Vec<String>, Refusal> {
    let mut names = node.input.clone();
    for attribute in &node.attributes {
        for graph in attribute.graph.iter().chain(&attribute.graphs) {
            names.extend(used_in(graph)?);
        }
    }
    Ok(names)
}

fn used_in(graph: &Bytes) -> Result<Vec<String>, Refusal> {
    let mut names = Vec::new();
    let is_node = |found: &&Field| found.number == field::NODE;
    for found in split(graph)?.iter().filter(is_node) {
        names.extend(used(&found.decode()?)?);
    }
    Ok(names)
}
