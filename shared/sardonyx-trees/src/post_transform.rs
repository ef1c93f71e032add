use std::str::FromStr;

use super::Scalar;
use super::ensemble::Score;

/// What is done with the scores of a row at the end, always in single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "ONNX's names")]
pub enum PostTransform {
    #[default]
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

impl FromStr for PostTransform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "NONE" => Self::None,
            "SOFTMAX" => Self::Softmax,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "PROBIT" => Self::Probit,
            _ => return Err(format!("{text:?} is not a post transform")),
        })
    }
}

impl PostTransform {
    /// Writes the transformed scores of one row, which has two or more.
    pub(super) fn write<T: Scalar>(self, scores: &[Score<T>], out: &mut [f32]) {
        for (out, score) in out.iter_mut().zip(scores) {
            *out = score.get().to_f32();
        }
        self.apply(out);
    }

    /// Transforms the scores of one row in place.
    pub fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|value| *value = logistic(*value)),
            Self::Probit => scores.iter_mut().for_each(|value| *value = probit(*value)),
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => softmax_zero(scores),
        }
    }
}

pub(super) fn logistic(value: f32) -> f32 {
    let positive = 1.0 / (1.0 + (-value.abs()).exp());
    if value < 0.0 { 1.0 - positive } else { positive }
}

/// ONNX Runtime's approximation, by Winitzki.
pub(super) fn probit(value: f32) -> f32 {
    let x = 2.0 * value - 1.0;
    let sign = if x < 0.0 { -1.0 } else { 1.0 };
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let half = 2.0 / (std::f32::consts::PI * 0.147) + 0.5 * log;
    let inverse_error_function = sign * (-half + (half * half - 1.0 / 0.147 * log).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * inverse_error_function
}

fn softmax(values: &mut [f32]) {
    let greatest = greatest(values);
    let mut sum = 0.0;
    for value in values.iter_mut() {
        *value = (*value - greatest).exp();
        sum += *value;
    }
    values.iter_mut().for_each(|value| *value /= sum);
}

/// A softmax that leaves zeros out.
fn softmax_zero(values: &mut [f32]) {
    let greatest = greatest(values);
    let factor = (-greatest).exp();
    let mut sum = 0.0;
    for value in values.iter_mut() {
        if value.abs() > 1e-7 {
            *value = (*value - greatest).exp();
            sum += *value;
        } else {
            *value *= factor;
        }
    }
    values.iter_mut().for_each(|value| *value /= sum);
}

fn greatest(values: &[f32]) -> f32 {
    values.iter().fold(
        -f32::MAX,
        |greatest, &value| if value > greatest { value } else { greatest },
    )
}
