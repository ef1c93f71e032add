use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::{integers, parse_or_default, texts};
use super::tree_ensemble::{Attributes, Shared, check_columns, check_input};
use crate::trees::{Classifier, Ensemble, EnsembleAttributes, PostTransform, Scalar};

/// # Shapes
/// X `[N, C]` of floats, doubles or integers; the outputs are the labels, `i64` or strings `[N]`, and the scores, `f32`
/// `[N, classes]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html>
#[derive(Clone, Debug)]
struct TreeEnsembleClassifier {
    attributes: Arc<Attributes>,
    labels: Labels,
    post_transform: PostTransform,
}

/// The classes, in the order of the scores.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Labels {
    Integers(Vec<i64>),
    Texts(Vec<String>),
}

impl Labels {
    fn read(node: &NodeProto) -> TractResult<Self> {
        let integers = integers(node, "classlabels_int64s")?;
        let texts = texts(node, "classlabels_strings")?;
        match (integers.is_empty(), texts.is_empty()) {
            (false, true) => Ok(Self::Integers(integers)),
            (true, false) => Ok(Self::Texts(texts)),
            _ => node.bail("needs exactly one of classlabels_int64s and classlabels_strings"),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Integers(labels) => labels.len(),
            Self::Texts(labels) => labels.len(),
        }
    }

    fn datum_type(&self) -> DatumType {
        match self {
            Self::Integers(_) => i64::datum_type(),
            Self::Texts(_) => String::datum_type(),
        }
    }

    fn tensor(&self, positions: &[usize]) -> Tensor {
        match self {
            Self::Integers(labels) => tensor1(&positions.iter().map(|at| labels[*at]).collect::<Vec<_>>()),
            Self::Texts(labels) => {
                let texts: Vec<String> = positions.iter().map(|at| labels[*at].clone()).collect();
                tract_ndarray::Array1::from_vec(texts).into()
            }
        }
    }
}

pub(super) fn tree_ensemble_classifier(
    context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let op = TreeEnsembleClassifier {
        attributes: Arc::new(Attributes::read(context, node, "class")?),
        labels: Labels::read(node)?,
        post_transform: parse_or_default(node, "post_transform")?,
    };
    Ok((expand(op), vec![]))
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

impl Expansion for TreeEnsembleClassifier {
    fn name(&self) -> StaticName {
        "TreeEnsembleClassifier".into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(2)
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 2)?;
        s.equals(&inputs[0].rank, 2)?;
        s.equals(&outputs[0].rank, 1)?;
        s.equals(&outputs[1].rank, 2)?;
        s.equals(&outputs[0].datum_type, self.labels.datum_type())?;
        s.equals(&outputs[1].datum_type, f32::datum_type())?;
        s.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        s.equals(&outputs[1].shape[0], &inputs[0].shape[0])?;
        s.equals(&outputs[1].shape[1], self.labels.len().to_dim())?;
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
            other => bail!("TreeEnsembleClassifier does not take inputs of type {other:?}"),
        };
        check_input(&fact, kernel.features())?;
        let op = ClassifyTrees {
            kernel,
            labels: self.labels.clone(),
        };
        model.wire_node(prefix, op, inputs)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kernel {
    Single(Shared<Classifier<f32>>),
    Double(Shared<Classifier<f64>>),
}

impl Kernel {
    fn features(&self) -> usize {
        match self {
            Self::Single(classifier) => classifier.0.ensemble().features(),
            Self::Double(classifier) => classifier.0.ensemble().features(),
        }
    }
}

/// The classifier as tract runs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ClassifyTrees {
    kernel: Kernel,
    labels: Labels,
}

impl Op for ClassifyTrees {
    fn name(&self) -> StaticName {
        "ClassifyTrees".into()
    }

    op_as_typed_op!();
}

impl EvalOp for ClassifyTrees {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let &[rows, columns] = input.shape() else {
            bail!("ClassifyTrees takes [N, C]")
        };
        check_columns(columns, self.kernel.features())?;
        let (positions, scores) = match &self.kernel {
            Kernel::Single(classifier) => {
                let input = input.cast_to::<f32>()?;
                classifier.0.predict(input.try_as_plain_ram()?.as_slice()?, columns)
            }
            Kernel::Double(classifier) => classifier.0.predict(input.try_as_plain_ram()?.as_slice()?, columns),
        };
        let scores = Tensor::from_shape(&[rows, self.labels.len()], &scores)?;
        Ok(tvec!(
            self.labels.tensor(&positions).into_tvalue(),
            scores.into_tvalue()
        ))
    }
}

impl TypedOp for ClassifyTrees {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = inputs[0].shape[0].clone();
        Ok(tvec!(
            self.labels.datum_type().fact([rows.clone()]),
            f32::fact([rows, self.labels.len().to_dim()])
        ))
    }

    as_op!();
}
