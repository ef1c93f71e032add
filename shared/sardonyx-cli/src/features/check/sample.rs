//! A file of training rows: raw features by name, and by position the columns that the training library saw and gave.

use std::collections::HashSet;
use std::sync::Arc;

use sardonyx_core::feature_row::Stored;
use sardonyx_core::manifest::{FeatureView, Layout, Manifest, StalePolicy, StoredFeature};
use sardonyx_core::tensor::Datatype;
use sardonyx_core::value::ValueType;
use sardonyx_ingest::{FileError, Format, Parsed, RowReader, RowTimes, Source, ViewRules};

use super::element::{Element, column_type};
use crate::CommandError;

/// A training row, and what the training library saw and said of it.
pub(super) struct TrainingRow {
    /// Where in the file, as in `row 17`.
    pub(super) place: String,
    /// The raw values of the features of all inputs, in order.
    pub(super) features: Vec<Stored>,
    /// The columns of all inputs, in order.
    pub(super) inputs: Vec<Element>,
    /// The elements of all outputs, in order.
    pub(super) outputs: Vec<Element>,
}

/// A column of a sample that holds one column of a tensor.
#[derive(Clone, Debug)]
pub(super) struct TensorColumn {
    /// As in `output.probabilities.1`: the kind, the tensor's name, and the position in its row.
    pub(super) name: String,
    /// Which input or output of the manifest.
    pub(super) tensor: usize,
    /// The tensor's element type.
    pub(super) datatype: Datatype,
}

/// A sample that is being read.
pub(super) struct Sample {
    reader: RowReader,
    unit: &'static str,
    features: usize,
    /// One for each feature, since a native view has no lists.
    pub(super) inputs: Vec<TensorColumn>,
    pub(super) outputs: Vec<TensorColumn>,
}

impl Sample {
    /// Opens a sample for the model of that manifest, and checks its columns.
    ///
    /// # Errors
    /// Names everything that is wrong with the columns.
    pub(super) fn open(manifest: &Manifest, source: Arc<dyn Source>, format: Format) -> Result<Self, CommandError> {
        let inputs = manifest.inputs.iter();
        let inputs = inputs.map(|input| (&*input.name, input.datatype, input.features.len()));
        let inputs = tensor_columns("input", inputs);
        let outputs = manifest.outputs.iter();
        let outputs = outputs.map(|output| (&*output.name, output.datatype, row_len(&output.shape)));
        let outputs = tensor_columns("output", outputs);
        let view = rows_as_view(manifest, inputs.iter().chain(&outputs))?;
        let times = RowTimes {
            now_ms: 0,
            event_time_ms: Some(0),
            expires_at_seconds: None,
        };
        let rules = ViewRules::new(manifest, &view, times)?;
        let reader = RowReader::open(source, format, Arc::new(rules), None).map_err(in_words)?;
        Ok(Self {
            reader,
            unit: format.unit(),
            features: inputs.len(),
            inputs,
            outputs,
        })
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    /// When a row cannot be read: a sample that is not whole proves nothing.
    pub(super) fn next_batch(&mut self, at_most: usize) -> Result<Vec<TrainingRow>, CommandError> {
        let rows = self.reader.next_batch(at_most).map_err(in_words)?;
        rows.into_iter().map(|row| self.training_row(row)).collect()
    }

    fn training_row(&self, parsed: Parsed) -> Result<TrainingRow, CommandError> {
        let place = format!("{} {}", self.unit, parsed.number);
        let row = parsed.result.map_err(|rejection| {
            let reasons = rejection.reasons.join("; ");
            format!("{place} of the sample: {reasons}")
        })?;
        let (features, tensors) = row.row.values.split_at(self.features);
        let columns = self.inputs.iter().chain(&self.outputs);
        let mut elements = Vec::with_capacity(tensors.len());
        let mut problems = Vec::new();
        for (stored, column) in tensors.iter().zip(columns) {
            match Element::trained(stored, column.datatype) {
                Ok(element) => elements.push(element),
                Err(problem) => problems.push(format!("{}: {problem}", column.name)),
            }
        }
        if !problems.is_empty() {
            return Err(format!("{place} of the sample: {}", problems.join("; ")).into());
        }
        let outputs = elements.split_off(self.inputs.len());
        Ok(TrainingRow {
            place,
            features: features.to_vec(),
            inputs: elements,
            outputs,
        })
    }
}

/// The columns of tensors, which are given by name, element type and width.
fn tensor_columns<'a>(kind: &'a str, tensors: impl Iterator<Item = (&'a str, Datatype, usize)>) -> Vec<TensorColumn> {
    let columns = |(tensor, (name, datatype, width))| {
        (0..width).map(move |position| TensorColumn {
            name: format!("{kind}.{name}.{position}"),
            tensor,
            datatype,
        })
    };
    tensors.enumerate().flat_map(columns).collect()
}

/// How many elements a row of a tensor of that shape has. Validation lets only the batch be open.
fn row_len(shape: &[i64]) -> usize {
    let dimensions = shape.iter().skip(1);
    dimensions
        .map(|&dimension| usize::try_from(dimension).unwrap_or(0))
        .product()
}

/// The columns of a sample, as a view whose rows the reader of feature files can read. It is none of the manifest's, so that no policy of
/// the model decides what a training row may hold.
fn rows_as_view<'a>(
    manifest: &Manifest,
    tensors: impl Iterator<Item = &'a TensorColumn>,
) -> Result<FeatureView, CommandError> {
    let stored = |name: &str, value_type| StoredFeature {
        name: name.to_owned(),
        value_type,
        length: None,
    };
    let mut features: Vec<_> = manifest
        .inputs
        .iter()
        .flat_map(|input| &input.features)
        .map(|feature| {
            let of_view = manifest.stored_feature(feature).map(|stored| stored.value_type);
            // Validation lets no feature pass that has neither.
            let value_type = of_view.or(feature.value_type).unwrap_or(ValueType::Float64);
            stored(&feature.name, value_type)
        })
        .collect();
    features.extend(tensors.map(|column| stored(&column.name, column_type(column.datatype))));
    let mut names = HashSet::new();
    if let Some(twice) = features.iter().find(|feature| !names.insert(feature.name.as_str())) {
        return Err(format!(
            "{}: a feature has the name of a column of a tensor; a sample needs them apart, so rename the feature",
            twice.name
        )
        .into());
    }
    Ok(FeatureView {
        name: format!("the sample of {}", manifest.name),
        join_keys: vec![],
        layout: Layout::Native,
        table: None,
        features,
        max_age_seconds: None,
        stale: StalePolicy::Serve,
    })
}

/// The reader speaks of a view; the columns of a sample are those of a model.
fn in_words(error: FileError) -> CommandError {
    match error {
        FileError::Columns { problems, .. } => problems.join("; ").into(),
        error => error.into(),
    }
}
