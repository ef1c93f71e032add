//! One support vector machine for each pair of classes, and probabilities from their scores.

use anyhow::Result;

use super::attributes::floats;
use super::labels::greatest;
use super::svm::weighted_sum;
use crate::proto::NodeProto;

/// The sums by which each pair of classes is told apart.
#[derive(Debug)]
pub(super) struct Pairs {
    /// Where the support vectors of each class start, and where the last one's end.
    starts: Vec<usize>,
    /// `[classes - 1, vectors]`: a vector has a coefficient for each class that is not its own.
    coefficients: Vec<f32>,
    /// For the pairs 0-1, 0-2, .., 1-2, ..
    rho: Vec<f32>,
}

impl Pairs {
    /// Reads the machines of as many classes as there are numbers of vectors.
    pub(super) fn read(node: &NodeProto, vectors_per_class: &[i64]) -> Result<Self> {
        let classes = vectors_per_class.len();
        node.expect("vectors_per_class", classes >= 2, "at least two classes")?;
        let mut starts = vec![0usize];
        for count in vectors_per_class {
            let end = usize::try_from(*count)
                .ok()
                .and_then(|count| starts.last()?.checked_add(count));
            match end {
                Some(end) => starts.push(end),
                None => return node.refuse("vectors_per_class", "numbers of vectors"),
            }
        }
        let vectors = starts[classes];
        let coefficients = floats(node, "coefficients")?;
        node.expect(
            "coefficients",
            vectors.checked_mul(classes - 1) == Some(coefficients.len()),
            "one for each vector and each class but its own",
        )?;
        let mut rho = floats(node, "rho")?;
        let pairs = classes * (classes - 1) / 2;
        node.expect("rho", rho.len() >= pairs, "one for each pair of classes")?;
        rho.truncate(pairs);
        Ok(Self {
            starts,
            coefficients,
            rho,
        })
    }

    /// The number of pairs.
    pub(super) fn len(&self) -> usize {
        self.rho.len()
    }

    /// The number of support vectors of all classes.
    pub(super) fn vectors(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Adds the score of each pair for a row that has been compared to all vectors. The answer is the class that most pairs vote for.
    pub(super) fn decide(&self, compared: &[f32], scores: &mut Vec<f32>) -> usize {
        let classes = self.starts.len() - 1;
        let mut votes = vec![0.0; classes];
        let mut rho = self.rho.iter();
        for first in 0..classes {
            for second in first + 1..classes {
                let sum = self.weigh(compared, first, second - 1)
                    + self.weigh(compared, second, first)
                    + f64::from(rho.next().copied().unwrap_or_default());
                votes[if sum > 0.0 { first } else { second }] += 1.0;
                scores.push(sum as f32);
            }
        }
        greatest(&votes)
    }

    /// The weighted sum over the vectors of a class.
    fn weigh(&self, compared: &[f32], class: usize, row: usize) -> f64 {
        let range = self.starts[class]..self.starts[class + 1];
        let coefficients = &self.coefficients[row * self.vectors()..][range.clone()];
        weighted_sum(&compared[range], coefficients)
    }
}

/// Platt's scaling for each pair: the probability of its first class is `1 / (1 + exp(a score + b))`.
#[derive(Debug)]
pub(super) struct Platt {
    a: Vec<f32>,
    b: Vec<f32>,
}

/// No pair is quite certain.
const LEAST_PROBABILITY: f32 = 1e-7;

impl Platt {
    /// `None` when the node gives no probabilities; otherwise there are parameters for at least so many pairs.
    pub(super) fn read(node: &NodeProto, pairs: usize) -> Result<Option<Self>> {
        let a = floats(node, "prob_a")?;
        let b = floats(node, "prob_b")?;
        node.expect("prob_b", a.len() == b.len(), "as many numbers as in prob_a")?;
        if a.is_empty() {
            return Ok(None);
        }
        node.expect("prob_a", a.len() >= pairs, "one for each pair of classes")?;
        Ok(Some(Self { a, b }))
    }

    /// Adds the probability of each class, from the scores of all pairs of classes.
    pub(super) fn probabilities(&self, classes: usize, scores: &[f32], out: &mut Vec<f32>) {
        let mut pairwise = vec![0.0; classes * classes];
        let mut parameters = scores.iter().zip(self.a.iter().zip(&self.b));
        for first in 0..classes {
            for second in first + 1..classes {
                let Some((score, (a, b))) = parameters.next() else {
                    continue;
                };
                let probability = falling_logistic(score * a + b).clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
                pairwise[first * classes + second] = probability;
                pairwise[second * classes + first] = 1.0 - probability;
            }
        }
        out.extend(couple(&pairwise, classes));
    }
}

fn falling_logistic(value: f32) -> f32 {
    let greater = 1.0 / (1.0 + (-value.abs()).exp());
    if value < 0.0 { greater } else { 1.0 - greater }
}

/// The probabilities of the classes that fit those of the pairs best: the second method of Wu, Lin and Weng, *Probability Estimates for
/// Multi-class Classification by Pairwise Coupling* (JMLR 5, 2004), as LIBSVM iterates it.
///
/// `pairwise[i * classes + j]` is the probability of i, given that it is i or j.
fn couple(pairwise: &[f32], classes: usize) -> Vec<f32> {
    const ROUNDS: usize = 100;
    let r = |i: usize, j: usize| pairwise[i * classes + j];
    let mut q = vec![0.0f32; classes * classes];
    for i in 0..classes {
        for j in 0..classes {
            if j != i {
                q[i * classes + i] += r(j, i) * r(j, i);
                q[i * classes + j] = -r(j, i) * r(i, j);
            }
        }
    }
    let mut p = vec![1.0 / classes as f32; classes];
    let mut qp = vec![0.0f32; classes];
    for _ in 0..ROUNDS {
        for (qp, q) in qp.iter_mut().zip(q.chunks_exact(classes)) {
            *qp = q.iter().zip(&p).map(|(q, p)| q * p).sum();
        }
        let mut pqp: f32 = p.iter().zip(&qp).map(|(p, qp)| p * qp).sum();
        let error = qp.iter().map(|qp| (qp - pqp).abs()).fold(0.0, f32::max);
        if error < 0.005 / classes as f32 {
            break;
        }
        for i in 0..classes {
            let row = &q[i * classes..][..classes];
            let change = (pqp - qp[i]) / row[i];
            p[i] += change;
            pqp = (pqp + change * (change * row[i] + 2.0 * qp[i])) / (1.0 + change) / (1.0 + change);
            for ((qp, p), q) in qp.iter_mut().zip(&mut p).zip(row) {
                *qp = (*qp + change * q) / (1.0 + change);
                *p /= 1.0 + change;
            }
        }
    }
    p
}
