use std::sync::OnceLock;

use bytes::Bytes;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use crate::dense::Matrix;
use crate::proto::TensorProto;

/// A tensor that is the same in each run. Large floats are taken out of the model's file when somebody reads them as such: the weights of a net
/// go from there into the layout of their kernel, or are in it, and the first touch of a copy's pages would cost more than that.
#[derive(Debug)]
pub struct Constant {
    datatype: Datatype,
    shape: Vec<usize>,
    file: InFile,
    tensor: OnceLock<Tensor>,
}

/// Floats as they are in the file of a model.
#[derive(Debug)]
pub(crate) enum InFile {
    /// They are not.
    Nothing,
    /// Little-endian, as many as the shape has.
    Floats(Bytes),
    /// In panels.
    Matrix(Matrix),
}

impl Constant {
    /// Floats as the file of a model has them. `None` for other tensors.
    pub(crate) fn of_floats(proto: &TensorProto, raw_data: Bytes) -> Option<Self> {
        let shape = proto.shape_of_floats(&raw_data)?;
        Some(Self::of_file(shape, InFile::Floats(raw_data)))
    }

    fn of_file(shape: Vec<usize>, file: InFile) -> Self {
        Self {
            datatype: Datatype::Fp32,
            shape,
            file,
            tensor: OnceLock::new(),
        }
    }

    /// The type of its elements.
    pub fn datatype(&self) -> Datatype {
        self.datatype
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The tensor.
    pub fn tensor(&self) -> &Tensor {
        self.tensor.get_or_init(|| {
            let values = match &self.file {
                InFile::Nothing => Vec::new(),
                InFile::Floats(bytes) => floats(bytes).iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
                InFile::Matrix(matrix) => matrix.elements(),
            };
            Tensor::new(self.shape.clone(), TensorData::Fp32(values))
                .expect("there are as many floats as the shape has")
        })
    }

    /// What is in the file.
    pub(crate) fn in_file(&self) -> &InFile {
        &self.file
    }
}

/// The floats in bytes of a file.
pub(crate) fn floats(bytes: &[u8]) -> &[[u8; 4]] {
    bytes.as_chunks().0
}

impl From<Matrix> for Constant {
    fn from(matrix: Matrix) -> Self {
        Self::of_file(matrix.shape().to_vec(), InFile::Matrix(matrix))
    }
}

impl From<Tensor> for Constant {
    fn from(tensor: Tensor) -> Self {
        Self {
            datatype: tensor.datatype(),
            shape: tensor.shape().to_vec(),
            file: InFile::Nothing,
            tensor: OnceLock::from(tensor),
        }
    }
}

impl From<Constant> for Tensor {
    fn from(constant: Constant) -> Self {
        constant.tensor();
        constant.tensor.into_inner().expect("it has just been read")
    }
}

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        self.tensor() == other.tensor()
    }
}
