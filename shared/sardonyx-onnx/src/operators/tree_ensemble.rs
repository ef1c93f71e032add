//! What the tree ensemble operators share.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::{DimLike, TDim};

use super::attributes::{NumberList, floats_or_tensor, many_integers};
use super::operator::{Fact, single};
use crate::operators::Context;
use crate::proto::{NarrowIntegers, NodeProto};
use crate::trees::{self, Ensemble, NodeMode, Scalar, WeightForm};

/// The attributes that list trees.
pub(crate) type TreeLists<T> = trees::EnsembleAttributes<T, NarrowIntegers>;

/// The trees of a node, in the precision in which the model gives them. Which one is computed in is the input's.
#[derive(Debug)]
pub(super) enum Trees {
    Single(Arc<TreeLists<f32>>, Vec<f32>),
    Double(Arc<TreeLists<f64>>, Vec<f64>),
    /// In the precision of the input.
    Packed(PackedTrees, NumberList),
}

/// The trees of a packed model, ready to run.
#[derive(Debug)]
pub(super) struct PackedTrees {
    /// Of a classifier.
    form: Option<WeightForm>,
    trees: Precise<Arc<Ensemble<f32>>, Arc<Ensemble<f64>>>,
}

impl PackedTrees {
    fn read(bytes: &[u8], is_classifier: bool) -> Result<Self> {
        let (form, bytes) = if is_classifier {
            let (form, bytes) = WeightForm::split_from(bytes)?;
            (Some(form), bytes)
        } else {
            (None, bytes)
        };
        let trees = if trees::is_double(bytes) {
            Precise::Double(Arc::new(Ensemble::from_bytes(bytes)?))
        } else {
            Precise::Single(Arc::new(Ensemble::from_bytes(bytes)?))
        };
        Ok(Self { form, trees })
    }
}

/// What an ensemble is made of.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, for a moment")]
pub(super) enum Source<'a, T: Scalar> {
    Lists(Cow<'a, TreeLists<T>>),
    Packed(Option<WeightForm>, Arc<Ensemble<T>>),
}

/// Something in the precision of the input.
#[derive(Debug)]
pub(super) enum Precise<S, D> {
    Single(S),
    Double(D),
}

impl Trees {
    /// Reads the lists of ai.onnx.ml 1 to 3; `prefix` is `class` or `target`.
    pub(super) fn read(context: &Context, node: &NodeProto, prefix: &str) -> Result<Self> {
        let base_values = floats_or_tensor(node, "base_values")?;
        if let Some(packed) = context.packed_trees(node)? {
            return Ok(Self::Packed(PackedTrees::read(packed, prefix == "class")?, base_values));
        }
        let values = floats_or_tensor(node, "nodes_values")?;
        let weights = floats_or_tensor(node, &format!("{prefix}_weights"))?;
        Ok(match (values, weights, base_values) {
            (NumberList::Single(values), NumberList::Single(weights), NumberList::Single(base_values)) => {
                Self::Single(Arc::new(trees(node, prefix, values, weights)?), base_values)
            }
            (values, weights, base_values) => Self::Double(
                Arc::new(trees(node, prefix, values.into_double(), weights.into_double())?),
                base_values.into_double(),
            ),
        })
    }

    /// The trees of a packed model whose operator gives no classes.
    pub(super) fn packed(context: &Context, node: &NodeProto) -> Result<Option<Self>> {
        let packed = context.packed_trees(node)?;
        packed
            .map(|bytes| {
                Ok(Self::Packed(
                    PackedTrees::read(bytes, false)?,
                    NumberList::Single(vec![]),
                ))
            })
            .transpose()
    }

    /// For inputs in single precision, and for integers, which are compared as such.
    pub(super) fn single(&self) -> Result<(Source<'_, f32>, Vec<f32>)> {
        match self {
            Self::Single(trees, base_values) => Ok((Source::Lists(Cow::Borrowed(trees)), base_values.clone())),
            Self::Packed(packed, NumberList::Single(base_values)) => match &packed.trees {
                Precise::Single(trees) => Ok((Source::Packed(packed.form, Arc::clone(trees)), base_values.clone())),
                Precise::Double(_) => bail!("the trees were packed for inputs in double precision"),
            },
            Self::Double(..) | Self::Packed(..) => {
                bail!("thresholds and weights are doubles, so the input must be double too")
            }
        }
    }

    /// For inputs in double precision.
    pub(super) fn double(&self) -> Result<(Source<'_, f64>, Vec<f64>)> {
        let widen = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        Ok(match self {
            Self::Single(trees, base_values) => (Source::Lists(Cow::Owned(trees.map(widen))), widen(base_values)),
            Self::Double(trees, base_values) => (Source::Lists(Cow::Borrowed(trees)), base_values.clone()),
            Self::Packed(packed, base_values) => match &packed.trees {
                Precise::Double(trees) => (
                    Source::Packed(packed.form, Arc::clone(trees)),
                    base_values.clone().into_double(),
                ),
                Precise::Single(_) => bail!("the trees were packed for inputs in single precision"),
            },
        })
    }
}

/// Whether an input is computed on in double precision.
pub(super) fn is_double(operator: &str, input: &Fact) -> Result<bool> {
    match input.datatype {
        Datatype::Fp64 => Ok(true),
        Datatype::Fp32 | Datatype::Int64 | Datatype::Int32 => Ok(false),
        other => bail!("{operator} does not take {other}"),
    }
}

fn trees<T>(node: &NodeProto, prefix: &str, nodes_values: Vec<T>, weights: Vec<T>) -> Result<TreeLists<T>> {
    let nodes_modes = modes(node)?;
    Ok(TreeLists {
        nodes_treeids: many_integers(node, "nodes_treeids")?,
        nodes_nodeids: many_integers(node, "nodes_nodeids")?,
        nodes_featureids: many_integers(node, "nodes_featureids")?,
        nodes_modes,
        nodes_values,
        nodes_truenodeids: many_integers(node, "nodes_truenodeids")?,
        nodes_falsenodeids: many_integers(node, "nodes_falsenodeids")?,
        nodes_missing_value_tracks_true: many_integers(node, "nodes_missing_value_tracks_true")?,
        weight_treeids: many_integers(node, &format!("{prefix}_treeids"))?,
        weight_nodeids: many_integers(node, &format!("{prefix}_nodeids"))?,
        weight_ids: many_integers(node, &format!("{prefix}_ids"))?,
        weights,
    })
}

fn modes(node: &NodeProto) -> Result<Vec<NodeMode>> {
    let Some(attribute) = node.attribute("nodes_modes") else {
        return Ok(vec![]);
    };
    // The reader of the file makes codes of them, unless there is one that it does not know.
    let codes = attribute.s.iter().map(|code| NodeMode::from_code(*code));
    let codes = codes.map(|mode| mode.ok_or_else(|| "there is an unknown one".to_owned()));
    let texts = attribute
        .strings
        .iter()
        .map(|text| String::from_utf8_lossy(text).parse());
    codes
        .chain(texts)
        .collect::<Result<_, _>>()
        .or_else(|problem| node.refuse("nodes_modes", &problem))
}

/// Whether an attribute is one of those of the tree ensemble operators, of all versions, that list the trees: what the flat form of a packed
/// model stands for.
pub(crate) fn lists_trees(attribute: &str) -> bool {
    let name = attribute.strip_suffix("_as_tensor").unwrap_or(attribute);
    name.starts_with("nodes_")
        || name.starts_with("leaf_")
        || matches!(name, "tree_roots" | "membership_values")
        || name
            .strip_prefix("class_")
            .or_else(|| name.strip_prefix("target_"))
            .is_some_and(|list| matches!(list, "treeids" | "nodeids" | "ids" | "weights"))
}

/// Whether such an attribute, where it is a list of integers, may be one of [`NarrowIntegers`]. The modes, which are texts, have codes in its place.
pub(crate) fn lists_integers_of_trees(attribute: &str) -> bool {
    lists_trees(attribute) && attribute != "nodes_modes"
}

/// Checks that the input of a tree ensemble is `[N, C]`, and gives N.
pub(super) fn check_input(operator: &str, inputs: &[Fact]) -> Result<TDim> {
    let input = single(operator, inputs)?;
    ensure!(
        input.shape.len() == 2,
        "{operator} takes rows of columns, [N, C], not a tensor of {} dimensions",
        input.shape.len()
    );
    Ok(input.shape[0].clone())
}

/// Checks the columns of an input, where they are known yet.
pub(super) fn check_declared_columns(input: &Fact, features: usize) -> Result<()> {
    match input.shape[1].to_usize() {
        Ok(columns) => check_columns(columns, features),
        Err(_) => Ok(()),
    }
}

/// The rows and columns of an input, of which there must be enough.
pub(super) fn rows_and_columns(input: &Tensor, features: usize) -> Result<(usize, usize)> {
    let &[rows, columns] = input.shape() else {
        bail!("trees take rows of columns, [N, C]")
    };
    check_columns(columns, features)?;
    Ok((rows, columns))
}

fn check_columns(columns: usize, features: usize) -> Result<()> {
    ensure!(
        columns >= features.max(1),
        "the trees test {features} features, but the rows have {columns}"
    );
    Ok(())
}

/// The input in single precision; integers are compared as such.
pub(super) fn singles(input: &Tensor) -> Result<Cow<'_, [f32]>> {
    Ok(match input.data() {
        TensorData::Fp32(values) => Cow::Borrowed(values),
        TensorData::Int64(values) => values.iter().map(|value| *value as f32).collect(),
        TensorData::Int32(values) => values.iter().map(|value| *value as f32).collect(),
        other => bail!("trees do not take {}", other.datatype()),
    })
}

pub(super) fn doubles(input: &Tensor) -> Result<&[f64]> {
    match input.data() {
        TensorData::Fp64(values) => Ok(values),
        other => bail!("trees in double precision do not take {}", other.datatype()),
    }
}
