use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::attributes::{floats, integers, texts};
use super::category_mapper;
use super::keys::{Duplicates, Keys};
use super::operator::{Fact, Kernel, Operator, single};
use super::values::Values;
use crate::operators::Context;
use crate::proto::{NodeProto, TensorProto};

/// Keys to values of any two types, and a default for everything else. The first of equal keys counts, as in ONNX Runtime.
///
/// Version 1 knows only `classes_strings`, and maps to and from their positions. From version 4 on a NaN is a key that is found, and keys,
/// values and default may be tensors, which allows doubles.
///
/// # Shapes
/// X `[..]` of the type of the keys; the output has its shape and the type of the values.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_LabelEncoder.html>
#[derive(Debug)]
struct LabelEncoder {
    keys: Keys,
    /// By the position of the key, the default last.
    values: Values,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let version = context.version(super::ML_DOMAIN);
    if version < 2 {
        let classes = texts(node, "classes_strings")?;
        node.expect("classes_strings", !classes.is_empty(), "at least one class")?;
        let positions = (0..classes.len() as i64).collect();
        return category_mapper::mapper("LabelEncoder", node, classes, positions);
    }
    let keys = list(node, "keys")?;
    let values = list(node, "values")?;
    ensure!(
        keys.len() == values.len(),
        "LabelEncoder needs as many values as keys, not {} for {}",
        values.len(),
        keys.len()
    );
    let finds_nan = version >= 4;
    let keys = match keys {
        Values::Integers(keys) => Keys::integers(&keys, Duplicates::First),
        Values::Singles(keys) => Keys::singles(&keys, Duplicates::First, finds_nan),
        Values::Doubles(keys) => Keys::doubles(&keys, Duplicates::First, finds_nan),
        Values::Texts(keys) => Keys::texts(&keys, Duplicates::First),
        Values::Shorts(_) => bail!("LabelEncoder takes no keys of INT16"),
    };
    let values = with_default(node, values)?;
    Ok(Arc::new(LabelEncoder { keys, values }))
}

/// The list that ONNX gives as one of `{name}_strings`, `{name}_int64s`, `{name}_floats` and `{name}_tensor`.
fn list(node: &NodeProto, name: &str) -> Result<Values> {
    let mut lists = vec![
        Values::Texts(texts(node, &format!("{name}_strings"))?),
        Values::Integers(integers(node, &format!("{name}_int64s"))?),
        Values::Singles(floats(node, &format!("{name}_floats"))?),
    ];
    lists.extend(tensor(node, &format!("{name}_tensor"))?);
    lists.retain(|list| list.len() > 0);
    match (lists.pop(), lists.pop()) {
        (Some(list), None) => Ok(list),
        (None, _) => bail!("LabelEncoder needs {name}: {name}_strings, {name}_int64s, {name}_floats or {name}_tensor"),
        (Some(_), Some(_)) => bail!("LabelEncoder takes one list of {name}, not several"),
    }
}

/// Appends the default to the values.
fn with_default(node: &NodeProto, mut values: Values) -> Result<Values> {
    let default = tensor(node, "default_tensor")?;
    if let Some(default) = &default {
        node.expect("default_tensor", default.len() == 1, "one element")?;
    }
    match (&mut values, default) {
        (Values::Texts(values), None) => {
            values.push(node.optional("default_string")?.unwrap_or_else(|| "_Unused".into()));
        }
        (Values::Integers(values), None) => values.push(node.optional("default_int64")?.unwrap_or(-1)),
        (Values::Singles(values), None) => values.push(node.optional("default_float")?.unwrap_or(-0.0)),
        // No attribute gives these a default but `default_tensor`.
        (Values::Doubles(values), None) => values.push(-0.0),
        (Values::Shorts(values), None) => values.push(-1),
        (Values::Texts(values), Some(Values::Texts(default))) => values.extend(default),
        (Values::Integers(values), Some(Values::Integers(default))) => values.extend(default),
        (Values::Singles(values), Some(Values::Singles(default))) => values.extend(default),
        (Values::Doubles(values), Some(Values::Doubles(default))) => values.extend(default),
        (Values::Shorts(values), Some(Values::Shorts(default))) => values.extend(default),
        (values, Some(default)) => bail!(
            "LabelEncoder has values of {}, but its default_tensor is {}",
            values.datatype(),
            default.datatype()
        ),
    }
    Ok(values)
}

/// The elements of a tensor attribute.
fn tensor(node: &NodeProto, name: &str) -> Result<Option<Values>> {
    let Some(proto) = node.optional::<&TensorProto>(name)? else {
        return Ok(None);
    };
    // Old exporters leave an empty message here, which is of no type.
    if proto.data_type == 0 {
        return Ok(None);
    }
    Ok(Some(match proto.to_tensor()?.into_data() {
        TensorData::Int64(values) => Values::Integers(values),
        TensorData::Int16(values) => Values::Shorts(values),
        TensorData::Fp32(values) => Values::Singles(values),
        TensorData::Fp64(values) => Values::Doubles(values),
        TensorData::Bytes(values) => Values::Texts(values),
        other => bail!("LabelEncoder takes no {name} of {}", other.datatype()),
    }))
}

impl Operator for LabelEncoder {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("LabelEncoder", inputs)?;
        let keys: Datatype = self.keys.datatype();
        ensure!(
            input.datatype == keys,
            "LabelEncoder has keys of {keys}, but its input is {}",
            input.datatype
        );
        Ok(vec![Fact::new(self.values.datatype(), input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

impl Kernel for LabelEncoder {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("LabelEncoder", inputs)?;
        let data = self.values.pick(&self.keys.positions(input.data())?);
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }
}

#[cfg(test)]
mod tests {
    use sardonyx_core::tensor::TensorData;

    use super::super::testing::{Node, node, parse_error, run, run_error, texts};
    use super::*;

    fn encoder(version: i64) -> Node {
        node("ai.onnx.ml", "LabelEncoder").version(version)
    }

    fn vector(data: TensorData) -> Tensor {
        let len = data.len();
        Tensor::new(vec![len], data).expect("fits")
    }

    #[test]
    fn version_1_maps_to_and_from_positions() {
        let node = encoder(1)
            .with("classes_strings", vec!["a", "b", "a"])
            .with("default_int64", -4);
        let output = run(&node, vec![texts([1, 3], ["a", "b", "z"])]);
        assert_eq!(
            output,
            Tensor::new(vec![1, 3], TensorData::Int64(vec![2, 1, -4])).expect("fits")
        );
        let output = run(&node, vec![vector(TensorData::Int64(vec![0, 1, 2, 3, -1]))]);
        assert_eq!(output, texts([5], ["a", "b", "a", "_Unused", "_Unused"]));
    }

    #[test]
    fn the_first_of_equal_keys_counts_and_each_type_has_its_default() {
        let keys = |node: Node| node.with("keys_strings", vec!["a", "b", "a"]);
        let input = || vec![texts([3], ["a", "b", "c"])];
        let output = run(&keys(encoder(2)).with("values_int64s", vec![7, 8, 9]), input());
        assert_eq!(output.data(), &TensorData::Int64(vec![7, 8, -1]));
        let output = run(&keys(encoder(2)).with("values_floats", vec![7.5f32, 8.0, 9.0]), input());
        assert_eq!(output.data(), &TensorData::Fp32(vec![7.5, 8.0, -0.0]));
        let output = run(&keys(encoder(2)).with("values_strings", vec!["x", "y", "z"]), input());
        assert_eq!(output, texts([3], ["x", "y", "_Unused"]));
        let node = keys(encoder(2))
            .with("values_strings", vec!["x", "y", "z"])
            .with("default_string", "?");
        assert_eq!(run(&node, input()), texts([3], ["x", "y", "?"]));
    }

    #[test]
    fn a_nan_is_found_from_version_4_on() {
        let found = |version| {
            let node = encoder(version)
                .with("keys_floats", vec![f32::NAN, 0.0, 1.0])
                .with("values_int64s", vec![7, 8, 9]);
            run(&node, vec![vector(TensorData::Fp32(vec![f32::NAN, -0.0, 1.0, 2.0]))])
        };
        assert_eq!(found(2).data(), &TensorData::Int64(vec![-1, 8, 9, -1]));
        assert_eq!(found(4).data(), &TensorData::Int64(vec![7, 8, 9, -1]));
    }

    #[test]
    fn tensors_give_doubles_and_shorts() {
        let node = encoder(4)
            .with("keys_tensor", vector(TensorData::Fp64(vec![1.0, f64::NAN])))
            .with("values_tensor", vector(TensorData::Fp64(vec![0.5, 0.6])))
            .with("default_tensor", vector(TensorData::Fp64(vec![-0.7])));
        let output = run(&node, vec![vector(TensorData::Fp64(vec![1.0, f64::NAN, 4.0]))]);
        assert_eq!(output.data(), &TensorData::Fp64(vec![0.5, 0.6, -0.7]));
        let node = encoder(4)
            .with("keys_strings", vec!["a"])
            .with("values_tensor", vector(TensorData::Int16(vec![5])));
        let output = run(&node, vec![texts([2], ["a", "z"])]);
        assert_eq!(output.data(), &TensorData::Int16(vec![5, -1]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let keys = || encoder(4).with("keys_strings", vec!["a"]);
        let error = parse_error(&keys());
        assert!(error.contains("needs values: values_strings"), "{error}");
        let error = parse_error(&keys().with("keys_int64s", vec![1]).with("values_int64s", vec![1]));
        assert!(error.contains("one list of keys"), "{error}");
        let error = parse_error(&keys().with("values_int64s", vec![1, 2]));
        assert!(error.contains("as many values as keys, not 2 for 1"), "{error}");
        let error = parse_error(
            &keys()
                .with("values_int64s", vec![1])
                .with("default_tensor", vector(TensorData::Fp32(vec![1.0]))),
        );
        assert!(
            error.contains("values of INT64, but its default_tensor is FP32"),
            "{error}"
        );
        let error = parse_error(
            &keys()
                .with("values_int64s", vec![1])
                .with("default_tensor", vector(TensorData::Int64(vec![1, 2]))),
        );
        assert!(error.contains("default_tensor"), "{error}");
        let error = run_error(
            &keys().with("values_int64s", vec![1]),
            vec![vector(TensorData::Int64(vec![1]))],
        );
        assert_eq!(error, "LabelEncoder has keys of BYTES, but its input is INT64");
        let error = parse_error(&encoder(1));
        assert!(error.contains("classes_strings"), "{error}");
    }
}
