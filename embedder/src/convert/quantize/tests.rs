//! What the rewrite does to a graph. What comes out of the models is tested on ONNX Runtime, in `tests/convert`.

use super::*;
use crate::onnx::split;
use prost::bytes::Bytes as Buffer;
use std::path::PathBuf;

const ROWS: usize = 16;

/// A model of these nodes and stored tensors, whose output is `y`.
fn model(nodes: &[Node], stored: &[Tensor]) -> Model {
    let mut graph: Vec<Field> = nodes
        .iter()
        .map(|node| Field::message(field::NODE, node))
        .collect();
    graph.extend(
        stored
            .iter()
            .map(|tensor| Field::message(field::INITIALIZER, tensor)),
    );
    for (number, name) in [(field::INPUT, "x"), (field::OUTPUT, "y")] {
        let value = ValueInfo {
            name: name.to_owned(),
            kind: None,
        };
        graph.push(Field::message(number, &value));
    }
    Model::new(graph, 17)
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Node {
    Node::new(operator, inputs, output, Vec::new())
}

fn weight(name: &str) -> Tensor {
    let values: Vec<f32> = (0_u8..48).map(|value| f32::from(value) - 20.5).collect();
    Tensor::f32s(name, &[ROWS, 3], &values)
}

fn nodes(model: &Model) -> Vec<Node> {
    let nodes = model
        .graph
        .iter()
        .filter(|found| found.number == field::NODE);
    nodes.map(|found| found.decode().unwrap()).collect()
}

fn stored(model: &Model) -> Vec<String> {
    let tensors = model
        .graph
        .iter()
        .filter(|found| found.number == field::INITIALIZER);
    tensors
        .map(|found| found.decode::<Tensor>().unwrap().name)
        .collect()
}

fn rewritten(nodes: &[Node], tensors: &[Tensor]) -> (Model, usize) {
    per_token(&model(nodes, tensors), &PathBuf::new())
        .unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

fn refusal(nodes: &[Node], tensors: &[Tensor]) -> String {
    let refusal = per_token(&model(nodes, tensors), &PathBuf::from("/nowhere")).unwrap_err();
    format!("{}; {}", refusal.found, refusal.expected)
}

fn count(model: &Model, operator: &str) -> usize {
    nodes(model).iter().filter(|node| node.is(operator)).count()
}

#[test]
fn products_of_one_input_share_its_bytes() {
    let three = [
        node("MatMul", &["x", "q"], "a"),
        node("MatMul", &["x", "k"], "b"),
        node("Add", &["a", "b"], "y"),
    ];
    let (model, matrices) = rewritten(&three, &[weight("q"), weight("k")]);
    assert_eq!((matrices, count(&model, "MatMulInteger")), (2, 2));
    assert_eq!(
        (count(&model, "QuantizeLinear"), count(&model, "MatMul")),
        (1, 0)
    );
    assert!(stored(&model).iter().all(|name| name.starts_with(OURS)));
    assert_eq!(nodes(&model).last().unwrap().output, ["y"]);
}

#[test]
fn every_name_is_made_before_it_is_used() {
    let (model, _) = rewritten(
        &[
            node("Relu", &["x"], "r"),
            node("MatMul", &["r", "w"], "a"),
            node("Gemm", &["x", "w", "bias"], "b"),
            node("Add", &["a", "b"], "y"),
        ],
        &[weight("w"), Tensor::f32s("bias", &[3], &[1.0, 2.0, 3.0])],
    );
    let mut known: HashSet<String> = stored(&model).into_iter().collect();
    known.insert("x".to_owned());
    for node in nodes(&model) {
        assert!(
            node.input.iter().all(|input| known.contains(input)),
            "{node:?}"
        );
        assert!(node.output.into_iter().all(|output| known.insert(output)));
    }
}

#[test]
fn weights_are_found_behind_what_an_exporter_left_before_them() {
    let casts = [
        node("Cast", &["bytes"], "floats"),
        node("Mul", &["floats", "scale"], "w"),
        node("Identity", &["w"], "same"),
        node("MatMul", &["x", "same"], "y"),
    ];
    let mut cast = casts.clone();
    cast[0].attributes = vec![Attribute::integer("to", 1)];
    let bytes = Tensor::i8s("bytes", &[ROWS, 2], &[1; 2 * ROWS]);
    let scale = Tensor::f32s("scale", &[1, 2], &[0.5, 2.0]);
    let (model, _) = rewritten(&cast, &[bytes.clone(), scale.clone()]);
    assert_eq!((count(&model, "Cast"), count(&model, "Identity")), (1, 0));

    let dequantized = [
        node("DequantizeLinear", &["bytes", "scale"], "w"),
        node("MatMul", &["x", "w"], "y"),
    ];
    let scale = Tensor::f32s("scale", &[2], &[0.5, 2.0]);
    let (model, _) = rewritten(&dequantized, &[bytes, scale]);
    assert_eq!(count(&model, "DequantizeLinear"), 0);
}

#[test]
fn a_guard_against_nan_behind_a_softmax_goes_and_no_other() {
    let guard = |operator| {
        [
            node("MatMul", &["x", "w"], "scores"),
            node(operator, &["scores"], "weights"),
            node("IsNaN", &["weights"], "is"),
            node("Where", &["is", "zero", "weights"], "y"),
        ]
    };
    let zero = Tensor::f32s("zero", &[], &[0.0]);
    let (model, _) = rewritten(&guard("Softmax"), &[weight("w"), zero.clone()]);
    assert_eq!((count(&model, "IsNaN"), count(&model, "Where")), (0, 0));
    let (model, _) = rewritten(&guard("Sqrt"), &[weight("w"), zero]);
    assert_eq!((count(&model, "IsNaN"), count(&model, "Where")), (1, 1));
}

#[test]
fn the_range_follows_from_what_makes_the_input() {
    let gelu = [
        node("Div", &["x", "root"], "u"),
        node("Erf", &["u"], "e"),
        node("Add", &["e", "one"], "p"),
        node("Mul", &["x", "p"], "m"),
        node("Mul", &["m", "half"], "g"),
        node("MatMul", &["g", "w"], "y"),
    ];
    let constants = |root| {
        [
            weight("w"),
            Tensor::f32s("root", &[], &[root]),
            Tensor::f32s("one", &[], &[1.0]),
            Tensor::f32s("half", &[], &[0.5]),
        ]
    };
    let has = |model: &Model, range: &str| stored(model).contains(&format!("{OURS}{range}_zero"));
    let (model, _) = rewritten(&gelu, &constants(std::f32::consts::SQRT_2));
    assert!(has(&model, "gelu") && count(&model, "Abs") == 0);
    let (model, _) = rewritten(&gelu, &constants(2.0));
    assert!(has(&model, "both") && count(&model, "Abs") == 1);
    let relu = [node("Relu", &["x"], "r"), node("MatMul", &["r", "w"], "y")];
    assert!(has(&rewritten(&relu, &[weight("w")]).0, "relu"));
}

#[test]
fn fields_that_are_not_known_stay() {
    let mut model = model(&[node("MatMul", &["x", "w"], "y")], &[weight("w")]);
    model.graph.push(Field::bytes(99, b"of a later version"));
    model.around.push(Field::bytes(98, b"as well"));
    let (model, _) = per_token(&model, &PathBuf::new()).unwrap();
    let mut bytes = Vec::new();
    model.write(&mut bytes).unwrap();
    let fields = split(&Buffer::from(bytes)).unwrap();
    let graph = fields
        .iter()
        .find(|found| found.number == field::GRAPH)
        .unwrap();
    assert!(fields.iter().any(|found| found.content() == "as well"));
    assert!(
        split(graph.content())
            .unwrap()
            .iter()
            .any(|found| found.content() == "of a later version")
    );
}

#[test]
fn what_cannot_be_converted_is_refused_with_the_reason() {
    let tokens = [node("MatMul", &["x", "x"], "y")];
    assert!(refusal(&tokens, &[]).contains("has no product with a matrix of 32-bit floats"));
    let twice = [node("DynamicQuantizeLinear", &["x"], "y")];
    assert!(
        refusal(&twice, &[])
            .contains("is quantized already: it has the operation `DynamicQuantizeLinear`")
    );
    let product = [node("MatMul", &["x", "w"], "y")];
    let nan = Tensor::f32s("w", &[ROWS, 1], &[f32::NAN; ROWS]);
    assert!(refusal(&product, &[nan]).contains("has a weight that is NaN, in the product `y`"));
    let mut elsewhere = weight("w");
    (elsewhere.raw, elsewhere.location) = (None, 1);
    let refused = refusal(&product, &[elsewhere]);
    assert!(refused.contains("`w` cannot be read there"), "{refused}");
}

#[test]
fn weights_beside_the_model_come_in_and_none_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("weights"),
        [[0_u8; 8].as_slice(), weight("w").raw.as_ref().unwrap()].concat(),
    )
    .unwrap();
    let at = |location: &str, offset: &str| {
        let entry = |key: &str, value: &str| crate::onnx::Entry {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let mut outside = weight("w");
        (outside.raw, outside.location) = (None, 1);
        outside.external = vec![
            entry("location", location),
            entry("offset", offset),
            entry("length", "192"),
        ];
        model(&[node("MatMul", &["x", "w"], "y")], &[outside])
    };
    let inside = model(&[node("MatMul", &["x", "w"], "y")], &[weight("w")]);
    let bytes = |model: &Model| {
        let mut bytes = Vec::new();
        per_token(model, dir.path())
            .unwrap()
            .0
            .write(&mut bytes)
            .unwrap();
        bytes
    };
    assert_eq!(bytes(&at("weights", "8")), bytes(&inside));
    for (location, offset) in [
        ("weights", "9"),
        ("../weights", "8"),
        ("/etc/passwd", "8"),
        ("", "8"),
    ] {
        assert!(
            per_token(&at(location, offset), dir.path()).is_err(),
            "{location} at {offset}"
        );
    }
}
