//! What classifiers answer with.

use anyhow::Result;
use sardonyx_core::tensor::{Datatype, TensorData};

use super::attributes::{integers, texts};
use crate::proto::NodeProto;

/// The classes, in the order of the scores.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Labels {
    Integers(Vec<i64>),
    Texts(Vec<String>),
}

impl Labels {
    /// Reads `classlabels_strings`, or else the attribute of this name, which the operators do not agree on.
    pub(super) fn read(node: &NodeProto, integers_name: &str) -> Result<Self> {
        let integers = integers(node, integers_name)?;
        let texts = texts(node, "classlabels_strings")?;
        match (integers.is_empty(), texts.is_empty()) {
            (true, true) => node.fail(format!("needs one of {integers_name} and classlabels_strings")),
            (false, true) => Ok(Self::Integers(integers)),
            (true, false) => Ok(Self::Texts(texts)),
            (false, false) => node.fail(format!("has both {integers_name} and classlabels_strings")),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Integers(labels) => labels.len(),
            Self::Texts(labels) => labels.len(),
        }
    }

    pub(super) fn datatype(&self) -> Datatype {
        match self {
            Self::Integers(_) => Datatype::Int64,
            Self::Texts(_) => Datatype::Bytes,
        }
    }

    /// The labels at these positions, all of which there are.
    pub(super) fn pick(&self, positions: impl IntoIterator<Item = usize>) -> TensorData {
        let positions = positions.into_iter();
        match self {
            Self::Integers(labels) => TensorData::Int64(positions.map(|at| labels[at]).collect()),
            Self::Texts(labels) => TensorData::Bytes(positions.map(|at| labels[at].clone()).collect()),
        }
    }
}

/// Where the greatest score is: the first of equals, and the first of all when that is a NaN.
pub(super) fn greatest(scores: &[f32]) -> usize {
    let Some((first, rest)) = scores.split_first() else {
        return 0;
    };
    let mut greatest = *first;
    let mut position = 0;
    // Without branches, since nobody can predict them.
    for (index, score) in rest.iter().enumerate() {
        let is_greater = *score > greatest;
        greatest = if is_greater { *score } else { greatest };
        position = if is_greater { index + 1 } else { position };
    }
    position
}
