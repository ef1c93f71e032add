use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{DimLike, ToDim, TractResult, bail};

use super::attributes::parse_or_default;
use super::operator::{Fact, Kernel, Operator, single};
use super::tree_ensemble::{Attributes, check_columns, check_input, doubles, singles};
use crate::trees::{Aggregate, Ensemble, EnsembleAttributes, PostTransform, Regressor, Scalar};

/// # Shapes
/// X `[N, C]` of floats, doubles or integers; the output is `f32` `[N, n_targets]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html>
#[derive(Debug)]
struct TreeEnsembleRegressor {
    attributes: Attributes,
    targets: usize,
    aggregate: Aggregate,
    post_transform: PostTransform,
}

pub(super) fn parse(context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    Ok(Arc::new(TreeEnsembleRegressor {
        attributes: Attributes::read(context, node, "target")?,
        targets: node.get_attr::<usize>("n_targets")?,
        aggregate: parse_or_default(node, "aggregate_function")?,
        post_transform: parse_or_default(node, "post_transform")?,
    }))
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

impl Operator for TreeEnsembleRegressor {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        let rows = check_input("TreeEnsembleRegressor", inputs)?;
        Ok(vec![Fact::new(Datatype::Fp32, [rows, self.targets.to_dim()])])
    }

    fn kernel(self: Arc<Self>, inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        let input = single("TreeEnsembleRegressor", inputs)?;
        let regressor = match input.datatype {
            Datatype::Fp64 => {
                let (trees, base_values) = self.attributes.double();
                Precision::Double(self.build(&trees, &base_values)?)
            }
            Datatype::Fp32 | Datatype::Int64 | Datatype::Int32 => {
                let (trees, base_values) = self.attributes.single()?;
                Precision::Single(self.build(trees, base_values)?)
            }
            other => bail!("TreeEnsembleRegressor does not take {other}"),
        };
        if let Ok(columns) = input.shape[1].to_usize() {
            check_columns(columns, regressor.features())?;
        }
        Ok(Arc::new(RegressTrees {
            regressor,
            targets: self.targets,
        }))
    }
}

#[derive(Debug)]
enum Precision {
    Single(Regressor<f32>),
    Double(Regressor<f64>),
}

impl Precision {
    fn features(&self) -> usize {
        match self {
            Self::Single(regressor) => regressor.ensemble().features(),
            Self::Double(regressor) => regressor.ensemble().features(),
        }
    }
}

#[derive(Debug)]
struct RegressTrees {
    regressor: Precision,
    targets: usize,
}

impl Kernel for RegressTrees {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        let input = single("TreeEnsembleRegressor", inputs)?;
        let &[rows, columns] = input.shape() else {
            bail!("TreeEnsembleRegressor takes [N, C]")
        };
        check_columns(columns, self.regressor.features())?;
        let scores = match &self.regressor {
            Precision::Single(regressor) => regressor.predict(&singles(input)?, columns),
            Precision::Double(regressor) => regressor.predict(doubles(input)?, columns),
        };
        Ok(vec![Tensor::new(vec![rows, self.targets], TensorData::Fp32(scores))?])
    }
}
