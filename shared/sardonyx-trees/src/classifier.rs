use std::sync::Arc;

use super::ensemble::{Ensemble, Score};
use super::post_transform::{PostTransform, logistic};
use super::{EnsembleError, Integers, Scalar};

/// A TreeEnsembleClassifier.
///
/// With two classes ONNX Runtime does not take the greater score for the label. There are two layouts:
///
/// * All weights count for the same class, and *s* is their sum. When no weight is negative, *s* is taken for a probability: the
///   label is positive above 0.5, and the scores are `[1 - s, s]`. Otherwise the label is positive above 0, and the scores are
///   `[-s, s]`. With LOGISTIC the scores are the logistic of `[-s, s]`, but the label is found as before.
/// * Both classes have weights: the label is positive when the second score is above 0.
///
/// Two base values are meant for two scores; with a single one the second stays 0.
///
/// With more classes, the label is the first one of the greatest score.
#[derive(Clone, Debug)]
pub struct Classifier<T: Scalar> {
    ensemble: Arc<Ensemble<T>>,
    base_values: Vec<T>,
    post_transform: PostTransform,
    form: WeightForm,
}

/// What a classifier has to know of the weights besides their sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightForm {
    /// All weights count for the same one of two classes.
    has_single_score: bool,
    has_no_negative_weight: bool,
}

impl WeightForm {
    /// Takes it off the front of what [`Classifier::to_bytes`] wrote; what remains is for [`Ensemble::from_bytes`].
    ///
    /// # Errors
    /// When there is none.
    pub fn split_from(bytes: &[u8]) -> Result<(Self, &[u8]), EnsembleError> {
        let problem = match bytes.split_first() {
            Some((&flags @ 0..=3, rest)) => {
                let form = Self {
                    has_single_score: flags & 1 == 1,
                    has_no_negative_weight: flags & 2 == 2,
                };
                return Ok((form, rest));
            }
            Some(_) => "their weights have another form",
            None => "they are cut off",
        };
        Err(EnsembleError::Packed(problem.into()))
    }

    fn to_byte(self) -> u8 {
        u8::from(self.has_single_score) | u8::from(self.has_no_negative_weight) << 1
    }
}

impl<T: Scalar> Classifier<T> {
    /// `weight_ids` and `weights` are those of the attributes, those of unreachable nodes too: ONNX Runtime looks at them.
    ///
    /// # Errors
    /// When the base values do not fit the classes, and for layouts whose result ONNX Runtime leaves undefined.
    pub fn new(
        ensemble: Ensemble<T>,
        weight_ids: &impl Integers,
        weights: &[T],
        base_values: Vec<T>,
        post_transform: PostTransform,
    ) -> Result<Self, EnsembleError> {
        let form = WeightForm {
            has_single_score: ensemble.targets == 2
                && (0..weight_ids.len()).all(|at| weight_ids.get(at) == weight_ids.get(0)),
            has_no_negative_weight: !weights.iter().any(|weight| *weight < T::ZERO),
        };
        Self::with_form(Arc::new(ensemble), form, base_values, post_transform)
    }

    /// The trees as bytes, see [`Ensemble::to_bytes`], and before them one byte of what else is to be known of the weights.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![self.form.to_byte()];
        out.extend(self.ensemble.to_bytes());
        out
    }

    /// A classifier of trees whose weights are known to have this form.
    ///
    /// # Errors
    /// Those of [`Classifier::new`].
    pub fn with_form(
        ensemble: Arc<Ensemble<T>>,
        form: WeightForm,
        base_values: Vec<T>,
        post_transform: PostTransform,
    ) -> Result<Self, EnsembleError> {
        let classes = ensemble.targets;
        let error = |problem: String| Err(EnsembleError::Attributes(problem));
        if classes < 2 {
            return error("there is one class only, so there is nothing to predict".into());
        }
        if form.has_single_score && classes != 2 {
            return error("only one of two classes can have all weights".into());
        }
        let fits = match base_values.len() {
            0 => true,
            1 => classes == 2,
            length => length == classes,
        };
        if !fits {
            return error(format!(
                "there are {} base values for {classes} classes",
                base_values.len()
            ));
        }
        // Where a row may get no second score, ONNX Runtime leaves what it gives for it to chance in these cases.
        if classes == 2 && !ensemble.every_leaf_gives_to(1) {
            if !form.has_single_score && base_values.len() == 1 {
                return error("there is one base value, but both classes have weights".into());
            }
            if base_values.len() < 2 && post_transform == PostTransform::Probit {
                return error("PROBIT of a single score does not say what the other one is".into());
            }
        }
        Ok(Self {
            ensemble,
            base_values,
            post_transform,
            form,
        })
    }

    /// The trees.
    pub fn ensemble(&self) -> &Ensemble<T> {
        &self.ensemble
    }

    /// Whether the weights of both of two classes are given, in which case ONNX Runtime takes the labels to be 0 and 1.
    pub fn is_binary_with_two_scores(&self) -> bool {
        self.ensemble.targets == 2 && !self.form.has_single_score
    }

    /// Predicts rows of `width` columns; gives the position of each row's class, `[rows]`, and the scores, `[rows, classes]`.
    ///
    /// # Panics
    /// When `rows` is not a whole number of rows, or they have fewer columns than the trees test.
    pub fn predict(&self, rows: &[T], width: usize) -> (Vec<usize>, Vec<f32>) {
        let classes = self.ensemble.targets;
        let count = rows.len() / width.max(1);
        let mut labels = Vec::with_capacity(count);
        let mut out = vec![0.0; count * classes];
        let mut scores = vec![Score::default(); out.len()];
        self.ensemble.sum(rows, width, &mut scores);
        for (scores, out) in scores.chunks_exact_mut(classes).zip(out.chunks_exact_mut(classes)) {
            labels.push(match scores {
                [first, second] => self.finish_binary(first, second, out),
                scores => self.finish_multiclass(scores, out),
            });
        }
        (labels, out)
    }

    fn finish_multiclass(&self, scores: &mut [Score<T>], out: &mut [f32]) -> usize {
        for (score, base) in scores.iter_mut().zip(&self.base_values) {
            score.value += *base;
            score.is_given = true;
        }
        let mut label: Option<usize> = None;
        for (class, score) in scores.iter().enumerate() {
            if score.is_given && label.is_none_or(|best| score.value > scores[best].value) {
                label = Some(class);
            }
        }
        self.post_transform.write(scores, out);
        label.unwrap_or(0)
    }

    fn finish_binary(&self, first: &mut Score<T>, second: &mut Score<T>, out: &mut [f32]) -> usize {
        match self.base_values[..] {
            [_, base] if second.is_given => {
                second.value = base + first.value;
                first.value = -second.value;
            }
            [first_base, second_base] => {
                first.value += first_base;
                second.value += second_base;
            }
            [base] => first.value += base,
            _ => {}
        }
        let positive = if second.is_given { second.get() } else { first.get() };
        let is_probability = self.form.has_single_score && self.form.has_no_negative_weight;
        let threshold = if is_probability { T::HALF } else { T::ZERO };
        let label = usize::from(positive > threshold);
        if second.is_given || self.base_values.len() == 2 {
            self.post_transform.write(&[*first, *second], out);
            return label;
        }
        let score = first.get();
        let opposite = if is_probability { T::ONE + -score } else { -score };
        (out[0], out[1]) = match self.post_transform {
            PostTransform::Logistic => (logistic((-score).to_f32()), logistic(score.to_f32())),
            _ => (opposite.to_f32(), score.to_f32()),
        };
        label
    }
}
