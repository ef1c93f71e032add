//! Attributes of nodes, read strictly: an attribute of another type than the specification's is an error, not absent.

use std::str::FromStr;

use tract_onnx::pb::{AttributeProto, NodeProto};
use tract_onnx::prelude::tract_itertools::Itertools;
use tract_onnx::tract_hir::internal::*;

use crate::operators::Context;

/// A text attribute that is one of a few names.
pub(super) fn parse_or_default<T>(node: &NodeProto, name: &str) -> TractResult<T>
where
    T: FromStr<Err = String> + Default,
{
    match node.get_attr_opt::<&str>(name)? {
        None => Ok(T::default()),
        Some(text) => text.parse().or_else(|problem: String| node.bail_attr(name, &problem)),
    }
}

/// The attribute of this name, whatever its type.
pub(crate) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

pub(super) fn integers(node: &NodeProto, name: &str) -> TractResult<Vec<i64>> {
    Ok(node.get_attr_opt_slice::<i64>(name)?.unwrap_or_default().to_vec())
}

pub(super) fn texts(node: &NodeProto, name: &str) -> TractResult<Vec<String>> {
    let texts = node
        .get_attr_opt_tvec::<String>(name)
        .with_context(|| format!("the attribute {name} of {}", node.op_type))?;
    Ok(texts.map(|texts| texts.into_iter().collect_vec()).unwrap_or_default())
}

pub(super) fn floats(node: &NodeProto, name: &str) -> TractResult<Vec<f32>> {
    Ok(node.get_attr_opt_slice::<f32>(name)?.unwrap_or_default().to_vec())
}

/// The version of this operator set that the model imports.
pub(super) fn operator_set_version(context: &Context, domain: &str) -> i64 {
    let mut sets = context.model.opset_import.iter();
    sets.find(|set| set.domain == domain).map_or(1, |set| set.version)
}

/// Numbers that ONNX gives either as `name`, in single precision, or as `{name}_as_tensor`.
pub(super) fn floats_or_tensor(context: &Context, node: &NodeProto, name: &str) -> TractResult<NumberList> {
    let tensor_name = format!("{name}_as_tensor");
    let floats = floats(node, name)?;
    let tensor = node
        .get_attr_opt::<&tract_onnx::pb::TensorProto>(&tensor_name)?
        .map(|proto| context.load_tensor(proto))
        .transpose()?
        .filter(|tensor| tensor.len() > 0);
    let Some(tensor) = tensor else {
        return Ok(NumberList::Single(floats));
    };
    node.expect_attr(
        &tensor_name,
        floats.is_empty(),
        "to be alone: the list of floats is there too",
    )?;
    let view = tensor.try_as_plain_ram()?;
    match tensor.datum_type() {
        DatumType::F32 => Ok(NumberList::Single(view.as_slice::<f32>()?.to_vec())),
        DatumType::F64 => Ok(NumberList::Double(view.as_slice::<f64>()?.to_vec())),
        other => node.bail_attr(&tensor_name, &format!("has elements of type {other:?}")),
    }
}

/// Numbers in the precision in which the model gives them.
#[derive(Clone, Debug)]
pub(super) enum NumberList {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl NumberList {
    pub(super) fn into_double(self) -> Vec<f64> {
        match self {
            Self::Single(values) => values.into_iter().map(f64::from).collect(),
            Self::Double(values) => values,
        }
    }
}
