use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::attributes::parse_or_default;
use super::labels::Labels;
use super::operator::{Fact, Kernel, Operator, single};
use super::tree_ensemble::{
    Precise, Source, Trees, check_declared_columns, check_input, doubles, is_double, rows_and_columns, singles,
};
use crate::operators::Context;
use crate::proto::NodeProto;
use crate::trees::{Classifier, Ensemble, PostTransform, Scalar};

const NAME: &str = "TreeEnsembleClassifier";

/// # Shapes
/// X `[N, C]` of floats, doubles or integers; the outputs are the labels, `i64` or strings `[N]`, and the scores, `f32`
/// `[N, classes]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html>
#[derive(Debug)]
struct TreeEnsembleClassifier {
    trees: Trees,
    labels: Labels,
    post_transform: PostTransform,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(TreeEnsembleClassifier {
        trees: Trees::read(context, node, "class")?,
        labels: Labels::read(node, "classlabels_int64s")?,
        post_transform: parse_or_default(node, "post_transform")?,
    }))
}

impl TreeEnsembleClassifier {
    fn build<T: Scalar>(&self, source: Source<'_, T>, base_values: Vec<T>) -> Result<Classifier<T>> {
        let classifier = match source {
            Source::Lists(trees) => {
                let ensemble = Ensemble::new(&trees, self.labels.len())?;
                Classifier::new(
                    ensemble,
                    &trees.weight_ids,
                    &trees.weights,
                    base_values,
                    self.post_transform,
                )?
            }
            Source::Packed(Some(form), trees) => Classifier::with_form(trees, form, base_values, self.post_transform)?,
            Source::Packed(None, _) => bail!("the packed trees do not say what their weights are"),
        };
        ensure!(
            classifier.ensemble().targets() == self.labels.len(),
            "there are trees for {} classes, but {} labels",
            classifier.ensemble().targets(),
            self.labels.len()
        );
        let has_other_labels = matches!(&self.labels, Labels::Integers(labels) if labels != &[0, 1]);
        ensure!(
            !(classifier.is_binary_with_two_scores() && has_other_labels),
            "weights for both of two classes need the labels 0 and 1: ONNX Runtime answers with those whatever the labels are"
        );
        Ok(classifier)
    }
}

impl Operator for TreeEnsembleClassifier {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let rows = check_input(NAME, inputs)?;
        Ok(vec![
            Fact::new(self.labels.datatype(), [rows.clone()]),
            Fact::new(Datatype::Fp32, [rows, self.labels.len().to_dim()]),
        ])
    }

    fn kernel(self: Arc<Self>, inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        let input = single(NAME, inputs)?;
        let classifier = if is_double(NAME, input)? {
            let (source, base_values) = self.trees.double()?;
            Precise::Double(self.build(source, base_values)?)
        } else {
            let (source, base_values) = self.trees.single()?;
            Precise::Single(self.build(source, base_values)?)
        };
        let kernel = ClassifyTrees {
            classifier,
            labels: self.labels.clone(),
        };
        check_declared_columns(input, kernel.features())?;
        Ok(Arc::new(kernel))
    }
}

#[derive(Debug)]
struct ClassifyTrees {
    classifier: Precise<Classifier<f32>, Classifier<f64>>,
    labels: Labels,
}

impl ClassifyTrees {
    fn features(&self) -> usize {
        match &self.classifier {
            Precise::Single(classifier) => classifier.ensemble().features(),
            Precise::Double(classifier) => classifier.ensemble().features(),
        }
    }
}

impl Kernel for ClassifyTrees {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single(NAME, inputs)?;
        let (rows, columns) = rows_and_columns(input, self.features())?;
        let (positions, scores) = match &self.classifier {
            Precise::Single(classifier) => classifier.predict(&singles(input)?, columns),
            Precise::Double(classifier) => classifier.predict(doubles(input)?, columns),
        };
        Ok(vec![
            Tensor::new(vec![rows], self.labels.pick(positions))?,
            Tensor::new(vec![rows, self.labels.len()], TensorData::Fp32(scores))?,
        ])
    }

    fn packed_trees(&self) -> Option<Vec<u8>> {
        Some(match &self.classifier {
            Precise::Single(classifier) => classifier.to_bytes(),
            Precise::Double(classifier) => classifier.to_bytes(),
        })
    }
}
