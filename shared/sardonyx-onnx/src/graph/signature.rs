//! The inputs and outputs that a graph declares.

use sardonyx_core::tensor::{Datatype, TensorSpec};

use crate::proto::tensor_shape_proto::dimension;
use crate::proto::type_proto::Value;
use crate::proto::{GraphProto, ValueInfoProto, datatype};

/// The name of the dimension that is the batch.
pub const BATCH: &str = "batch";

/// A dimension of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The same in each call.
    Fixed(usize),
    /// Chosen by each call; all dimensions of the same name must agree.
    Named(String),
}

/// An input as the graph declares it.
#[derive(Clone, Debug)]
pub struct InputDeclaration {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub datatype: Datatype,
    /// `None` when not even the number of dimensions is declared.
    pub shape: Option<Vec<Dimension>>,
}

/// An output as the graph declares it. What the compiled model says counts more.
#[derive(Clone, Debug)]
pub struct OutputDeclaration {
    /// Its name.
    pub name: String,
    /// `None` for sequences and maps.
    pub datatype: Option<Datatype>,
    /// The sizes of its dimensions, as far as they are fixed.
    pub shape: Option<Vec<Option<usize>>>,
}

impl InputDeclaration {
    pub(crate) fn spec(&self) -> TensorSpec {
        let size = |dimension: &Dimension| match dimension {
            Dimension::Fixed(size) => Some(*size),
            Dimension::Named(_) => None,
        };
        TensorSpec {
            name: self.name.clone(),
            datatype: self.datatype,
            shape: self.shape.as_ref().map(|shape| shape.iter().map(size).collect()),
        }
    }
}

/// The inputs that are not constants.
pub(super) fn inputs(graph: &GraphProto) -> Result<Vec<InputDeclaration>, String> {
    graph
        .input
        .iter()
        .filter(|input| !graph.initializer.iter().any(|constant| constant.name == input.name))
        .map(|input| {
            let Some(tensor) = tensor_type(input) else {
                return Err(format!(
                    "the input {:?} is not a tensor; export the model with tensor inputs",
                    input.name
                ));
            };
            let datatype = datatype(tensor.elem_type)
                .ok_or_else(|| format!("the input {:?} has the unknown type {}", input.name, tensor.elem_type))?;
            let shape = tensor.shape.as_ref().map(|shape| {
                let dimensions = shape.dim.iter().enumerate();
                dimensions
                    .map(|(axis, dimension)| input_dimension(&input.name, axis, dimension.value.as_ref()))
                    .collect()
            });
            Ok(InputDeclaration {
                name: input.name.clone(),
                datatype,
                shape,
            })
        })
        .collect()
}

pub(super) fn outputs(graph: &GraphProto) -> Vec<OutputDeclaration> {
    let declaration = |output: &ValueInfoProto| {
        let tensor = tensor_type(output);
        let size = |value: Option<&dimension::Value>| match value {
            Some(dimension::Value::DimValue(size)) => usize::try_from(*size).ok(),
            _ => None,
        };
        OutputDeclaration {
            name: output.name.clone(),
            datatype: tensor.and_then(|tensor| datatype(tensor.elem_type)),
            shape: tensor
                .and_then(|tensor| tensor.shape.as_ref())
                .map(|shape| shape.dim.iter().map(|dim| size(dim.value.as_ref())).collect()),
        }
    };
    graph.output.iter().map(declaration).collect()
}

/// Exporters name the batch differently, or differently for each input, or not at all. The first dimension is it, unless it is
/// fixed.
fn input_dimension(input: &str, axis: usize, value: Option<&dimension::Value>) -> Dimension {
    match value {
        Some(dimension::Value::DimValue(size)) if *size > 0 => Dimension::Fixed(usize::try_from(*size).unwrap_or(0)),
        _ if axis == 0 => Dimension::Named(BATCH.into()),
        Some(dimension::Value::DimParam(name)) if !name.is_empty() && name != "?" => Dimension::Named(name.clone()),
        _ => Dimension::Named(format!("{input}.{axis}")),
    }
}

pub(super) fn tensor_type(value: &ValueInfoProto) -> Option<&crate::proto::type_proto::Tensor> {
    match value.r#type.as_ref()?.value.as_ref()? {
        Value::TensorType(tensor) if tensor.elem_type != 0 => Some(tensor),
        _ => None,
    }
}
