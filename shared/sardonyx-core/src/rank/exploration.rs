use crate::manifest::{Manifest, ManifestError};

/// The parameter for the share of traffic that explores, from 0 to 1.
const SHARE: &str = "exploration_share";
/// The parameter for how far from the best list it strays, in units of the score.
const TEMPERATURE: &str = "exploration_temperature";

/// Lists that are drawn by chance, so that what was shown says something about what was not.
///
/// The draw is that of Plackett and Luce: each position takes one of the offers that are left with a probability in proportion to
/// exp(score / temperature). Taking the highest sums of score / temperature and a Gumbel number for each offer draws just so
/// ([Yellott 1977](https://doi.org/10.1016/0022-2496(77)90026-8)). All chance comes from the prediction's id: the same request has the same list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exploration {
    share: f64,
    temperature: f64,
}

impl Exploration {
    /// What the manifest's parameters say; `None` where they say nothing of it.
    ///
    /// # Errors
    /// When one of the two is missing or out of its range.
    pub(super) fn from_manifest(manifest: &Manifest) -> Result<Option<Self>, ManifestError> {
        if ![SHARE, TEMPERATURE]
            .iter()
            .any(|name| manifest.parameters.contains_key(*name))
        {
            return Ok(None);
        }
        let (share, temperature) = (manifest.parameter(SHARE)?, manifest.parameter(TEMPERATURE)?);
        if !(0.0..=1.0).contains(&share) {
            return Err(ManifestError::invalid(
                format!("parameters.{SHARE}"),
                "must be from 0 to 1",
            ));
        }
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(ManifestError::invalid(
                format!("parameters.{TEMPERATURE}"),
                "must be more than 0",
            ));
        }
        Ok(Some(Self { share, temperature }))
    }

    /// Whether a prediction explores. It depends on nothing but its id, so that those that do are a fair sample of all.
    pub(super) fn explores(self, prediction_id: &str) -> bool {
        uniform(mix(seed(prediction_id) ^ 0x5eed)) < self.share
    }

    /// The scores with each offer's chance added: the highest of them, in order, are a draw.
    pub(super) fn perturb<'a>(
        self,
        prediction_id: &str,
        scores: &[f64],
        offer_ids: impl Iterator<Item = &'a str>,
    ) -> Vec<f64> {
        let prediction = mix(seed(prediction_id));
        let gumbel = |offer_id| -(-uniform(mix(prediction ^ seed(offer_id))).ln()).ln();
        scores
            .iter()
            .zip(offer_ids)
            .map(|(score, offer_id)| score / self.temperature + gumbel(offer_id))
            .collect()
    }

    /// The probability of each position of a list, given those before it; their product is that of the list.
    pub(super) fn propensities(self, scores: &[f64], shown: &[usize]) -> Vec<f64> {
        let mut is_shown = vec![false; scores.len()];
        shown.iter().for_each(|&position| is_shown[position] = true);
        let energy = |position: usize| scores[position] / self.temperature;
        let rest = (0..scores.len()).filter(|&position| !is_shown[position]).map(energy);
        // From the last position up, so that nothing is subtracted: a difference of sums has no digits left where one offer outweighs all.
        let mut left = log_sum_exp(rest);
        let mut propensities: Vec<f64> = shown
            .iter()
            .rev()
            .map(|&position| {
                left = log_sum_exp([left, energy(position)].into_iter());
                (energy(position) - left).exp()
            })
            .collect();
        propensities.reverse();
        propensities
    }
}

/// The logarithm of the sum of the exponentials; minus infinity of nothing.
fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let greatest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if greatest == f64::NEG_INFINITY {
        return greatest;
    }
    greatest + values.map(|value| (value - greatest).exp()).sum::<f64>().ln()
}

/// FNV-1a, the same on every machine and in every build.
fn seed(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A step of [SplitMix64](https://doi.org/10.1145/2714064.2660195): neighbours come out far apart.
fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number between 0 and 1, neither of which it is.
fn uniform(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}
