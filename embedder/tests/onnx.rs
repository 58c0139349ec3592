//! Tiny ONNX models, written byte by byte: one look-up of an embedding table, with inputs and outputs as a test wants them.
//!
//! Field numbers are those of the ONNX format's `onnx.proto` (IR version 8, opset 17).

/// Number of tokens and width of [`Tiny`]'s table; row `t` is `[t, 1]`.
pub(crate) const VOCABULARY: usize = 12;
pub(crate) const DIMENSION: usize = 2;

const FLOAT: u64 = 1;
const INT32: u64 = 6;
const INT64: u64 = 7;

/// What the output is.
#[derive(Clone, Copy)]
pub(crate) enum Head {
    /// The tokens' rows: `[batch, sequence, 2]`.
    States,
    /// Their sum over the sequence, padding included: `[batch, 2]`.
    Sum,
    /// The rows, and as a second output, [`SECOND`], their sum.
    Both,
}

/// The second output of [`Head::Both`].
pub(crate) const SECOND: &str = "embedding";

/// A model to be written.
pub(crate) struct Tiny {
    pub(crate) inputs: &'static [&'static str],
    pub(crate) narrow: bool,
    pub(crate) head: Head,
    pub(crate) output: &'static str,
    /// Whether the outputs declare their width.
    pub(crate) sized: bool,
    /// Replaces row 5 of the table.
    pub(crate) fifth: [f32; DIMENSION],
}

impl Default for Tiny {
    fn default() -> Self {
        Self {
            inputs: &["input_ids", "attention_mask"],
            narrow: false,
            head: Head::States,
            output: "last_hidden_state",
            sized: true,
            fifth: [5.0, 1.0],
        }
    }
}

impl Tiny {
    /// The bytes of `model.onnx`.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let opset = varint(2, 17);
        [varint(1, 8), bytes(7, &self.graph()), bytes(8, &opset)].concat()
    }

    fn graph(&self) -> Vec<u8> {
        let (gathered, sum) = match self.head {
            Head::States => (self.output, None),
            Head::Sum => ("rows", Some(self.output)),
            Head::Both => (self.output, Some(SECOND)),
        };
        let mut graph = bytes(1, &node("Gather", &["table", "input_ids"], gathered));
        if let Some(sum) = sum {
            let node = node("ReduceSum", &[gathered, "axes"], sum);
            graph.extend(bytes(1, &[node, bytes(5, &no_kept_dimensions())].concat()));
        }
        graph.extend(bytes(2, b"tiny"));
        graph.extend(bytes(5, &self.table()));
        graph.extend(bytes(
            5,
            &[
                varint(1, 1),
                varint(2, INT64),
                bytes(8, b"axes"),
                bytes(9, &1_i64.to_le_bytes()),
            ]
            .concat(),
        ));
        let integer = if self.narrow { INT32 } else { INT64 };
        for input in self.inputs {
            graph.extend(bytes(11, &value(input, integer, &[None, None])));
        }
        let width = self.sized.then_some(DIMENSION as u64);
        if !matches!(self.head, Head::Sum) {
            graph.extend(bytes(12, &value(self.output, FLOAT, &[None, None, width])));
        }
        if let Some(sum) = sum {
            graph.extend(bytes(12, &value(sum, FLOAT, &[None, width])));
        }
        graph
    }

    fn table(&self) -> Vec<u8> {
        let row = |token: usize| {
            if token == 5 {
                self.fifth
            } else {
                [token as f32, 1.0]
            }
        };
        let data: Vec<u8> = (0..VOCABULARY)
            .flat_map(row)
            .flat_map(f32::to_le_bytes)
            .collect();
        let shape = [varint(1, VOCABULARY as u64), varint(1, DIMENSION as u64)].concat();
        [shape, varint(2, FLOAT), bytes(8, b"table"), bytes(9, &data)].concat()
    }
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs
        .iter()
        .flat_map(|input| bytes(1, input.as_bytes()))
        .collect();
    [
        inputs,
        bytes(2, output.as_bytes()),
        bytes(4, operator.as_bytes()),
    ]
    .concat()
}

/// The attribute `keepdims = 0`.
fn no_kept_dimensions() -> Vec<u8> {
    [bytes(1, b"keepdims"), varint(3, 0), varint(20, 2)].concat()
}

/// A named tensor type; a dimension without a size is symbolic.
fn value(name: &str, element: u64, shape: &[Option<u64>]) -> Vec<u8> {
    let dimension = |(place, size): (usize, &Option<u64>)| match size {
        Some(size) => bytes(1, &varint(1, *size)),
        None => bytes(1, &bytes(2, format!("d{place}").as_bytes())),
    };
    let shape: Vec<u8> = shape.iter().enumerate().flat_map(dimension).collect();
    let tensor = [varint(1, element), bytes(2, &shape)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

fn varint(field: u64, value: u64) -> Vec<u8> {
    [base128(field << 3), base128(value)].concat()
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [
        base128(field << 3 | 2),
        base128(content.len() as u64),
        content.to_vec(),
    ]
    .concat()
}

fn base128(mut value: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    loop {
        let [low, ..] = (value & 0x7f).to_le_bytes();
        value >>= 7;
        encoded.push(low | if value > 0 { 0x80 } else { 0 });
        if value == 0 {
            return encoded;
        }
    }
}
