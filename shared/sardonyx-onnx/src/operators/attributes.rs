//! Attributes of nodes, read strictly: an attribute of another type than the specification's is an error, not absent.

use std::str::FromStr;

use anyhow::Result;
use sardonyx_core::tensor::{Tensor, TensorData};

use crate::proto::{NarrowIntegers, NodeProto, TensorProto};

/// A text attribute that is one of a few names.
pub(super) fn parse_or_default<T>(node: &NodeProto, name: &str) -> Result<T>
where
    T: FromStr<Err = String> + Default,
{
    match node.optional::<&str>(name)? {
        None => Ok(T::default()),
        Some(text) => text.parse().or_else(|problem: String| node.refuse(name, &problem)),
    }
}

pub(super) fn integers(node: &NodeProto, name: &str) -> Result<Vec<i64>> {
    Ok(node.optional::<&[i64]>(name)?.unwrap_or_default().to_vec())
}

/// A list of integers that the reader of the file makes shorter where there are many.
pub(super) fn many_integers(node: &NodeProto, name: &str) -> Result<NarrowIntegers> {
    let integers = node.optional::<&[i64]>(name)?.unwrap_or_default();
    let short = node.attribute(name).map_or(&[][..], |attribute| &attribute.s);
    match NarrowIntegers::from_bytes(short) {
        Some(list) if integers.is_empty() => Ok(list),
        _ if short.is_empty() => {
            let mut list = NarrowIntegers::default();
            list.extend_from_slice(integers);
            Ok(list)
        }
        _ => node.refuse(name, "must be a list of integers, without a text"),
    }
}

pub(super) fn texts(node: &NodeProto, name: &str) -> Result<Vec<String>> {
    Ok(node.optional::<Vec<String>>(name)?.unwrap_or_default())
}

pub(super) fn floats(node: &NodeProto, name: &str) -> Result<Vec<f32>> {
    Ok(node.optional::<&[f32]>(name)?.unwrap_or_default().to_vec())
}

/// Numbers that ONNX gives either as `name`, in single precision, or as `{name}_as_tensor`.
pub(super) fn floats_or_tensor(node: &NodeProto, name: &str) -> Result<NumberList> {
    let tensor_name = format!("{name}_as_tensor");
    let floats = floats(node, name)?;
    let tensor = node
        .optional::<&TensorProto>(&tensor_name)?
        .map(TensorProto::to_tensor)
        .transpose()?
        .filter(|tensor| !tensor.data().is_empty());
    let Some(tensor) = tensor else {
        return Ok(NumberList::Single(floats));
    };
    node.expect(
        &tensor_name,
        floats.is_empty(),
        "to be alone: the list of floats is there too",
    )?;
    NumberList::of_tensor(node, &tensor_name, tensor)
}

/// Numbers in the precision in which the model gives them.
#[derive(Clone, Debug)]
pub(super) enum NumberList {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl NumberList {
    /// The elements of a tensor that is an attribute.
    pub(super) fn of_tensor(node: &NodeProto, name: &str, tensor: Tensor) -> Result<Self> {
        match tensor.into_data() {
            TensorData::Fp32(values) => Ok(Self::Single(values)),
            TensorData::Fp64(values) => Ok(Self::Double(values)),
            other => node.refuse(
                name,
                format_args!("has elements of the type {}, not FP32 or FP64", other.datatype()),
            ),
        }
    }

    pub(super) fn into_double(self) -> Vec<f64> {
        match self {
            Self::Single(values) => values.into_iter().map(f64::from).collect(),
            Self::Double(values) => values,
        }
    }
}
