//! Whether tensors are what a model takes.

use std::collections::HashSet;
use std::fmt;

use sardonyx_core::ports::ModelError;
use sardonyx_core::tensor::{Tensor, TensorData, TensorSpec};

use crate::graph::{Dimension, InputDeclaration};

/// The inputs of a model, in the order in which it takes them.
pub(crate) struct Inputs {
    declarations: Vec<InputDeclaration>,
    specs: Vec<TensorSpec>,
    /// For each input, what its dimensions must be.
    sizes: Vec<Option<Vec<Size>>>,
    /// For each input, whether a NaN in it would be swallowed.
    swallows_nan: Vec<bool>,
}

/// What a dimension must be.
enum Size {
    Fixed(usize),
    /// As this dimension of this input, which has the same name and comes no later.
    As {
        input: usize,
        axis: usize,
    },
}

impl Inputs {
    /// The inputs as declared; NaNs are refused in those that are named by `swallowing`.
    pub(crate) fn new(declarations: Vec<InputDeclaration>, swallowing: &HashSet<String>) -> Self {
        let shapes = || declarations.iter().map(|input| input.shape.as_deref());
        let first_of_name = |name: &str| {
            shapes().enumerate().find_map(|(input, shape)| {
                let is_it = |dimension: &Dimension| matches!(dimension, Dimension::Named(other) if other == name);
                let axis = shape?.iter().position(is_it)?;
                Some(Size::As { input, axis })
            })
        };
        let size = |dimension: &Dimension| match dimension {
            Dimension::Fixed(size) => Some(Size::Fixed(*size)),
            Dimension::Named(name) => first_of_name(name),
        };
        let sizes = shapes().map(|shape| shape.and_then(|shape| shape.iter().map(size).collect()));
        Self {
            sizes: sizes.collect(),
            swallows_nan: declarations
                .iter()
                .map(|input| swallowing.contains(&input.name))
                .collect(),
            specs: declarations.iter().map(InputDeclaration::spec).collect(),
            declarations,
        }
    }

    pub(crate) fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// # Errors
    /// [`ModelError::Input`] for the first tensor that does not fit.
    pub(crate) fn check(&self, tensors: &[Tensor]) -> Result<(), ModelError> {
        if let Some(missing) = self.specs.get(tensors.len()) {
            return Err(error(missing, "is missing".into()));
        }
        if tensors.len() > self.specs.len() {
            return Err(ModelError::Input {
                input: self.specs.last().map(|last| last.name.clone()).unwrap_or_default(),
                problem: format!("is the last of {}, but {} were given", self.specs.len(), tensors.len()),
            });
        }
        for (index, (spec, tensor)) in self.specs.iter().zip(tensors).enumerate() {
            if tensor.datatype() != spec.datatype {
                let problem = format!("has the datatype {}, but must be {}", tensor.datatype(), spec.datatype);
                return Err(error(spec, problem));
            }
            if let Some(sizes) = &self.sizes[index] {
                self.check_shape(index, sizes, tensors)?;
            }
            if self.swallows_nan[index] && has_nan(tensor.data()) {
                let problem =
                    "has a NaN, which an operator of the graph would swallow; put an imputer before it".into();
                return Err(error(spec, problem));
            }
        }
        Ok(())
    }

    fn check_shape(&self, index: usize, sizes: &[Size], tensors: &[Tensor]) -> Result<(), ModelError> {
        let shape = tensors[index].shape();
        let is_of_size = |(expected, size): (&Size, &usize)| match expected {
            Size::Fixed(fixed) => fixed == size,
            Size::As { .. } => true,
        };
        let spec = &self.specs[index];
        if sizes.len() != shape.len() || !sizes.iter().zip(shape).all(is_of_size) {
            let declared = self.declarations[index].shape.as_deref().unwrap_or_default();
            let problem = format!("has the shape {shape:?}, but must be {}", ShapeText(declared));
            return Err(error(spec, problem));
        }
        for (axis, (expected, size)) in sizes.iter().zip(shape).enumerate() {
            let Size::As { input, axis: earlier } = *expected else {
                continue;
            };
            // The shapes of earlier inputs have been checked.
            let expected = tensors[input].shape()[earlier];
            if *size != expected {
                let other = &self.specs[input].name;
                let name = self.dimension_name(index, axis);
                let problem = format!("has {size} for {name}, but the input {other} has {expected}");
                return Err(error(spec, problem));
            }
        }
        Ok(())
    }

    fn dimension_name(&self, input: usize, axis: usize) -> &str {
        let shape = self.declarations[input].shape.as_deref();
        match shape.and_then(|shape| shape.get(axis)) {
            Some(Dimension::Named(name)) => name,
            _ => "",
        }
    }
}

fn has_nan(data: &TensorData) -> bool {
    match data {
        TensorData::Fp16(values) => values.iter().any(|value| value.is_nan()),
        TensorData::Fp32(values) => values.iter().any(|value| value.is_nan()),
        TensorData::Fp64(values) => values.iter().any(|value| value.is_nan()),
        _ => false,
    }
}

fn error(input: &TensorSpec, problem: String) -> ModelError {
    ModelError::Input {
        input: input.name.clone(),
        problem,
    }
}

/// A shape as in `[batch, 24]`.
struct ShapeText<'a>(&'a [Dimension]);

impl fmt::Display for ShapeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dimensions = self.0.iter().map(|dimension| match dimension {
            Dimension::Fixed(size) => size.to_string(),
            Dimension::Named(name) => name.clone(),
        });
        write!(f, "[{}]", dimensions.collect::<Vec<_>>().join(", "))
    }
}
