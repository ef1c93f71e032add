use std::sync::Arc;

use anyhow::{Result, bail};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::attributes::{integers, texts};
use super::keys::{Duplicates, Keys};
use super::operator::{Fact, Kernel, Operator, single};
use super::values::Values;
use crate::operators::Context;
use crate::proto::NodeProto;

/// Strings to integers, or integers to strings, by two lists: which way, the type of the input says. The last of equal categories counts,
/// as in ONNX Runtime.
///
/// Version 1 of LabelEncoder is the same with 0, 1, … as the integers.
///
/// # Shapes
/// X `[..]`, strings or `i64`; the output has its shape, `i64` for strings and strings for `i64`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_CategoryMapper.html>
#[derive(Debug)]
struct CategoryMapper {
    operator: &'static str,
    texts: Keys,
    integers: Keys,
    /// By the position of the text, the default last.
    integer_of_text: Values,
    /// By the position of the integer, the default last.
    text_of_integer: Values,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let texts = texts(node, "cats_strings")?;
    let integers = integers(node, "cats_int64s")?;
    node.expect("cats_strings", !texts.is_empty(), "at least one category")?;
    node.expect(
        "cats_int64s",
        integers.len() == texts.len(),
        "as many categories as in cats_strings",
    )?;
    mapper("CategoryMapper", node, texts, integers)
}

/// A mapper between the elements of two lists of one length.
pub(super) fn mapper(
    operator: &'static str,
    node: &NodeProto,
    mut texts: Vec<String>,
    mut integers: Vec<i64>,
) -> Result<Arc<dyn Operator>> {
    let text_keys = Keys::texts(&texts, Duplicates::Last);
    let integer_keys = Keys::integers(&integers, Duplicates::Last);
    texts.push(node.optional("default_string")?.unwrap_or_else(|| "_Unused".to_owned()));
    integers.push(node.optional("default_int64")?.unwrap_or(-1));
    Ok(Arc::new(CategoryMapper {
        operator,
        texts: text_keys,
        integers: integer_keys,
        integer_of_text: Values::Integers(integers),
        text_of_integer: Values::Texts(texts),
    }))
}

impl CategoryMapper {
    fn table(&self, input: Datatype) -> Result<(&Keys, &Values)> {
        match input {
            Datatype::Bytes => Ok((&self.texts, &self.integer_of_text)),
            Datatype::Int64 => Ok((&self.integers, &self.text_of_integer)),
            other => bail!("{} takes BYTES or INT64, not {other}", self.operator),
        }
    }
}

impl Operator for CategoryMapper {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single(self.operator, inputs)?;
        let (_, values) = self.table(input.datatype)?;
        Ok(vec![Fact::new(values.datatype(), input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for CategoryMapper {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single(self.operator, inputs)?;
        let (keys, values) = self.table(input.datatype())?;
        let data: TensorData = values.pick(&keys.positions(input.data())?);
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, node, parse_error, run, run_error, texts};
    use super::*;

    fn mapper() -> Node {
        node("ai.onnx.ml", "CategoryMapper")
            .with("cats_strings", vec!["a", "b", "a", "c"])
            .with("cats_int64s", vec![5, 6, 7, 5])
    }

    #[test]
    fn the_type_of_the_input_says_which_way() {
        let output = run(&mapper(), vec![texts([3, 1], ["a", "b", "z"])]);
        assert_eq!(
            output,
            Tensor::new(vec![3, 1], TensorData::Int64(vec![7, 6, -1])).expect("fits")
        );
        let input = Tensor::new(vec![4], TensorData::Int64(vec![5, 6, 7, 8])).expect("fits");
        assert_eq!(run(&mapper(), vec![input]), texts([4], ["c", "b", "a", "_Unused"]));
    }

    #[test]
    fn defaults_stand_for_what_is_not_known() {
        let node = mapper().with("default_int64", -7).with("default_string", "?");
        assert_eq!(run(&node, vec![texts([1], ["z"])]).data(), &TensorData::Int64(vec![-7]));
        let input = Tensor::new(vec![1], TensorData::Int64(vec![0])).expect("fits");
        assert_eq!(run(&node, vec![input]), texts([1], ["?"]));
    }

    #[test]
    fn lists_of_different_lengths_and_other_types_are_refused() {
        let error = parse_error(&mapper().with("cats_int64s", vec![1]));
        assert!(error.contains("cats_int64s") && error.contains("as many"), "{error}");
        let error = parse_error(&node("ai.onnx.ml", "CategoryMapper"));
        assert!(error.contains("cats_strings"), "{error}");
        let float = Tensor::new(vec![1], TensorData::Fp32(vec![5.0])).expect("fits");
        assert_eq!(
            run_error(&mapper(), vec![float]),
            "CategoryMapper takes BYTES or INT64, not FP32"
        );
    }
}
