use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::attributes::{integers, texts};
use super::keys::{Duplicates, Keys};
use super::operator::{Fact, Kernel, Operator, UnacceptableValue, single};
use crate::operators::Context;
use crate::proto::NodeProto;

/// A one at the position of each element's category. For a category that is not known all are zeros, or, with `zeros=0`, the operator
/// fails.
///
/// Numbers are cut off to integers. As in ONNX Runtime, the last of equal categories counts, and a NaN or a float beyond the integers is
/// the least integer.
///
/// # Shapes
/// X `[..]` of strings where the categories are strings, else of integers or floats; with K categories the output is `f32` `[.., K]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_OneHotEncoder.html>
#[derive(Debug)]
struct OneHotEncoder {
    categories: Keys,
    zeros: bool,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let integers = integers(node, "cats_int64s")?;
    let texts = texts(node, "cats_strings")?;
    let categories = match (integers.is_empty(), texts.is_empty()) {
        (false, true) => Keys::integers(&integers, Duplicates::Last),
        (true, false) => Keys::texts(&texts, Duplicates::Last),
        (true, true) => bail!("OneHotEncoder needs categories: cats_int64s or cats_strings"),
        (false, false) => bail!("OneHotEncoder takes one of cats_int64s and cats_strings, not both"),
    };
    Ok(Arc::new(OneHotEncoder {
        categories,
        zeros: node.optional::<i64>("zeros")?.unwrap_or(1) != 0,
    }))
}

impl Operator for OneHotEncoder {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("OneHotEncoder", inputs)?;
        let is_text = input.datatype == Datatype::Bytes;
        ensure!(
            is_text == (self.categories.datatype() == Datatype::Bytes) && input.datatype != Datatype::Bool,
            "OneHotEncoder has categories of {}, but its input is {}",
            self.categories.datatype(),
            input.datatype
        );
        let mut shape = input.shape.clone();
        shape.push(self.categories.len().to_dim());
        Ok(vec![Fact::new(Datatype::Fp32, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for OneHotEncoder {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("OneHotEncoder", inputs)?;
        let positions = match input.data() {
            data @ (TensorData::Bytes(_) | TensorData::Int64(_)) => self.categories.positions(data)?,
            TensorData::Int32(values) => self.of_integers(values.iter().map(|&value| value.into()))?,
            TensorData::Fp32(values) => self.of_integers(values.iter().map(|&value| cut_off(value.into())))?,
            TensorData::Fp64(values) => self.of_integers(values.iter().map(|&value| cut_off(value)))?,
            other => bail!("OneHotEncoder does not take {}", other.datatype()),
        };
        let columns = self.categories.len();
        let mut ones = vec![0f32; positions.len() * columns];
        for (row, position) in ones.chunks_exact_mut(columns).zip(positions) {
            match row.get_mut(position) {
                Some(one) => *one = 1.0,
                None if self.zeros => {}
                None => {
                    let problem =
                        "OneHotEncoder was given a category that it does not know, and zeros=0 makes that an error";
                    return Err(UnacceptableValue(problem.into()).into());
                }
            }
        }
        let mut shape = input.shape().to_vec();
        shape.push(columns);
        Ok(vec![Tensor::new(shape, TensorData::Fp32(ones))?])
    }
}

impl OneHotEncoder {
    fn of_integers(&self, values: impl Iterator<Item = i64>) -> Result<Vec<usize>> {
        self.categories.positions(&TensorData::Int64(values.collect()))
    }
}

/// The integer towards zero; the least one where there is none.
fn cut_off(value: f64) -> i64 {
    let integers = -(2f64.powi(63))..2f64.powi(63);
    if integers.contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, node, parse_error, run, run_error, texts};
    use super::*;

    fn integers() -> Node {
        node("ai.onnx.ml", "OneHotEncoder").with("cats_int64s", vec![0, 1, 2, i64::MIN])
    }

    #[test]
    fn floats_are_cut_off_and_a_nan_is_the_least_integer() {
        let ones = [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0].map(|one| one as f32);
        for data in [
            TensorData::Fp32(vec![1.7, -0.5, f32::NAN, 1e30, -1.9]),
            TensorData::Fp64(vec![1.7, -0.5, f64::NAN, 1e300, -1.9]),
        ] {
            let output = run(&integers(), vec![Tensor::new(vec![5], data).expect("fits")]);
            assert_eq!(
                output,
                Tensor::new(vec![5, 4], TensorData::Fp32(ones.to_vec())).expect("fits")
            );
        }
    }

    #[test]
    fn the_last_of_equal_categories_counts_and_any_rank_gets_one_more_dimension() {
        let node = node("ai.onnx.ml", "OneHotEncoder").with("cats_int64s", vec![0, 1, 0]);
        let input = Tensor::new(vec![1, 2, 1], TensorData::Int32(vec![1, 0])).expect("fits");
        let output = run(&node, vec![input]);
        assert_eq!(output.shape(), [1, 2, 1, 3]);
        assert_eq!(output.data(), &TensorData::Fp32(vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
    }

    #[test]
    fn an_unknown_category_is_zeros_or_an_error() {
        let categories = || node("ai.onnx.ml", "OneHotEncoder").with("cats_strings", vec!["a", "é"]);
        let output = run(&categories(), vec![texts([2, 1], ["é", "b"])]);
        assert_eq!(output.data(), &TensorData::Fp32(vec![0.0, 1.0, 0.0, 0.0]));
        let error = run_error(&categories().with("zeros", 0), vec![texts([2, 1], ["é", "b"])]);
        assert!(error.contains("zeros=0"), "{error}");
    }

    #[test]
    fn attributes_that_do_not_fit_are_refused() {
        let empty = parse_error(&node("ai.onnx.ml", "OneHotEncoder"));
        assert!(empty.contains("cats_int64s or cats_strings"), "{empty}");
        let both = parse_error(&integers().with("cats_strings", vec!["a"]));
        assert!(both.contains("not both"), "{both}");
        let broken = parse_error(&node("ai.onnx.ml", "OneHotEncoder").with("cats_strings", vec![&[0xff_u8][..]]));
        assert!(broken.contains("must be UTF-8"), "{broken}");
        let other = run_error(&integers(), vec![texts([1], ["a"])]);
        assert!(other.contains("categories of INT64, but its input is BYTES"), "{other}");
    }
}
