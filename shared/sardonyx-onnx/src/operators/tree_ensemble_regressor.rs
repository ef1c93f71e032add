use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::parse_or_default;
use super::tree_ensemble::{Attributes, Shared, check_columns, check_input};
use crate::trees::{Aggregate, Ensemble, EnsembleAttributes, PostTransform, Regressor, Scalar};

/// # Shapes
/// X `[N, C]` of floats, doubles or integers; the output is `f32` `[N, n_targets]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html>
#[derive(Clone, Debug)]
struct TreeEnsembleRegressor {
    attributes: Arc<Attributes>,
    targets: usize,
    aggregate: Aggregate,
    post_transform: PostTransform,
}

pub(super) fn tree_ensemble_regressor(
    context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let op = TreeEnsembleRegressor {
        attributes: Arc::new(Attributes::read(context, node, "target")?),
        targets: node.get_attr::<usize>("n_targets")?,
        aggregate: parse_or_default(node, "aggregate_function")?,
        post_transform: parse_or_default(node, "post_transform")?,
    };
    Ok((expand(op), vec![]))
}

impl TreeEnsembleRegressor {
    fn build<T: Scalar>(&self, trees: &EnsembleAttributes<T>, base_values: &[T]) -> TractResult<Regressor<T>> {
        let ensemble = Ensemble::new(trees, self.targets)?;
        Ok(Regressor::new(
            ensemble,
            base_values.to_vec(),
            self.aggregate,
            self.post_transform,
        )?)
    }
}

impl Expansion for TreeEnsembleRegressor {
    fn name(&self) -> StaticName {
        "TreeEnsembleRegressor".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&inputs[0].rank, 2)?;
        s.equals(&outputs[0].rank, 2)?;
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        s.equals(&outputs[0].shape[1], self.targets.to_dim())?;
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let fact = model.outlet_fact(inputs[0])?.clone();
        let kernel = match fact.datum_type {
            DatumType::F64 => {
                let (trees, base_values) = self.attributes.double();
                Kernel::Double(Shared(Arc::new(self.build(&trees, &base_values)?)))
            }
            DatumType::F32 | DatumType::I64 | DatumType::I32 => {
                let (trees, base_values) = self.attributes.single()?;
                Kernel::Single(Shared(Arc::new(self.build(trees, base_values)?)))
            }
            other => bail!("TreeEnsembleRegressor does not take inputs of type {other:?}"),
        };
        check_input(&fact, kernel.features())?;
        let op = RegressTrees {
            kernel,
            targets: self.targets,
        };
        model.wire_node(prefix, op, inputs)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kernel {
    Single(Shared<Regressor<f32>>),
    Double(Shared<Regressor<f64>>),
}

impl Kernel {
    fn features(&self) -> usize {
        match self {
            Self::Single(regressor) => regressor.0.ensemble().features(),
            Self::Double(regressor) => regressor.0.ensemble().features(),
        }
    }
}

/// The regressor as tract runs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RegressTrees {
    kernel: Kernel,
    targets: usize,
}

impl Op for RegressTrees {
    fn name(&self) -> StaticName {
        "RegressTrees".into()
    }

    op_as_typed_op!();
}

impl EvalOp for RegressTrees {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let &[rows, columns] = input.shape() else {
            bail!("RegressTrees takes [N, C]")
        };
        check_columns(columns, self.kernel.features())?;
        let scores = match &self.kernel {
            Kernel::Single(regressor) => {
                let input = input.cast_to::<f32>()?;
                regressor.0.predict(input.try_as_plain_ram()?.as_slice()?, columns)
            }
            Kernel::Double(regressor) => regressor.0.predict(input.try_as_plain_ram()?.as_slice()?, columns),
        };
        Ok(tvec!(Tensor::from_shape(&[rows, self.targets], &scores)?.into_tvalue()))
    }
}

impl TypedOp for RegressTrees {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = inputs[0].shape[0].clone();
        Ok(tvec!(f32::fact([rows, self.targets.to_dim()])))
    }

    as_op!();
}
