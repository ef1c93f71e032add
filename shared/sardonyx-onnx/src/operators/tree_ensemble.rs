//! What the two tree ensemble operators share.

use std::borrow::Cow;

use sardonyx_core::tensor::{Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{TDim, TractResult, bail, ensure};

use super::attributes::{NumberList, floats_or_tensor, integers};
use super::operator::{Fact, single};
use crate::trees::{EnsembleAttributes, NodeMode};

/// The attributes of either operator, in the precision in which the model gives them. Which one is computed in is the input's.
#[derive(Clone, Debug)]
pub(super) enum Attributes {
    Single(EnsembleAttributes<f32>, Vec<f32>),
    Double(EnsembleAttributes<f64>, Vec<f64>),
}

impl Attributes {
    /// `prefix` is `class` or `target`.
    pub(super) fn read(context: &ParsingContext, node: &NodeProto, prefix: &str) -> TractResult<Self> {
        let values = floats_or_tensor(context, node, "nodes_values")?;
        let weights = floats_or_tensor(context, node, &format!("{prefix}_weights"))?;
        let base_values = floats_or_tensor(context, node, "base_values")?;
        Ok(match (values, weights, base_values) {
            (NumberList::Single(values), NumberList::Single(weights), NumberList::Single(base_values)) => {
                Self::Single(trees(node, prefix, values, weights)?, base_values)
            }
            (values, weights, base_values) => Self::Double(
                trees(node, prefix, values.into_double(), weights.into_double())?,
                base_values.into_double(),
            ),
        })
    }

    /// For inputs in single precision, and for integers, which are compared as such.
    pub(super) fn single(&self) -> TractResult<(&EnsembleAttributes<f32>, &[f32])> {
        match self {
            Self::Single(trees, base_values) => Ok((trees, base_values)),
            Self::Double(..) => bail!("thresholds and weights are doubles, so the input must be double too"),
        }
    }

    /// For inputs in double precision.
    pub(super) fn double(&self) -> (Cow<'_, EnsembleAttributes<f64>>, Cow<'_, [f64]>) {
        let widen = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        match self {
            Self::Single(trees, base_values) => (Cow::Owned(trees.map(widen)), Cow::Owned(widen(base_values))),
            Self::Double(trees, base_values) => (Cow::Borrowed(trees), Cow::Borrowed(base_values)),
        }
    }
}

fn trees<T>(
    node: &NodeProto,
    prefix: &str,
    nodes_values: Vec<T>,
    weights: Vec<T>,
) -> TractResult<EnsembleAttributes<T>> {
    let modes = node.get_attr_opt_tvec::<&str>("nodes_modes")?.unwrap_or_default();
    let nodes_modes = modes
        .iter()
        .map(|mode| mode.parse::<NodeMode>())
        .collect::<Result<_, _>>()
        .or_else(|problem| node.bail_attr("nodes_modes", &problem))?;
    Ok(EnsembleAttributes {
        nodes_treeids: integers(node, "nodes_treeids")?,
        nodes_nodeids: integers(node, "nodes_nodeids")?,
        nodes_featureids: integers(node, "nodes_featureids")?,
        nodes_modes,
        nodes_values,
        nodes_truenodeids: integers(node, "nodes_truenodeids")?,
        nodes_falsenodeids: integers(node, "nodes_falsenodeids")?,
        nodes_missing_value_tracks_true: integers(node, "nodes_missing_value_tracks_true")?,
        weight_treeids: integers(node, &format!("{prefix}_treeids"))?,
        weight_nodeids: integers(node, &format!("{prefix}_nodeids"))?,
        weight_ids: integers(node, &format!("{prefix}_ids"))?,
        weights,
    })
}

/// Checks the input of a tree ensemble: `[N, C]` with at least `features` columns, where that is known yet.
pub(super) fn check_input(operator: &str, inputs: &[Fact]) -> TractResult<TDim> {
    let input = single(operator, inputs)?;
    ensure!(
        input.shape.len() == 2,
        "{operator} takes rows of columns, [N, C], not a tensor of {} dimensions",
        input.shape.len()
    );
    Ok(input.shape[0].clone())
}

pub(super) fn check_columns(columns: usize, features: usize) -> TractResult<()> {
    ensure!(
        columns >= features.max(1),
        "the trees test {features} features, but the rows have {columns}"
    );
    Ok(())
}

/// The input in single precision; integers are compared as such.
pub(super) fn singles(input: &Tensor) -> TractResult<Cow<'_, [f32]>> {
    Ok(match input.data() {
        TensorData::Fp32(values) => Cow::Borrowed(values),
        TensorData::Int64(values) => values.iter().map(|value| *value as f32).collect(),
        TensorData::Int32(values) => values.iter().map(|value| *value as f32).collect(),
        other => bail!("trees do not take {}", other.datatype()),
    })
}

pub(super) fn doubles(input: &Tensor) -> TractResult<&[f64]> {
    match input.data() {
        TensorData::Fp64(values) => Ok(values),
        other => bail!("trees in double precision do not take {}", other.datatype()),
    }
}
