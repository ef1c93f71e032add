use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use crate::encode::{Column, MissingReason, Source};
use crate::entity::{EntityKey, KeyValue};
use crate::error::{InvalidInput, PredictError};
use crate::feature_row::Stored;
use crate::manifest::Manifest;

/// One thing to predict for: join keys and request-time features, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The id that the prediction gets.
    pub id: String,
    /// Where the instance stands in the request, for error messages, such as `instances[3]`.
    pub path: Cow<'static, str>,
    /// The fields.
    pub fields: Map<String, Json>,
}

/// An instance whose fields have their types.
pub(crate) struct ParsedInstance {
    pub(crate) id: String,
    path: Cow<'static, str>,
    /// One for each feature view of the manifest.
    pub(crate) entities: Vec<EntityKey>,
    /// One for each request-time column, in order.
    pub(crate) values: Vec<Stored>,
}

impl ParsedInstance {
    /// `taken` are the names of fields that were there, too, and are read already.
    pub(crate) fn parse(
        instance: Instance,
        manifest: &Manifest,
        columns: &[Column],
        taken: &[&str],
    ) -> Result<Self, InvalidInput> {
        let Instance { id, path, fields } = instance;
        let request_columns = || columns.iter().filter(|column| column.source == Source::Request);
        for name in fields.keys() {
            let is_known = request_columns().any(|column| column.name == *name)
                || manifest
                    .feature_views
                    .iter()
                    .flat_map(|view| &view.join_keys)
                    .any(|key| key.name == *name);
            if !is_known {
                return Err(unknown_field(&path, name, manifest, request_columns(), taken));
            }
        }

        let entities = manifest
            .feature_views
            .iter()
            .map(|view| {
                let key = view.join_keys.iter().map(|key| {
                    let field = || format!("{path}.{}", key.name);
                    let expected = key.key_type.expectation();
                    match fields.get(&key.name) {
                        None => Err(InvalidInput::new(field(), format!("is missing; give {expected}"))),
                        Some(json) => KeyValue::from_json(json, key.key_type)
                            .ok_or_else(|| InvalidInput::unexpected(field(), expected, json)),
                    }
                });
                key.collect::<Result<_, _>>().map(EntityKey)
            })
            .collect::<Result<_, _>>()?;

        let values = request_columns()
            .map(|column| {
                let json = fields.get(&column.name);
                let value = column.read(json).ok_or(MissingReason::OutOfRange);
                value
                    .and_then(|value| column.check_request(&value).map(|()| value))
                    .map_err(|_| invalid_request_value(&path, column, json))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            id,
            path,
            entities,
            values,
        })
    }

    /// The error for a feature whose policy is to reject.
    pub(crate) fn rejected(&self, column: &Column, manifest: &Manifest, reason: MissingReason) -> PredictError {
        match column.source {
            Source::Request => InvalidInput::new(
                format!("{}.{}", self.path, column.name),
                format!("expected {}", column.expectation()),
            )
            .into(),
            Source::Catalogue => PredictError::Model(
                format!(
                    "{} is a feature of offers, and there are none: the model is to be served as one that ranks",
                    column.name
                )
                .into(),
            ),
            Source::View { view, .. } => {
                let view = &manifest.feature_views[view];
                let keys: Vec<_> = view.join_keys.iter().map(|key| key.name.as_str()).collect();
                PredictError::NotFound {
                    field: format!("{}.{}", self.path, keys.join(", ")),
                    problem: format!(
                        "{} of {} has no usable value for this entity ({}), and the model needs one",
                        column.name,
                        view.name,
                        reason.describe()
                    ),
                }
            }
        }
    }
}

fn invalid_request_value(path: &str, column: &Column, json: Option<&Json>) -> InvalidInput {
    let field = format!("{path}.{}", column.name);
    match json {
        None => InvalidInput::new(field, format!("is missing; give {}", column.expectation())),
        Some(json) => InvalidInput::unexpected(field, &column.expectation(), json),
    }
}

fn unknown_field<'a>(
    path: &str,
    name: &str,
    manifest: &Manifest,
    columns: impl Iterator<Item = &'a Column>,
    taken: &[&'a str],
) -> InvalidInput {
    let mut known: Vec<_> = manifest
        .feature_views
        .iter()
        .flat_map(|view| &view.join_keys)
        .map(|key| key.name.as_str())
        .chain(columns.map(|column| column.name.as_str()))
        .chain(taken.iter().copied())
        .collect();
    known.sort_unstable();
    known.dedup();
    let problem = format!(
        "has a field that this model does not take; it takes {}",
        known.join(", ")
    );
    InvalidInput::unknown_name(path, problem, name)
}
