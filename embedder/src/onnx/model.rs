//! A model: the fields around its graph and those of the graph.
//!
//! Invariant: reading and writing changes no byte of a field. A file holds less than 2 GB: protobuf's limit.

use super::proto::OperatorSet;
use super::wire::{self, Field, split};
use super::{Refusal, wire::no_onnx};
use prost::bytes::Bytes;
use std::io::{self, Write};

/// Numbers of fields.
pub(crate) mod field {
    /// In a model.
    pub(crate) const IR_VERSION: usize = 1;
    pub(crate) const PRODUCER: usize = 2;
    pub(crate) const GRAPH: usize = 7;
    pub(crate) const OPERATOR_SETS: usize = 8;
    /// In a graph.
    pub(crate) const NODE: usize = 1;
    pub(crate) const GRAPH_NAME: usize = 2;
    pub(crate) const INITIALIZER: usize = 5;
    pub(crate) const INPUT: usize = 11;
    pub(crate) const OUTPUT: usize = 12;
    pub(crate) const VALUE_INFO: usize = 13;
}

/// The largest file that every reader of the format takes.
const LARGEST: usize = 0x7fff_ffff;

/// A model, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    /// The fields around the graph.
    pub(crate) around: Vec<Field>,
    /// The fields of the graph.
    pub(crate) graph: Vec<Field>,
}

impl Model {
    /// Takes the bytes of a file apart.
    pub(crate) fn parse(file: &Bytes) -> Result<Self, Refusal> {
        let (graphs, around): (Vec<_>, Vec<_>) = split(file)?
            .into_iter()
            .partition(|found| found.number == field::GRAPH);
        match graphs.as_slice() {
            [graph] => Ok(Self {
                graph: split(graph.content())?,
                around,
            }),
            others => Err(no_onnx(&format!("it has {} graphs", others.len()))),
        }
    }

    /// The version of the standard's own operators.
    pub(crate) fn operators(&self) -> Result<i64, Refusal> {
        let sets = self
            .around
            .iter()
            .filter(|found| found.number == field::OPERATOR_SETS);
        for set in sets {
            let set: OperatorSet = set.decode()?;
            if matches!(set.domain.as_str(), "" | "ai.onnx") {
                return Ok(set.version);
            }
        }
        Err(no_onnx("it names no version of the standard's operators"))
    }

    /// Writes the file.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let raw = |fields: &[Field]| fields.iter().map(|found| found.raw().len()).sum::<usize>();
        let key = wire::key(field::GRAPH, raw(&self.graph));
        for found in &self.around {
            out.write_all(found.raw())?;
        }
        out.write_all(&key)?;
        self.graph
            .iter()
            .try_for_each(|found| out.write_all(found.raw()))
    }

    /// Refuses a model that no file may hold.
    pub(crate) fn check_size(&self) -> Result<(), Refusal> {
        let fields = self.around.iter().chain(&self.graph);
        let bytes: usize = fields.map(|found| found.raw().len()).sum();
        if bytes < LARGEST - 16 {
            return Ok(());
        }
        let found = format!("makes an ONNX file of {bytes} bytes, where {LARGEST} is the limit");
        Err(Refusal::new(
            found,
            "take a smaller model, or its ONNX export with the weights in a file of their own",
        ))
    }

    /// A new model around this graph, for that version of the operators.
    pub(crate) fn new(graph: Vec<Field>, operators: i64) -> Self {
        let set = OperatorSet {
            domain: String::new(),
            version: operators,
        };
        Self {
            around: vec![
                Field::integer(field::IR_VERSION, 8),
                Field::bytes(field::PRODUCER, b"vinedb"),
                Field::message(field::OPERATOR_SETS, &set),
            ],
            graph,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(model: &Model) -> Bytes {
        let mut bytes = Vec::new();
        model.write(&mut bytes).unwrap();
        Bytes::from(bytes)
    }

    #[test]
    fn what_is_not_known_comes_out_as_it_went_in() {
        let mut model = Model::new(vec![Field::bytes(99, b"of a later version")], 17);
        model.around.push(Field::bytes(77, b"new as well"));
        let again = Model::parse(&written(&model)).unwrap();
        assert_eq!(written(&again), written(&model));
        assert_eq!(again.graph[0].content(), "of a later version");
        assert_eq!(again.around[3].content(), "new as well");
        assert_eq!(again.operators().unwrap(), 17);
    }

    #[test]
    fn what_is_no_model_is_refused() {
        for bytes in [&b""[..], b"no model at all", b"\x3a\x7f"] {
            let refusal = Model::parse(&Bytes::from_static(bytes)).unwrap_err();
            assert!(
                refusal.found.starts_with("is no whole ONNX model"),
                "{}",
                refusal.found
            );
        }
    }
}
