//! What mappers give for their keys.

use sardonyx_core::tensor::{Datatype, TensorData};

/// Values by position.
#[derive(Clone, Debug)]
pub(super) enum Values {
    Integers(Vec<i64>),
    Shorts(Vec<i16>),
    Singles(Vec<f32>),
    Doubles(Vec<f64>),
    Texts(Vec<String>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Shorts(values) => values.len(),
            Self::Singles(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    pub(super) fn datatype(&self) -> Datatype {
        match self {
            Self::Integers(_) => Datatype::Int64,
            Self::Shorts(_) => Datatype::Int16,
            Self::Singles(_) => Datatype::Fp32,
            Self::Doubles(_) => Datatype::Fp64,
            Self::Texts(_) => Datatype::Bytes,
        }
    }

    /// The values at these positions, all of which there are.
    pub(super) fn pick(&self, positions: &[usize]) -> TensorData {
        let positions = positions.iter();
        match self {
            Self::Integers(values) => TensorData::Int64(positions.map(|&at| values[at]).collect()),
            Self::Shorts(values) => TensorData::Int16(positions.map(|&at| values[at]).collect()),
            Self::Singles(values) => TensorData::Fp32(positions.map(|&at| values[at]).collect()),
            Self::Doubles(values) => TensorData::Fp64(positions.map(|&at| values[at]).collect()),
            Self::Texts(values) => TensorData::Bytes(positions.map(|&at| values[at].clone()).collect()),
        }
    }
}
