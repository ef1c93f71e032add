use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Result, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::attributes::parse_or_default;
use super::operator::{Fact, Kernel, Operator, single};
use super::tree_ensemble::{
    Precise, Source, TreeLists, Trees, check_declared_columns, check_input, doubles, is_double, rows_and_columns,
    singles,
};
use crate::operators::Context;
use crate::proto::NodeProto;
use crate::trees::{Aggregate, Ensemble, Integers as _, NodeMode, PostTransform, Regressor, Scalar};

/// TreeEnsembleRegressor, and TreeEnsemble of ai.onnx.ml 5, which says the same in other attributes.
///
/// # Shapes
/// X `[N, C]` of floats, doubles or integers; the output is `[N, targets]`, of `f32` or, for TreeEnsemble, of the type of X.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html>
#[derive(Debug)]
pub(super) struct TreeRegression {
    pub(super) operator: &'static str,
    pub(super) trees: Trees,
    pub(super) targets: usize,
    pub(super) aggregate: Aggregate,
    pub(super) post_transform: PostTransform,
    pub(super) keeps_doubles: bool,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(TreeRegression {
        operator: "TreeEnsembleRegressor",
        trees: Trees::read(context, node, "target")?,
        targets: node.required::<usize>("n_targets")?,
        aggregate: parse_or_default(node, "aggregate_function")?,
        post_transform: parse_or_default(node, "post_transform")?,
        keeps_doubles: false,
    }))
}

impl TreeRegression {
    fn build<T: Scalar>(&self, source: Source<'_, T>, base_values: Vec<T>) -> Result<Regressor<T>> {
        let ensemble = match source {
            Source::Lists(trees) => Arc::new(Ensemble::new(&trees, self.targets)?),
            Source::Packed(_, trees) => trees,
        };
        ensure!(
            ensemble.targets() == self.targets,
            "there are trees for {} targets instead of {}",
            ensemble.targets(),
            self.targets
        );
        Ok(Regressor::new(
            ensemble,
            base_values,
            self.aggregate,
            self.post_transform,
        )?)
    }
}

impl Operator for TreeRegression {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let rows = check_input(self.operator, inputs)?;
        let is_double = self.keeps_doubles && is_double(self.operator, &inputs[0])?;
        let datatype = if is_double { Datatype::Fp64 } else { Datatype::Fp32 };
        Ok(vec![Fact::new(datatype, [rows, self.targets.to_dim()])])
    }

    fn kernel(self: Arc<Self>, inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        let input = single(self.operator, inputs)?;
        let regressor = if is_double(self.operator, input)? {
            let (source, base_values) = self.trees.double()?;
            Precise::Double(self.build(source, base_values)?)
        } else {
            let (source, base_values) = self.trees.single()?;
            Precise::Single(self.build(source, base_values)?)
        };
        let kernel = RegressTrees {
            operator: self.operator,
            regressor,
            targets: self.targets,
            keeps_doubles: self.keeps_doubles,
        };
        check_declared_columns(input, kernel.features())?;
        Ok(Arc::new(kernel))
    }

    fn single_tree(&self, inputs: &[Fact]) -> Option<Arc<TreeLists<f32>>> {
        let Trees::Single(trees, base_values) = &self.trees else {
            return None;
        };
        let is_single = self.targets == 1
            && base_values.is_empty()
            && self.aggregate == Aggregate::Sum
            && self.post_transform == PostTransform::None
            && inputs.first().is_some_and(|input| input.datatype != Datatype::Fp64)
            && trees
                .nodes_treeids
                .iter()
                .all(|tree| tree == trees.nodes_treeids.get(0));
        if !is_single {
            return None;
        }
        let nodes = trees.nodes_nodeids.iter().zip(&trees.nodes_modes);
        let leaves = nodes.filter(|(_, mode)| **mode == NodeMode::Leaf);
        let leaves: HashSet<i64> = leaves.map(|(id, _)| id).collect();
        let given: HashSet<i64> = trees.weight_nodeids.iter().collect();
        (given == leaves && trees.weights.len() == leaves.len()).then(|| Arc::clone(trees))
    }
}

#[derive(Debug)]
struct RegressTrees {
    operator: &'static str,
    regressor: Precise<Regressor<f32>, Regressor<f64>>,
    targets: usize,
    keeps_doubles: bool,
}

impl RegressTrees {
    fn features(&self) -> usize {
        match &self.regressor {
            Precise::Single(regressor) => regressor.ensemble().features(),
            Precise::Double(regressor) => regressor.ensemble().features(),
        }
    }
}

/// What adds up, from the left and starting from zero, the weights of the leaves of several trees for a single target.
pub(crate) fn sum_of_trees(trees: &TreeLists<f32>) -> Result<Arc<dyn Kernel>> {
    let ensemble = Ensemble::new(trees, 1)?;
    Ok(Arc::new(RegressTrees {
        operator: "TreeEnsembleRegressor",
        regressor: Precise::Single(Regressor::new(ensemble, vec![], Aggregate::Sum, PostTransform::None)?),
        targets: 1,
        keeps_doubles: false,
    }))
}

impl Kernel for RegressTrees {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single(self.operator, inputs)?;
        let (rows, columns) = rows_and_columns(input, self.features())?;
        let scores = match &self.regressor {
            Precise::Single(regressor) => TensorData::Fp32(regressor.predict(&singles(input)?, columns)),
            Precise::Double(regressor) if self.keeps_doubles => {
                TensorData::Fp64(regressor.predict_as(doubles(input)?, columns))
            }
            Precise::Double(regressor) => TensorData::Fp32(regressor.predict(doubles(input)?, columns)),
        };
        Ok(vec![Tensor::new(vec![rows, self.targets], scores)?])
    }

    fn packed_trees(&self) -> Option<Vec<u8>> {
        Some(match &self.regressor {
            Precise::Single(regressor) => regressor.ensemble().to_bytes(),
            Precise::Double(regressor) => regressor.ensemble().to_bytes(),
        })
    }
}
