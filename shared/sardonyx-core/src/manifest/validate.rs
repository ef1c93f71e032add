//! What a manifest must satisfy beyond its JSON Schema.

mod baseline;
mod catalogue;

use std::collections::HashSet;

use serde_json::Value as Json;

use super::{
    CATALOGUE_SOURCE, FeatureSpec, FeatureView, InputSpec, Layout, MANIFEST_VERSION, Manifest, MissingPolicy,
    OutputRole, REQUEST_SOURCE, StoredFeature,
};
use crate::artifact::{BUNDLE_PREFIX, MANIFEST_FILE};
use crate::encode::is_representable;
use crate::tensor::Datatype;
use crate::value::{FeatureValue, ValueType};

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON, or not of the manifest's form.
    #[error("manifest: {path}")]
    Json {
        /// Where, as in `feature_views[0].features[3].type (card.count)`; a dot for the whole.
        path: String,
        /// What is wrong there.
        #[source]
        source: serde_json::Error,
    },
    /// It contradicts itself.
    #[error("manifest: {path} {problem}")]
    Invalid {
        /// Where, as in `inputs[0].features[3].missing`.
        path: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

impl ManifestError {
    pub(crate) fn invalid(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

/// The most elements of a list. A DynamoDB item, of 400 kB, holds no more doubles.
const LONGEST_LIST: u32 = 51_200;

type Check = Result<(), ManifestError>;

fn require(condition: bool, path: impl FnOnce() -> String, problem: impl FnOnce() -> String) -> Check {
    if condition {
        Ok(())
    } else {
        Err(ManifestError::invalid(path(), problem()))
    }
}

pub(super) fn validate(manifest: &Manifest) -> Check {
    require(
        manifest.manifest_version == MANIFEST_VERSION,
        || "manifest_version".into(),
        || {
            format!(
                "is {}, and this program reads {MANIFEST_VERSION}",
                manifest.manifest_version
            )
        },
    )?;
    require(
        is_identifier(&manifest.name, |c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
        }),
        || "name".into(),
        || "must be lower-case letters, digits and hyphens".into(),
    )?;
    require(
        is_identifier(&manifest.version, |c| c.is_ascii_alphanumeric() || "._-".contains(c)),
        || "version".into(),
        || "must be letters, digits, dots, hyphens and underscores".into(),
    )?;
    require(
        is_file_name(&manifest.artifact.file),
        || "artifact.file".into(),
        || "must be the name of a file beside the manifest".into(),
    )?;
    require(
        manifest.artifact.file != MANIFEST_FILE && !manifest.artifact.file.starts_with(BUNDLE_PREFIX),
        || "artifact.file".into(),
        || format!("must not be the manifest, nor begin with {BUNDLE_PREFIX}, as what is published beside it"),
    )?;
    require(
        manifest.artifact.sha256.len() == 64
            && manifest
                .artifact
                .sha256
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        || "artifact.sha256".into(),
        || "must be 64 lower-case hexadecimal digits".into(),
    )?;
    unique(manifest.feature_views.iter().map(|view| &view.name), "feature_views")?;
    for (index, view) in manifest.feature_views.iter().enumerate() {
        validate_view(view, &format!("feature_views[{index}]"))?;
    }
    catalogue::validate(manifest)?;
    require(
        !manifest.inputs.is_empty(),
        || "inputs".into(),
        || "must not be empty".into(),
    )?;
    unique(manifest.inputs.iter().map(|input| &input.name), "inputs")?;
    unique(features(manifest).map(|feature| &feature.name), "inputs[].features")?;
    for (index, input) in manifest.inputs.iter().enumerate() {
        validate_input(manifest, input, &format!("inputs[{index}]"))?;
    }
    validate_join_key_types(manifest)?;
    validate_outputs(manifest)?;
    validate_golden(manifest)?;
    baseline::validate(manifest)
}

fn features(manifest: &Manifest) -> impl Iterator<Item = &FeatureSpec> {
    manifest.inputs.iter().flat_map(|input| &input.features)
}

fn is_identifier(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.len() <= 128 && text.chars().all(allowed)
}

/// What [`is_source_name`] asks of a name.
const SOURCE_NAME: &str =
    "must be letters, digits, dots, hyphens and underscores, and neither \"request\" nor \"catalogue\"";

fn is_source_name(text: &str) -> bool {
    is_identifier(text, |c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && ![REQUEST_SOURCE, CATALOGUE_SOURCE].contains(&text)
}

fn is_file_name(text: &str) -> bool {
    !text.starts_with('.') && is_identifier(text, |c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn unique<'a>(names: impl Iterator<Item = &'a String>, path: &str) -> Check {
    let mut seen = HashSet::new();
    for name in names {
        require(!name.is_empty(), || path.into(), || "has an empty name".into())?;
        require(seen.insert(name), || path.into(), || format!("names {name:?} twice"))?;
    }
    Ok(())
}

fn validate_view(view: &FeatureView, path: &str) -> Check {
    require(
        is_source_name(&view.name),
        || format!("{path}.name"),
        || SOURCE_NAME.into(),
    )?;
    require(
        !view.join_keys.is_empty(),
        || format!("{path}.join_keys"),
        || "must not be empty".into(),
    )?;
    unique(view.join_keys.iter().map(|key| &key.name), &format!("{path}.join_keys"))?;
    validate_table(view, path)?;
    require(
        !view.features.is_empty(),
        || format!("{path}.features"),
        || "must not be empty".into(),
    )?;
    unique(
        view.features.iter().map(|feature| &feature.name),
        &format!("{path}.features"),
    )?;
    for feature in &view.features {
        validate_length(view, feature, || format!("{path}.features.{}.length", feature.name))?;
    }
    require(
        view.max_age_seconds != Some(0),
        || format!("{path}.max_age_seconds"),
        || "must be more than 0; leave it out when rows never become stale".into(),
    )
}

/// A list is as wide as its view says: every row fills the same columns.
fn validate_length(view: &FeatureView, feature: &StoredFeature, path: impl Fn() -> String) -> Check {
    let Some(length) = feature.length else {
        return Ok(());
    };
    require(view.layout == Layout::Feast, &path, || {
        "must be left out: rows of the layout native hold no lists".into()
    })?;
    require(feature.value_type != ValueType::String, &path, || {
        "must be left out: a list of strings is no model's input".into()
    })?;
    require((1..=LONGEST_LIST).contains(&length), path, || {
        format!("must be from 1 to {LONGEST_LIST}")
    })
}

fn validate_table(view: &FeatureView, path: &str) -> Check {
    let path = || format!("{path}.table");
    match (view.layout, &view.table) {
        (Layout::Native, None) => Ok(()),
        (Layout::Native, Some(_)) => Err(ManifestError::invalid(
            path(),
            "must be left out: rows of the layout native are in the feature table of the function's configuration",
        )),
        (Layout::Feast, None) => Err(ManifestError::invalid(
            path(),
            "is missing; give the DynamoDB table into which Feast materialises the view, by default <project>.<feature view>",
        )),
        (Layout::Feast, Some(table)) => require(
            (3..=255).contains(&table.len()) && table.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)),
            path,
            || "must be a DynamoDB table's name: 3 to 255 letters, digits, dots, hyphens and underscores".into(),
        ),
    }
}

/// Instances are flat: a name is one field, whichever views join on it.
fn validate_join_key_types(manifest: &Manifest) -> Check {
    for view in &manifest.feature_views {
        for key in &view.join_keys {
            let path = || format!("feature_views.{}.join_keys.{}", view.name, key.name);
            let same = manifest
                .feature_views
                .iter()
                .flat_map(|other| &other.join_keys)
                .filter(|other| other.name == key.name)
                .all(|other| other.key_type.agrees_with(key.key_type));
            require(same, path, || "has another type in another view".into())?;
            let clash = features(manifest).any(|feature| feature.source == REQUEST_SOURCE && feature.name == key.name);
            require(!clash, path, || {
                "is also a request-time feature; rename one of them".into()
            })?;
        }
    }
    Ok(())
}

fn columns(manifest: &Manifest, feature: &FeatureSpec) -> usize {
    manifest.stored_feature(feature).map_or(1, StoredFeature::columns)
}

fn validate_input(manifest: &Manifest, input: &InputSpec, path: &str) -> Check {
    let columns = input.features.iter().map(|feature| columns(manifest, feature)).sum();
    require(
        columns > 0,
        || format!("{path}.features"),
        || "must not be empty".into(),
    )?;
    let fits = match input.shape.as_slice() {
        [-1] => columns == 1,
        [-1, width] => usize::try_from(*width) == Ok(columns),
        _ => false,
    };
    require(
        fits,
        || format!("{path}.shape"),
        || {
            format!(
                "is {:?}, but must be [-1, {columns}] for {columns} columns",
                input.shape
            )
        },
    )?;
    for (index, feature) in input.features.iter().enumerate() {
        validate_feature(manifest, input.datatype, feature, &format!("{path}.features[{index}]"))?;
    }
    Ok(())
}

fn validate_feature(manifest: &Manifest, datatype: Datatype, feature: &FeatureSpec, path: &str) -> Check {
    let value_type = if feature.source == REQUEST_SOURCE {
        feature.value_type.ok_or_else(|| {
            ManifestError::invalid(
                format!("{path}.type"),
                "is missing; a request-time feature must say its type",
            )
        })?
    } else {
        let stored = manifest
            .stored_feature(feature)
            .ok_or_else(|| unknown_source(manifest, feature, path))?;
        require(
            feature.value_type.is_none_or(|declared| declared == stored.value_type),
            || format!("{path}.type"),
            || format!("contradicts its source, which stores a {}", stored.value_type.name()),
        )?;
        stored.value_type
    };
    let is_string = value_type == ValueType::String;
    require(
        feature.categories.is_some() == (is_string && datatype != Datatype::Bytes),
        || format!("{path}.categories"),
        || "must be given for a string in a numeric tensor, and only there".into(),
    )?;
    if let Some(categories) = &feature.categories {
        require(
            !categories.is_empty(),
            || format!("{path}.categories"),
            || "must not be empty".into(),
        )?;
        unique(categories.iter(), &format!("{path}.categories"))?;
    }
    require(
        is_string || datatype != Datatype::Bytes,
        || format!("{path}.type"),
        || "must be string in a BYTES tensor".into(),
    )?;
    if let Some(range) = feature.range {
        let ordered = match (range.min, range.max) {
            (Some(min), Some(max)) => min <= max,
            (None, None) => false,
            _ => true,
        };
        require(
            ordered && !is_string && value_type != ValueType::Bool,
            || format!("{path}.range"),
            || "must have a min, a max (not below the min) or both, on a numeric feature".into(),
        )?;
    }
    let length = manifest.stored_feature(feature).and_then(|stored| stored.length);
    validate_missing(datatype, feature, value_type, length, &format!("{path}.missing"))
}

/// The error for a feature that is not where it should come from.
fn unknown_source(manifest: &Manifest, feature: &FeatureSpec, path: &str) -> ManifestError {
    let source = &feature.source;
    let is_catalogue = source == CATALOGUE_SOURCE && manifest.catalogue.is_some();
    if is_catalogue || manifest.feature_view(source).is_some() {
        let what = if is_catalogue {
            "the catalogue".into()
        } else {
            format!("the view {source:?}")
        };
        ManifestError::invalid(
            format!("{path}.name"),
            format!("is {:?}, which {what} does not store", feature.name),
        )
    } else {
        ManifestError::invalid(
            format!("{path}.source"),
            format!(
                "is {source:?}, which is neither {REQUEST_SOURCE:?} nor {CATALOGUE_SOURCE:?} (with a catalogue) nor a feature view"
            ),
        )
    }
}

fn validate_missing(
    datatype: Datatype,
    feature: &FeatureSpec,
    value_type: ValueType,
    length: Option<u32>,
    path: &str,
) -> Check {
    match &feature.missing {
        MissingPolicy::Reject => Ok(()),
        MissingPolicy::Nan => require(
            datatype.is_float(),
            || path.into(),
            || format!("is nan, but a {datatype} tensor holds no NaN; use reject or a default"),
        ),
        MissingPolicy::Default(json) => {
            let mut expected = match (&feature.categories, feature.range) {
                (Some(categories), _) => format!("one of {}", categories.join(", ")),
                (None, Some(_)) => format!("{} in the range that {datatype} holds", value_type.expectation()),
                (None, None) => format!("{} that {datatype} holds", value_type.expectation()),
            };
            let usable = match (json.as_array(), length) {
                (Some(elements), Some(length)) => {
                    u32::try_from(elements.len()) == Ok(length)
                        && elements
                            .iter()
                            .all(|element| is_usable_default(datatype, feature, value_type, element))
                }
                _ => is_usable_default(datatype, feature, value_type, json),
            };
            if let Some(length) = length {
                expected += &format!(", or a list of {length} of them");
            }
            require(
                usable,
                || format!("{path}.default"),
                || format!("of {} is {json}, but must be {expected}", feature.name),
            )
        }
    }
}

fn is_usable_default(datatype: Datatype, feature: &FeatureSpec, value_type: ValueType, json: &Json) -> bool {
    let value = FeatureValue::from_json(json, value_type);
    match (&value, &feature.categories) {
        (Some(FeatureValue::String(text)), Some(categories)) => categories.contains(text),
        (Some(value), _) => value.as_number().is_none_or(|number| {
            number.is_finite()
                && is_representable(number, datatype)
                && feature.range.is_none_or(|range| range.contains(number))
        }),
        (None, _) => false,
    }
}

fn validate_outputs(manifest: &Manifest) -> Check {
    require(
        !manifest.outputs.is_empty(),
        || "outputs".into(),
        || "must not be empty".into(),
    )?;
    unique(manifest.outputs.iter().map(|output| &output.name), "outputs")?;
    for (index, output) in manifest.outputs.iter().enumerate() {
        require(
            output.shape.first() == Some(&-1) && output.shape[1..].iter().all(|&dimension| dimension > 0),
            || format!("outputs[{index}].shape"),
            || "must begin with -1, the batch, and be fixed behind it".into(),
        )?;
        if output.role == OutputRole::Probabilities {
            let columns = output.classes.as_ref().map(|classes| classes.len() as i64);
            require(
                columns.is_some() && output.shape.get(1).copied() == columns,
                || format!("outputs[{index}].classes"),
                || "must name a class for each column of the probabilities".into(),
            )?;
        }
    }
    Ok(())
}

fn validate_golden(manifest: &Manifest) -> Check {
    let golden = &manifest.golden;
    require(
        golden.tolerance > 0.0 && golden.tolerance <= 1e-3,
        || "golden.tolerance".into(),
        || "must be over 0 and at most 0.001".into(),
    )?;
    require(
        !golden.rows.is_empty(),
        || "golden.rows".into(),
        || "must not be empty: without them a wrong model would serve".into(),
    )?;
    let known: HashSet<_> = features(manifest).map(|feature| &feature.name).collect();
    for (index, row) in golden.rows.iter().enumerate() {
        let path = || format!("golden.rows[{index}].features");
        for name in row.features.keys() {
            require(known.contains(name), path, || {
                format!("has {name:?}, which is not a feature")
            })?;
        }
        for name in &known {
            require(row.features.contains_key(*name), path, || {
                format!("lacks {name:?}; give null where there is no value")
            })?;
        }
        let path = || format!("golden.rows[{index}].outputs");
        for output in &manifest.outputs {
            require(row.outputs.contains_key(&output.name), path, || {
                format!(
                    "lacks {:?}; an output that is not checked must not be declared",
                    output.name
                )
            })?;
        }
        for name in row.outputs.keys() {
            require(manifest.outputs.iter().any(|output| output.name == *name), path, || {
                format!("has {name:?}, which is not an output")
            })?;
        }
    }
    Ok(())
}
