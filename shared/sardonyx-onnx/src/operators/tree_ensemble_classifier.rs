use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{DimLike, ToDim, TractResult, bail, ensure};

use super::attributes::parse_or_default;
use super::labels::Labels;
use super::operator::{Fact, Kernel, Operator, single};
use super::tree_ensemble::{Attributes, check_columns, check_input, doubles, singles};
use crate::trees::{Classifier, Ensemble, EnsembleAttributes, PostTransform, Scalar};

/// # Shapes
/// X `[N, C]` of floats, doubles or integers; the outputs are the labels, `i64` or strings `[N]`, and the scores, `f32`
/// `[N, classes]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html>
#[derive(Debug)]
struct TreeEnsembleClassifier {
    attributes: Attributes,
    labels: Labels,
    post_transform: PostTransform,
}

pub(super) fn parse(context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    Ok(Arc::new(TreeEnsembleClassifier {
        attributes: Attributes::read(context, node, "class")?,
        labels: Labels::read(node, "classlabels_int64s")?,
        post_transform: parse_or_default(node, "post_transform")?,
    }))
}

impl TreeEnsembleClassifier {
    fn build<T: Scalar>(&self, trees: &EnsembleAttributes<T>, base_values: &[T]) -> TractResult<Classifier<T>> {
        let ensemble = Ensemble::new(trees, self.labels.len())?;
        let classifier = Classifier::new(
            ensemble,
            &trees.weight_ids,
            &trees.weights,
            base_values.to_vec(),
            self.post_transform,
        )?;
        let has_other_labels = matches!(&self.labels, Labels::Integers(labels) if labels != &[0, 1]);
        ensure!(
            !(classifier.is_binary_with_two_scores() && has_other_labels),
            "weights for both of two classes need the labels 0 and 1: ONNX Runtime answers with those whatever the labels are"
        );
        Ok(classifier)
    }
}

impl Operator for TreeEnsembleClassifier {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        let rows = check_input("TreeEnsembleClassifier", inputs)?;
        Ok(vec![
            Fact::new(self.labels.datatype(), [rows.clone()]),
            Fact::new(Datatype::Fp32, [rows, self.labels.len().to_dim()]),
        ])
    }

    fn kernel(self: Arc<Self>, inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        let input = single("TreeEnsembleClassifier", inputs)?;
        let classifier = match input.datatype {
            Datatype::Fp64 => {
                let (trees, base_values) = self.attributes.double();
                Precision::Double(self.build(&trees, &base_values)?)
            }
            Datatype::Fp32 | Datatype::Int64 | Datatype::Int32 => {
                let (trees, base_values) = self.attributes.single()?;
                Precision::Single(self.build(trees, base_values)?)
            }
            other => bail!("TreeEnsembleClassifier does not take {other}"),
        };
        if let Ok(columns) = input.shape[1].to_usize() {
            check_columns(columns, classifier.features())?;
        }
        Ok(Arc::new(ClassifyTrees {
            classifier,
            labels: self.labels.clone(),
        }))
    }
}

#[derive(Debug)]
enum Precision {
    Single(Classifier<f32>),
    Double(Classifier<f64>),
}

impl Precision {
    fn features(&self) -> usize {
        match self {
            Self::Single(classifier) => classifier.ensemble().features(),
            Self::Double(classifier) => classifier.ensemble().features(),
        }
    }
}

#[derive(Debug)]
struct ClassifyTrees {
    classifier: Precision,
    labels: Labels,
}

impl Kernel for ClassifyTrees {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        let input = single("TreeEnsembleClassifier", inputs)?;
        let &[rows, columns] = input.shape() else {
            bail!("TreeEnsembleClassifier takes [N, C]")
        };
        check_columns(columns, self.classifier.features())?;
        let (positions, scores) = match &self.classifier {
            Precision::Single(classifier) => classifier.predict(&singles(input)?, columns),
            Precision::Double(classifier) => classifier.predict(doubles(input)?, columns),
        };
        Ok(vec![
            Tensor::new(vec![rows], self.labels.pick(positions))?,
            Tensor::new(vec![rows, self.labels.len()], TensorData::Fp32(scores))?,
        ])
    }
}
