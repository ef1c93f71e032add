use std::collections::HashMap;

use sardonyx_core::encode::{MissingReason, StoredRules};
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::error::InvalidInput;
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::{FeatureView, JoinKey, Layout, Manifest, StoredFeature};
use sardonyx_core::ports::RowWrite;

use crate::cell::Cell;
use crate::event_time::{format_event_time, problem_of_event_time};

/// The field of a row that says when its values were true.
pub(crate) const EVENT_TIME: &str = "event_time";

/// When the rows of a file were true, unless they say so themselves, and how long they are kept.
#[derive(Clone, Copy, Debug)]
pub struct RowTimes {
    /// The time of loading, in milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// The event time of a row without one, in milliseconds since the Unix epoch. Without it, each row has to have one.
    pub event_time_ms: Option<i64>,
    /// When the store may delete the rows, in seconds since the Unix epoch.
    pub expires_at_seconds: Option<i64>,
}

/// A view whose rows cannot be read from a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// They are Feast's.
    #[error("{view} has the layout feast: let Feast materialise it into {table}")]
    Feast {
        /// The view.
        view: String,
        /// Its table.
        table: String,
    },
    /// Two models know it by different schemas.
    #[error(
        "{model} has no native feature view {view} with the same join keys and features as the other models that read it; give one of them another name"
    )]
    Schema {
        /// The view.
        view: String,
        /// The model whose manifest differs.
        model: String,
    },
    /// The field that says the time of a row is one of the view's own.
    #[error(
        "{view} has a join key or a feature named {EVENT_TIME}, which in a file is the time of the row; give it another name"
    )]
    EventTime {
        /// The view.
        view: String,
    },
}

/// What the rows of one view have to satisfy.
#[derive(Clone, Debug)]
pub struct ViewRules {
    view: String,
    keys: Vec<(usize, JoinKey)>,
    features: Vec<(usize, StoredFeature)>,
    event_time: usize,
    /// The names of the fields. A [`Cell`] is found by the position of its name, of which a join key and a feature may share one.
    fields: Vec<String>,
    places: HashMap<String, usize>,
    /// Of each model that reads the view.
    models: Vec<StoredRules>,
    times: RowTimes,
}

/// What a field of a row is, and of which type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldUse<'a> {
    Key(&'a JoinKey),
    Feature(&'a StoredFeature),
    EventTime,
}

impl ViewRules {
    /// The rules for a view of that manifest.
    ///
    /// # Errors
    /// When no file can hold the view's rows.
    pub fn new(manifest: &Manifest, view: &FeatureView, times: RowTimes) -> Result<Self, RulesError> {
        if view.layout == Layout::Feast {
            return Err(RulesError::Feast {
                view: view.name.clone(),
                table: view.table.clone().unwrap_or_else(|| "its table".into()),
            });
        }
        let mut rules = Self {
            view: view.name.clone(),
            keys: vec![],
            features: vec![],
            event_time: 0,
            fields: vec![],
            places: HashMap::new(),
            models: vec![StoredRules::new(manifest, view)],
            times,
        };
        for key in &view.join_keys {
            let field = rules.field(&key.name);
            rules.keys.push((field, key.clone()));
        }
        for feature in &view.features {
            let field = rules.field(&feature.name);
            rules.features.push((field, feature.clone()));
        }
        if rules.place(EVENT_TIME).is_some() {
            return Err(RulesError::EventTime {
                view: view.name.clone(),
            });
        }
        rules.event_time = rules.field(EVENT_TIME);
        Ok(rules)
    }

    /// The same for another model that reads the view: a row has to be of use to both.
    ///
    /// # Errors
    /// [`RulesError::Schema`] when that model knows the view by other join keys or features.
    pub fn and(mut self, manifest: &Manifest) -> Result<Self, RulesError> {
        let same = |view: &&FeatureView| {
            view.layout == Layout::Native
                && view.join_keys.iter().eq(self.keys.iter().map(|(_, key)| key))
                && view
                    .features
                    .iter()
                    .eq(self.features.iter().map(|(_, feature)| feature))
        };
        let view = manifest.feature_view(&self.view).filter(same);
        let view = view.ok_or_else(|| RulesError::Schema {
            view: self.view.clone(),
            model: manifest.name.clone(),
        })?;
        self.models.push(StoredRules::new(manifest, view));
        Ok(self)
    }

    /// What the models say of a value, and the first one that objects.
    fn check(&self, feature: usize, value: &Stored) -> Result<(), (MissingReason, &StoredRules)> {
        self.models
            .iter()
            .try_for_each(|model| model.check(feature, value).map_err(|reason| (reason, model)))
    }

    /// The name of the view.
    pub fn view(&self) -> &str {
        &self.view
    }

    fn field(&mut self, name: &str) -> usize {
        *self.places.entry(name.to_owned()).or_insert_with(|| {
            self.fields.push(name.to_owned());
            self.fields.len() - 1
        })
    }

    /// The names of all fields.
    pub(crate) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The position of a field. `None` when the view has none of that name.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// What the field at that position is used for.
    pub(crate) fn uses(&self, field: usize) -> impl Iterator<Item = FieldUse<'_>> {
        let at = move |place: usize| place == field;
        let keys = self.keys.iter().filter(move |(place, _)| at(*place));
        let features = self.features.iter().filter(move |(place, _)| at(*place));
        keys.map(|(_, key)| FieldUse::Key(key))
            .chain(features.map(|(_, feature)| FieldUse::Feature(feature)))
            .chain(at(self.event_time).then_some(FieldUse::EventTime))
    }

    /// Why a field of that name cannot be.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let problem = format!("is neither a join key nor a feature of {}", self.view);
        InvalidInput::new(name, problem).public_message()
    }

    /// What is wrong with a file that has columns of these names, apart from their types.
    pub(crate) fn problems_of_columns<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut problems = Vec::new();
        let mut seen = vec![false; self.fields.len()];
        for (index, name) in names.enumerate() {
            match self.place(name) {
                Some(field) if seen[field] => problems.push(format!("{name}: is there twice")),
                Some(field) => seen[field] = true,
                // The index of a data frame, in CSV and in Parquet.
                None if name.is_empty() => problems.push(format!(
                    "column {}: has no name; leave it out (pandas: index=False)",
                    index + 1
                )),
                None if name.starts_with("__index_level_") => {
                    problems.push(format!("{} (pandas: index=False leaves it out)", self.unknown(name)));
                }
                None => problems.push(self.unknown(name)),
            }
        }
        for (_, key) in self.keys.iter().filter(|(field, _)| !seen[*field]) {
            problems.push(format!("{}: is missing; a row is found by it", key.name));
        }
        for (index, (_, feature)) in self.features.iter().enumerate().filter(|(_, (field, _))| !seen[*field]) {
            if self.check(index, &Stored::Absent).is_err() {
                problems.push(format!("{}: is missing, and the model needs it", feature.name));
            }
        }
        if !seen[self.event_time] && self.times.event_time_ms.is_none() {
            problems.push(missing_event_time());
        }
        problems
    }

    /// The row whose fields, by position, are these; or all that is wrong with it.
    pub(crate) fn row<'a>(&self, cell: impl Fn(usize) -> Cell<'a>) -> Result<RowWrite, Vec<String>> {
        let mut problems = Vec::new();
        let mut key = Vec::with_capacity(self.keys.len());
        for (field, join_key) in &self.keys {
            match key_of(join_key, cell(*field)) {
                Ok(value) => key.push(value),
                Err(problem) => problems.push(problem),
            }
        }
        let mut values = Vec::with_capacity(self.features.len());
        for (index, (field, feature)) in self.features.iter().enumerate() {
            match self.value_of(index, feature, cell(*field)) {
                Ok(value) => values.push(value),
                Err(problem) => problems.push(problem),
            }
        }
        match self.event_time_of(cell(self.event_time)) {
            Ok(event_time_ms) if problems.is_empty() => Ok(RowWrite {
                entity: EntityKey(key),
                row: FeatureRow {
                    event_time_ms,
                    expires_at_seconds: self.times.expires_at_seconds,
                    values,
                },
            }),
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }

    fn value_of(&self, index: usize, feature: &StoredFeature, cell: Cell<'_>) -> Result<Stored, String> {
        let unexpected =
            |expected: &str| InvalidInput::unexpected(&*feature.name, expected, &cell.to_json()).public_message();
        let value = match cell {
            Cell::Absent => Stored::Absent,
            _ if !cell.is_some() => Stored::Null,
            _ => cell
                .to_value(feature.value_type)
                .map(Stored::Value)
                .ok_or_else(|| unexpected(feature.value_type.expectation()))?,
        };
        match self.check(index, &value) {
            Ok(()) => Ok(value),
            Err((
                reason @ (MissingReason::Absent | MissingReason::Null | MissingReason::Empty | MissingReason::Nan),
                _,
            )) => Err(format!(
                "{}: is {}, and the model needs a value",
                feature.name,
                reason.describe()
            )),
            Err((MissingReason::OutOfRange | MissingReason::UnknownCategory, model)) => {
                Err(unexpected(&model.expectation(index).unwrap_or_default()))
            }
        }
    }

    fn event_time_of(&self, cell: Cell<'_>) -> Result<i64, String> {
        if !cell.is_some() {
            return self.times.event_time_ms.ok_or_else(missing_event_time);
        }
        let unexpected =
            |expected: &str| InvalidInput::unexpected(EVENT_TIME, expected, &cell.to_json()).public_message();
        let event_time_ms = cell
            .to_event_time()
            .ok_or_else(|| unexpected("a time as in RFC 3339, such as \"2026-01-02T03:04:05Z\""))?;
        match problem_of_event_time(event_time_ms, self.times.now_ms) {
            Some(problem) => Err(format!(
                "{EVENT_TIME}: {problem}, got {}",
                format_event_time(event_time_ms)
            )),
            None => Ok(event_time_ms),
        }
    }
}

fn missing_event_time() -> String {
    format!("{EVENT_TIME}: is missing; give it in each row, or one for all rows")
}

fn key_of(key: &JoinKey, cell: Cell<'_>) -> Result<KeyValue, String> {
    let expected = key.key_type.expectation();
    let problem = match cell.to_key(key.key_type) {
        Some(value) => return Ok(value),
        None if matches!(cell, Cell::Absent) => InvalidInput::new(&*key.name, format!("is missing; give {expected}")),
        None => InvalidInput::unexpected(&*key.name, expected, &cell.to_json()),
    };
    Err(problem.public_message())
}
