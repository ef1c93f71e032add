//! What a check found: that all is equal, or what differs, where, and in which step.

use std::collections::{BTreeMap, BTreeSet};

use sardonyx_core::error::PredictError;
use sardonyx_core::feature_row::Stored;
use sardonyx_core::manifest::{FeatureSpec, Manifest, MissingPolicy};
use sardonyx_core::outputs::is_close;

use super::element::{Element, describe, is_same_stored};
use super::replay::{Read, Served};
use super::sample::{Sample, TensorColumn, TrainingRow};
use crate::CommandError;

/// How many differences are told; the others are counted.
const TOLD: usize = 20;

/// What was found so far.
pub(super) struct Report<'a> {
    manifest: &'a Manifest,
    /// One for each column of the inputs.
    features: Vec<&'a FeatureSpec>,
    inputs: Vec<TensorColumn>,
    outputs: Vec<TensorColumn>,
    rows: u64,
    /// How far the outputs are off at most, as the tolerance is meant.
    worst: f64,
    differences: u64,
    told: Vec<String>,
    /// For each column that differs: those whose training values are served there, in each row where it differs.
    taken_from: BTreeMap<usize, BTreeSet<usize>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(manifest: &'a Manifest, sample: &Sample) -> Self {
        Self {
            manifest,
            features: manifest.inputs.iter().flat_map(|input| &input.features).collect(),
            inputs: sample.inputs.clone(),
            outputs: sample.outputs.clone(),
            rows: 0,
            worst: 0.0,
            differences: 0,
            told: vec![],
            taken_from: BTreeMap::new(),
        }
    }

    /// Compares what was served for a row with what the training library saw and said.
    pub(super) fn add(&mut self, row: &TrainingRow, served: &Result<Served, PredictError>) {
        self.rows += 1;
        match served {
            Err(error) => self.tell(|| format!("{}: is not predicted: {}", row.place, with_causes(error))),
            Ok(served) => {
                self.compare_inputs(row, served);
                self.compare_outputs(row, served);
            }
        }
    }

    /// That nothing differs, in a line.
    ///
    /// # Errors
    /// Lists what differs.
    pub(super) fn finish(self) -> Result<String, CommandError> {
        let Self { manifest, rows, .. } = self;
        let model = format!("{} version {}", manifest.name, manifest.version);
        if rows == 0 {
            return Err(format!("{model}: the sample has no rows, so that nothing was checked").into());
        }
        if self.differences == 0 {
            let (features, tolerance) = (self.features.len(), manifest.golden.tolerance);
            return Ok(format!(
                "{model}: {rows} rows of {features} features bit-equal; outputs within {tolerance:e} (worst {:.1e})",
                self.worst
            ));
        }
        let mut lines = vec![format!("{model}: {} differences in {rows} rows", self.differences)];
        let untold = self.differences - self.told.len() as u64;
        lines.extend(self.swapped());
        lines.extend(self.told);
        if untold > 0 {
            lines.push(format!("and {untold} more"));
        }
        Err(lines.join("\n  ").into())
    }

    fn tell(&mut self, difference: impl FnOnce() -> String) {
        self.differences += 1;
        if self.told.len() < TOLD {
            self.told.push(difference());
        }
    }

    fn compare_inputs(&mut self, row: &TrainingRow, served: &Served) {
        for (index, (trained, found)) in row.inputs.iter().zip(&served.inputs).enumerate() {
            if trained.is_same(found) {
                continue;
            }
            let has_found = |index: &usize| row.inputs[*index].is_same(found);
            let candidates = self.taken_from.entry(index);
            candidates
                .and_modify(|candidates| candidates.retain(has_found))
                .or_insert_with(|| (0..row.inputs.len()).filter(has_found).collect());
            let step = self.step(index, &row.features[index], served);
            let (place, name, column) = (&row.place, &self.features[index].name, &self.inputs[index].name);
            let line = format!("{place}: {name} ({column}): trained on {trained}, served {found}: {step}");
            self.tell(|| line);
        }
    }

    /// Which step made the difference.
    fn step(&self, index: usize, written: &Stored, served: &Served) -> String {
        let feature = self.features[index];
        let read = match &served.stored[index] {
            Some(Read::Value(read)) if !is_same_stored(written, read) => Some(describe(read)),
            Some(Read::NoRow) => Some("no row".into()),
            Some(Read::Value(_)) | None => None,
        };
        if let Some(read) = read {
            return format!("between write and read: {} was written, {read} read", describe(written));
        }
        if let Some(reason) = served.defaulted.get(&feature.name) {
            let policy = match &feature.missing {
                MissingPolicy::Default(default) => format!("the default {default}"),
                MissingPolicy::Nan => "NaN".into(),
                MissingPolicy::Reject => "no value".into(),
            };
            let (value, reason) = (describe(written), reason.describe());
            return format!("by the missing-value policy: {value} is {reason}, for which the manifest gives {policy}");
        }
        let datatype = self.inputs[index].datatype;
        format!("by the encoding of {} as {datatype}", describe(written))
    }

    /// Columns whose values training had in another one, which differs, too.
    fn swapped(&self) -> Vec<String> {
        let mut lines = vec![];
        for (column, others) in &self.taken_from {
            let only = others.first().filter(|_| others.len() == 1);
            let Some(other) = only.filter(|other| self.taken_from.contains_key(other)) else {
                continue;
            };
            let (name, column, other) = (
                &self.features[*column].name,
                &self.inputs[*column].name,
                &self.inputs[*other].name,
            );
            lines.push(format!(
                "{name} ({column}) is what training had in {other}: the order of the features is another one"
            ));
        }
        lines
    }

    fn compare_outputs(&mut self, row: &TrainingRow, served: &Served) {
        for (index, trained) in row.outputs.iter().enumerate() {
            let column = &self.outputs[index];
            let tolerance = self.manifest.golden.tolerance_of(&self.manifest.outputs[column.tensor]);
            let found = served.outputs.get(index);
            let is_equal = match (trained.float(), found.and_then(Element::float)) {
                (Some(trained), Some(found)) => {
                    let off = (found - trained).abs() / trained.abs().max(1.0);
                    if off.is_finite() {
                        self.worst = self.worst.max(off);
                    }
                    is_close(found, trained, tolerance)
                }
                _ => found.is_some_and(|found| found.is_same(trained)),
            };
            if !is_equal {
                let found = found.map_or_else(|| "nothing".into(), Element::to_string);
                let (place, name) = (&row.place, &column.name);
                let line = format!("{place}: {name}: the training library gives {trained}, the model {found}");
                self.tell(|| line);
            }
        }
    }
}

/// An error that is for the person who gave the sample, with everything behind it.
fn with_causes(error: &PredictError) -> String {
    let mut text = match error {
        PredictError::InvalidInput(invalid) => invalid.public_message(),
        error => error.to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
