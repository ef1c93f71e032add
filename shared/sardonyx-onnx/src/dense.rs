//! Rows times a fixed matrix.

/// `X W + b` in single precision, for matrices with few columns.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    features: usize,
    /// `[outputs, features]`
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Dense {
    /// `weights` are `[outputs, features]`; there is one `bias` for each output. `None` when the lengths do not fit, or nothing is there.
    pub(crate) fn new(weights: Vec<f32>, bias: Vec<f32>) -> Option<Self> {
        let outputs = bias.len();
        if outputs == 0 || weights.is_empty() || !weights.len().is_multiple_of(outputs) {
            return None;
        }
        Some(Self {
            features: weights.len() / outputs,
            weights,
            bias,
        })
    }

    pub(crate) fn features(&self) -> usize {
        self.features
    }

    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `[N, outputs]` for `rows` of `[N, features]`.
    pub(crate) fn multiply(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() / self.features * self.outputs());
        for row in rows.chunks_exact(self.features) {
            for (weights, bias) in self.weights.chunks_exact(self.features).zip(&self.bias) {
                out.push(row.iter().zip(weights).map(|(x, w)| x * w).sum::<f32>() + bias);
            }
        }
        out
    }

    /// The squares of the distances between each row and each row of the weights, `[N, outputs]` for `rows` of `[N, features]`.
    pub(crate) fn square_distances(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() / self.features * self.outputs());
        for row in rows.chunks_exact(self.features) {
            for weights in self.weights.chunks_exact(self.features) {
                out.push(row.iter().zip(weights).map(|(x, w)| (x - w) * (x - w)).sum());
            }
        }
        out
    }
}
