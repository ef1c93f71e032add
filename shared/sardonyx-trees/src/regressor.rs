use std::str::FromStr;
use std::sync::Arc;

use super::ensemble::{Ensemble, Score};
use super::post_transform::{PostTransform, probit};
use super::{EnsembleError, Scalar};

/// How the weights of a target become one score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "ONNX's names")]
pub enum Aggregate {
    Average,
    #[default]
    Sum,
    Min,
    Max,
}

impl FromStr for Aggregate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "AVERAGE" => Self::Average,
            "SUM" => Self::Sum,
            "MIN" => Self::Min,
            "MAX" => Self::Max,
            _ => return Err(format!("{text:?} is not an aggregate function")),
        })
    }
}

/// A TreeEnsembleRegressor.
///
/// As in ONNX Runtime, the only post transform of a single target is PROBIT, and a target that no leaf gives to is 0 whatever its
/// base value.
#[derive(Clone, Debug)]
pub struct Regressor<T: Scalar> {
    ensemble: Arc<Ensemble<T>>,
    base_values: Vec<T>,
    aggregate: Aggregate,
    post_transform: PostTransform,
}

impl<T: Scalar> Regressor<T> {
    /// # Errors
    /// When there are base values but not one for each target.
    pub fn new(
        ensemble: impl Into<Arc<Ensemble<T>>>,
        base_values: Vec<T>,
        aggregate: Aggregate,
        post_transform: PostTransform,
    ) -> Result<Self, EnsembleError> {
        let ensemble = ensemble.into();
        if !base_values.is_empty() && base_values.len() != ensemble.targets {
            return Err(EnsembleError::Attributes(format!(
                "there are {} base values for {} targets",
                base_values.len(),
                ensemble.targets
            )));
        }
        Ok(Self {
            ensemble,
            base_values,
            aggregate,
            post_transform,
        })
    }

    /// The trees.
    pub fn ensemble(&self) -> &Ensemble<T> {
        &self.ensemble
    }

    /// Predicts rows of `width` columns; gives `[rows, targets]`.
    ///
    /// # Panics
    /// When `rows` is not a whole number of rows, or they have fewer columns than the trees test.
    pub fn predict(&self, rows: &[T], width: usize) -> Vec<f32> {
        self.predict_as(rows, width)
    }

    /// [`Regressor::predict`] in the precision of choice. Post transforms are computed in single precision.
    ///
    /// # Panics
    /// As [`Regressor::predict`].
    pub fn predict_as<O: Output<T>>(&self, rows: &[T], width: usize) -> Vec<O> {
        let targets = self.ensemble.targets;
        let count = rows.len() / width.max(1) * targets;
        let mut scores = vec![Score::default(); count];
        self.accumulate(rows, width, &mut scores);
        let mut transformed = vec![0.0; targets];
        let mut out = Vec::with_capacity(count);
        for scores in scores.chunks_exact_mut(targets) {
            self.add_base_values(scores);
            match (&*scores, self.post_transform) {
                ([score], PostTransform::Probit) => out.push(O::from_single(probit(score.get().to_f32()))),
                ([score], _) => out.push(O::from_score(score.get())),
                (scores, PostTransform::None) => out.extend(scores.iter().map(|score| O::from_score(score.get()))),
                (scores, post_transform) => {
                    post_transform.write(scores, &mut transformed);
                    out.extend(transformed.iter().map(|value| O::from_single(*value)));
                }
            }
        }
        out
    }

    fn accumulate(&self, rows: &[T], width: usize, scores: &mut [Score<T>]) {
        let keep = |is_better: fn(&T, &T) -> bool| {
            move |best: Option<T>, weight: T| best.filter(|best| !is_better(&weight, best)).unwrap_or(weight)
        };
        match self.aggregate {
            Aggregate::Sum | Aggregate::Average => self.ensemble.sum(rows, width, scores),
            Aggregate::Min => self.ensemble.fold(rows, width, scores, keep(T::lt)),
            Aggregate::Max => self.ensemble.fold(rows, width, scores, keep(T::gt)),
        }
    }

    fn add_base_values(&self, scores: &mut [Score<T>]) {
        for (target, score) in scores.iter_mut().enumerate() {
            if self.aggregate == Aggregate::Average {
                score.value = score.value / T::from_count(self.ensemble.trees.len());
            }
            score.value += self.base_values.get(target).copied().unwrap_or(T::ZERO);
        }
    }
}

/// What predictions are given as: single precision, or that of the scores.
pub trait Output<T>: Copy {
    /// A score without post transform.
    fn from_score(score: T) -> Self;
    /// What a post transform made of it.
    fn from_single(value: f32) -> Self;
}

impl<T: Scalar> Output<T> for f32 {
    #[inline(always)]
    fn from_score(score: T) -> Self {
        score.to_f32()
    }
    #[inline(always)]
    fn from_single(value: f32) -> Self {
        value
    }
}

impl Output<f64> for f64 {
    #[inline(always)]
    fn from_score(score: f64) -> Self {
        score
    }
    #[inline(always)]
    fn from_single(value: f32) -> Self {
        value.into()
    }
}
