//! The messages of the ONNX format that are looked into or made, with the fields that matter here.
//!
//! Field numbers are those of `onnx.proto`. They are for reading, and for writing what is new; a message of a model that
//! exists is never written from here, since fields that are not listed would be lost.

use prost::Message;
use prost::bytes::Bytes;

/// An operator set: domain and version.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub(crate) domain: String,
    #[prost(int64, tag = "2")]
    pub(crate) version: i64,
}

/// An operation of a graph.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) operator: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) attributes: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub(crate) domain: String,
}

/// A setting of an operation.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(float, tag = "2")]
    pub(crate) float: f32,
    #[prost(int64, tag = "3")]
    pub(crate) integer: i64,
    #[prost(message, optional, tag = "5")]
    pub(crate) tensor: Option<Tensor>,
    /// A graph within the graph, not taken apart.
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub(crate) graph: Option<Bytes>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(crate) integers: Vec<i64>,
    #[prost(bytes = "bytes", repeated, tag = "11")]
    pub(crate) graphs: Vec<Bytes>,
    /// Which of the fields holds the value.
    #[prost(int32, tag = "20")]
    pub(crate) kind: i32,
}

/// Values with their shape. They lie in `raw`, in the field of their type, or in a file beside the model.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(crate) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(crate) element: i32,
    #[prost(float, repeated, tag = "4")]
    pub(crate) floats: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub(crate) integers: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub(crate) longs: Vec<i64>,
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub(crate) raw: Option<Bytes>,
    #[prost(double, repeated, tag = "10")]
    pub(crate) doubles: Vec<f64>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) external: Vec<Entry>,
    /// 1: in the file that `external` names.
    #[prost(int32, tag = "14")]
    pub(crate) location: i32,
}

/// A key and its value, both text.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// An input or output of a graph.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) kind: Option<ValueType>,
}

/// The type of a value; only tensors are of interest.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueType {
    #[prost(message, optional, tag = "1")]
    pub(crate) tensor: Option<TensorType>,
}

/// Element type and shape.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorType {
    #[prost(int32, tag = "1")]
    pub(crate) element: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShape>,
}

/// The sizes of a tensor.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    pub(crate) dims: Vec<Dimension>,
}

/// A size, or the name of one that a batch settles.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(crate) size: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(crate) symbol: Option<String>,
}

impl Attribute {
    pub(crate) fn float(name: &str, float: f32) -> Self {
        Self {
            name: name.to_owned(),
            float,
            kind: 1,
            ..Self::default()
        }
    }

    pub(crate) fn integer(name: &str, integer: i64) -> Self {
        Self {
            name: name.to_owned(),
            integer,
            kind: 2,
            ..Self::default()
        }
    }

    pub(crate) fn integers(name: &str, integers: &[i64]) -> Self {
        Self {
            name: name.to_owned(),
            integers: integers.to_vec(),
            kind: 7,
            ..Self::default()
        }
    }
}

impl Node {
    /// An operation of the standard's own set.
    pub(crate) fn new(
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<Attribute>,
    ) -> Self {
        Self {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            operator: operator.to_owned(),
            attributes,
            domain: String::new(),
        }
    }

    /// Whether it is that operation of the standard's own set.
    pub(crate) fn is(&self, operator: &str) -> bool {
        self.operator == operator && matches!(self.domain.as_str(), "" | "ai.onnx")
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }
}

impl ValueInfo {
    /// A tensor with these sizes; a text stands for one that a batch settles.
    pub(crate) fn tensor(name: &str, element: i32, dims: &[Result<i64, &str>]) -> Self {
        let dimension = |dim: &Result<i64, &str>| Dimension {
            size: dim.ok(),
            symbol: dim.err().map(str::to_owned),
        };
        let shape = TensorShape {
            dims: dims.iter().map(dimension).collect(),
        };
        Self {
            name: name.to_owned(),
            kind: Some(ValueType {
                tensor: Some(TensorType {
                    element,
                    shape: Some(shape),
                }),
            }),
        }
    }
}
