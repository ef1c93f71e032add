use std::borrow::Cow;

use serde_json::Value as Json;

use super::Fields;
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
    pub fields: Fields,
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

/// The fields that an instance may have, and what each is for.
pub(crate) struct FieldNames {
    /// In order, each once; the others are places among them.
    names: Vec<String>,
    /// Of each view's join keys.
    keys: Vec<Vec<usize>>,
    /// Of the request-time columns.
    columns: Vec<usize>,
}

impl FieldNames {
    pub(crate) fn new(manifest: &Manifest, columns: &[Column]) -> Self {
        let keys = || manifest.feature_views.iter().map(|view| &view.join_keys);
        let columns = || request_columns(columns);
        let of_keys = keys().flatten().map(|key| &key.name);
        let mut names: Vec<_> = of_keys.chain(columns().map(|column| &column.name)).cloned().collect();
        names.sort_unstable();
        names.dedup();
        let place = |name: &String| names.binary_search(name).expect("it is one of them");
        Self {
            keys: keys()
                .map(|keys| keys.iter().map(|key| place(&key.name)).collect())
                .collect(),
            columns: columns().map(|column| place(&column.name)).collect(),
            names,
        }
    }
}

fn request_columns(columns: &[Column]) -> impl Iterator<Item = &Column> {
    columns.iter().filter(|column| column.source == Source::Request)
}

impl ParsedInstance {
    /// `names` are those of the manifest and the columns; `taken` are of fields that were there, too, and are read already.
    pub(crate) fn parse(
        instance: Instance,
        names: &FieldNames,
        manifest: &Manifest,
        columns: &[Column],
        taken: &[&str],
    ) -> Result<Self, InvalidInput> {
        let Instance { id, path, fields } = instance;
        let mut given = vec![None; names.names.len()];
        let mut unknown: Option<String> = None;
        fields.into_each(
            |name, json| match names.names.binary_search_by(|known| known.as_str().cmp(name)) {
                Ok(place) => given[place] = Some(json),
                Err(_) if unknown.as_deref().is_none_or(|first| name < first) => unknown = Some(name.to_owned()),
                Err(_) => {}
            },
        );
        if let Some(name) = unknown {
            return Err(unknown_field(&path, &name, &names.names, taken));
        }

        let views = manifest.feature_views.iter().zip(&names.keys);
        let entities = views.map(|(view, places)| {
            let key = view.join_keys.iter().zip(places).map(|(key, place)| {
                let field = || format!("{path}.{}", key.name);
                let expected = key.key_type.expectation();
                match &given[*place] {
                    None => Err(InvalidInput::new(field(), format!("is missing; give {expected}"))),
                    Some(json) => KeyValue::from_json(json, key.key_type)
                        .ok_or_else(|| InvalidInput::unexpected(field(), expected, json)),
                }
            });
            key.collect::<Result<_, _>>().map(EntityKey)
        });
        let entities = entities.collect::<Result<_, _>>()?;

        let values = request_columns(columns)
            .zip(&names.columns)
            .map(|(column, place)| {
                let json = given[*place].as_ref();
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

fn unknown_field(path: &str, name: &str, names: &[String], taken: &[&str]) -> InvalidInput {
    let names = names.iter().map(String::as_str);
    let mut known: Vec<_> = names.chain(taken.iter().copied()).collect();
    known.sort_unstable();
    known.dedup();
    let problem = format!(
        "has a field that this model does not take; it takes {}",
        known.join(", ")
    );
    InvalidInput::unknown_name(path, problem, name)
}
