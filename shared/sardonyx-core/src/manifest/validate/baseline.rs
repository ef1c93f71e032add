//! What the counts of a manifest must satisfy.

use std::collections::HashSet;

use super::{Check, Manifest, features, require};
use crate::manifest::Distribution;

pub(super) fn validate(manifest: &Manifest) -> Check {
    let baseline = &manifest.baseline;
    let known: HashSet<_> = features(manifest).map(|feature| &feature.name).collect();
    for (name, distribution) in &baseline.features {
        let path = format!("baseline.features.{name}");
        require(known.contains(name), || path.clone(), || "is not a feature".into())?;
        let is_list = features(manifest)
            .filter(|feature| feature.name == *name)
            .any(|feature| {
                manifest
                    .stored_feature(feature)
                    .is_some_and(|stored| stored.length.is_some())
            });
        require(
            !is_list,
            || path.clone(),
            || "must be left out: a list has no distribution".into(),
        )?;
        validate_distribution(distribution, baseline.rows, &path)?;
    }
    validate_distribution(&baseline.score, baseline.rows, "baseline.score")
}

fn validate_distribution(distribution: &Distribution, rows: u64, path: &str) -> Check {
    let (counts, missing) = match distribution {
        Distribution::Numeric(histogram) => {
            require(
                histogram.edges.len() == histogram.counts.len() + 1
                    && histogram.edges.windows(2).all(|pair| pair[0] < pair[1]),
                || format!("{path}.edges"),
                || "must increase, and be one more than the counts".into(),
            )?;
            (&histogram.counts, histogram.missing)
        }
        Distribution::Categorical(categories) => {
            require(
                categories.categories.len() == categories.counts.len(),
                || format!("{path}.counts"),
                || "must be one for each category".into(),
            )?;
            (&categories.counts, categories.missing)
        }
    };
    let sum = counts.iter().try_fold(missing, |sum, &count| sum.checked_add(count));
    require(
        sum == Some(rows),
        || format!("{path}.counts"),
        || format!("and the missing must add up to the {rows} rows"),
    )
}
