use std::sync::OnceLock;

use bytes::Bytes;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use crate::proto::TensorProto;

/// A tensor that is the same in each run. Large floats are taken out of the model's file when somebody reads them as such: the weights of a net
/// go from there into the layout of their kernel, and the first touch of a copy's pages would cost more than that.
#[derive(Debug)]
pub struct Constant {
    datatype: Datatype,
    shape: Vec<usize>,
    /// Little-endian, as many as the shape has.
    floats: Bytes,
    tensor: OnceLock<Tensor>,
}

impl Constant {
    /// Floats as the file of a model has them. `None` for other tensors.
    pub(crate) fn of_floats(proto: &TensorProto, raw_data: Bytes) -> Option<Self> {
        let shape = proto.shape_of_floats(&raw_data)?;
        Some(Self {
            datatype: Datatype::Fp32,
            shape,
            floats: raw_data,
            tensor: OnceLock::new(),
        })
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
            let values = self.little_endian().iter().map(|bytes| f32::from_le_bytes(*bytes));
            let data = TensorData::Fp32(values.collect());
            Tensor::new(self.shape.clone(), data).expect("there are as many floats as the shape has")
        })
    }

    /// The floats of the file, if nobody has read them yet.
    pub(crate) fn unread_floats(&self) -> Option<&[[u8; 4]]> {
        self.tensor.get().is_none().then(|| self.little_endian())
    }

    fn little_endian(&self) -> &[[u8; 4]] {
        self.floats.as_chunks().0
    }
}

impl From<Tensor> for Constant {
    fn from(tensor: Tensor) -> Self {
        Self {
            datatype: tensor.datatype(),
            shape: tensor.shape().to_vec(),
            floats: Bytes::new(),
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
