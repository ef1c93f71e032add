//! Operators of `ai.onnx` that exporters put around those of `ai.onnx.ml`, for the direct executor. A fallback has its own.

mod arg_extremum;
mod arithmetic;
mod batch_normalization;
mod broadcast;
mod cast;
mod clip;
mod comparison;
mod concat;
mod constant;
mod cum_sum;
pub(super) mod elementwise;
mod gather;
mod gather_elements;
mod identity;
mod layer_normalization;
mod logic;
mod lp_normalization;
mod number;
mod product;
pub(super) mod reduce;
mod reshape;
mod scan;
mod select;
mod shape;
mod slice;
mod softmax;
mod squeeze;
#[cfg(test)]
mod tests;
mod tile;
mod top_k;
mod transpose;

use anyhow::{Result, anyhow, bail, ensure};
use sardonyx_core::tensor::{Tensor, TensorData};
use tract_data::internal::DimLike;

pub(crate) use product::is_matrix_by_output;

use super::operator::{MAX_SIZES, Parse, Registration, is_short};
use super::{Context, DEFAULT_DOMAIN};
use crate::graph::MAX_ELEMENTS;
use crate::proto::NodeProto;

const REGISTRY: &[Registration] = &[
    standard("Abs", elementwise::parse),
    standard("Add", arithmetic::parse),
    standard("And", logic::parse),
    standard("ArgMax", arg_extremum::parse),
    standard("ArgMin", arg_extremum::parse),
    standard("BatchNormalization", batch_normalization::parse),
    standard("Cast", cast::parse),
    standard("Clip", clip::parse),
    standard("Concat", concat::parse),
    standard("Constant", constant::parse),
    standard("ConstantOfShape", shape::parse_constant),
    standard("CumSum", cum_sum::parse),
    standard("Div", arithmetic::parse),
    standard("Elu", elementwise::parse),
    standard("Equal", comparison::parse),
    standard("Erf", elementwise::parse),
    standard("Exp", elementwise::parse),
    standard("Flatten", reshape::parse_flatten),
    standard("Gather", gather::parse),
    standard("GatherElements", gather_elements::parse),
    standard("Gemm", product::parse_gemm),
    standard("Greater", comparison::parse),
    standard("GreaterOrEqual", comparison::parse),
    standard("HardSwish", elementwise::parse),
    standard("Identity", identity::parse),
    standard("LayerNormalization", layer_normalization::parse),
    standard("LeakyRelu", elementwise::parse),
    standard("Less", comparison::parse),
    standard("LessOrEqual", comparison::parse),
    standard("Log", elementwise::parse),
    standard("LpNormalization", lp_normalization::parse),
    standard("MatMul", product::parse_mat_mul),
    standard("Max", arithmetic::parse),
    standard("Min", arithmetic::parse),
    standard("Mish", elementwise::parse),
    standard("Mul", arithmetic::parse),
    standard("Neg", elementwise::parse),
    standard("Not", logic::parse),
    standard("Or", logic::parse),
    standard("Pow", arithmetic::parse),
    standard("Reciprocal", elementwise::parse),
    standard("ReduceL1", reduce::parse),
    standard("ReduceL2", reduce::parse),
    standard("ReduceMax", reduce::parse),
    standard("ReduceMean", reduce::parse),
    standard("ReduceMin", reduce::parse),
    standard("ReduceProd", reduce::parse),
    standard("ReduceSum", reduce::parse),
    standard("ReduceSumSquare", reduce::parse),
    standard("Relu", elementwise::parse),
    standard("Reshape", reshape::parse),
    standard("Scan", scan::parse),
    standard("Shape", shape::parse),
    standard("Sigmoid", elementwise::parse),
    standard("Sign", elementwise::parse),
    standard("Sin", elementwise::parse),
    standard("Slice", slice::parse),
    standard("Softmax", softmax::parse),
    standard("Sqrt", elementwise::parse),
    standard("Squeeze", squeeze::parse),
    standard("Sub", arithmetic::parse),
    standard("Sum", arithmetic::parse),
    standard("Tanh", elementwise::parse),
    standard("Tile", tile::parse),
    standard("TopK", top_k::parse),
    standard("Transpose", transpose::parse),
    standard("Unsqueeze", squeeze::parse),
    standard("Where", select::parse),
    standard("Xor", logic::parse),
];

const fn standard(name: &'static str, parse: Parse) -> Registration {
    Registration {
        domain: "ai.onnx",
        name,
        parse,
    }
}

/// The operator of this name. No domain means `ai.onnx`.
pub(super) fn find(domain: &str, name: &str) -> Option<&'static Registration> {
    let is_standard = matches!(domain, "" | "ai.onnx");
    REGISTRY
        .iter()
        .find(|registration| is_standard && registration.name == name)
}

/// The operators of `ai.onnx` for which a fallback has its own.
pub fn names() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|registration| registration.name)
}

/// The integers of an input that is constant.
fn constant_integers(context: &Context, operator: &str, name: &str) -> Result<Vec<i64>> {
    match (context.constant)(name)?.map(Tensor::into_data) {
        Some(TensorData::Int64(integers)) => Ok(integers),
        Some(TensorData::Int32(integers)) => Ok(integers.into_iter().map(i64::from).collect()),
        Some(other) => bail!("{operator} takes {name:?} of INT64, not {}", other.datatype()),
        None => bail!("{operator} takes here only constants, and {name:?} is none"),
    }
}

/// The axes of a node: its second input, which is constant, or before there was one an attribute.
fn axes(context: &Context, node: &NodeProto) -> Result<Option<Vec<i64>>> {
    let axes = match node.input.get(1).filter(|name| !name.is_empty()) {
        Some(name) => Some(constant_integers(context, &node.op_type, name)?),
        None => node.optional::<&[i64]>("axes")?.map(<[i64]>::to_vec),
    };
    ensure!(
        axes.as_ref().is_none_or(|axes| axes.len() <= MAX_SIZES),
        "{} takes no more axes than a tensor has",
        node.op_type
    );
    Ok(axes)
}

/// Whether a node has what it works with as inputs, which it has since a version of its operator set; before, they are attributes.
fn has_inputs(context: &Context, node: &NodeProto, since: i64, most: usize) -> Result<bool> {
    let has_inputs = context.version(DEFAULT_DOMAIN) >= since;
    let fits = if has_inputs {
        node.input.len() <= most && node.attribute.is_empty()
    } else {
        node.input.len() <= 1
    };
    ensure!(
        fits,
        "{} has only attributes before operator set {since}, and only inputs since then, {most} at the most",
        node.op_type
    );
    Ok(has_inputs)
}

/// The elements of positions or sizes.
fn integers(operator: &str, tensor: &Tensor) -> Result<Vec<i64>> {
    match tensor.data() {
        TensorData::Int64(integers) => Ok(integers.clone()),
        TensorData::Int32(integers) => Ok(integers.iter().copied().map(i64::from).collect()),
        other => bail!("{operator} takes INT32 or INT64 there, not {}", other.datatype()),
    }
}

/// How many elements a tensor of this shape has; of nothing there may be many positions.
fn elements(shape: &[usize]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().fold(1, |count, size| count.saturating_mul(*size))
}

/// The product of sizes, which may depend on the batch.
fn product<D: DimLike>(operator: &str, sizes: &[D]) -> Result<D> {
    // Of nothing there may be many positions.
    if sizes.contains(&D::zero()) {
        return Ok(D::zero());
    }
    sizes.iter().try_fold(D::one(), |product, size| {
        let fits = match (product.to_i64(), size.to_i64()) {
            (Ok(product), Ok(size)) => product.checked_mul(size).is_some(),
            (Ok(factor), Err(_)) | (Err(_), Ok(factor)) => factor <= MAX_ELEMENTS as i64,
            _ => true,
        };
        let product = fits.then(|| product * size);
        product
            .filter(|product| is_short(&product.to_dim()))
            .ok_or_else(|| anyhow!("{operator} makes no dimension of so many"))
    })
}

/// How many elements a tensor has that is made here.
fn count(operator: &str, shape: &[usize]) -> Result<usize> {
    let count = elements(shape);
    ensure!(
        count <= MAX_ELEMENTS as usize,
        "{operator} makes no tensor of the shape {shape:?} here"
    );
    Ok(count)
}

/// How many bytes the texts of a tensor may have that is made here.
const MAX_TEXT_BYTES: usize = 1 << if cfg!(fuzzing) { 24 } else { 30 };

/// How many bytes the texts of a tensor have.
fn text_bytes(data: &TensorData) -> usize {
    match data {
        TensorData::Bytes(texts) => texts.iter().map(String::len).sum(),
        _ => 0,
    }
}

/// Where each lane along an axis begins, in a tensor with elements.
fn lanes(shape: &[usize], axis: usize) -> impl Iterator<Item = usize> {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let apart = shape[axis] * inner;
    (0..outer).flat_map(move |outer| (0..inner).map(move |inner| outer * apart + inner))
}

/// The axis that an attribute means, counted from the end when negative.
fn axis(operator: &str, axis: i64, rank: usize) -> Result<usize> {
    from_start(axis, rank)
        .ok_or_else(|| anyhow!("{operator} works on axis {axis}, but its input has {rank} dimensions"))
}

/// A position, counted from the end when negative, if there is one.
pub(super) fn from_start(position: i64, size: usize) -> Option<usize> {
    let from_start = if position < 0 {
        position.saturating_add_unsigned(size as u64)
    } else {
        position
    };
    usize::try_from(from_start).ok().filter(|position| *position < size)
}
