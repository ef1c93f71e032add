use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::OFFER_FIELDS;
use super::catalogue::{Catalogue, MOST_OFFERS, NO_CATEGORY};
use super::schema::CatalogueSchema;
use crate::encode::{Column, FeatureEncoder, MissingReason, Source};
use crate::feature_row::Stored;
use crate::manifest::{Manifest, ManifestError};
use crate::tensor::{Tensor, TensorData};
use crate::value::FeatureValue;

/// The longest id of an offer.
const LONGEST_ID_BYTES: usize = 128;

/// Makes a catalogue from rows of JSON, each of which is checked.
///
/// A row has an `offer_id`; optionally `valid_from` and `valid_to`, a list of `regions` (all, without one), `budget_left` and a `category`; and
/// the features. A feature that a row lacks follows the policy of the manifest, as everywhere; one of another type, out of its range, or of an
/// unknown category is an error, since whoever packs a catalogue can mend it.
pub struct CatalogueBuilder {
    schema: CatalogueSchema,
    encoder: FeatureEncoder,
    parse_time: fn(&str) -> Option<i64>,
    ids: HashSet<String>,
    offers: Vec<Offer>,
}

struct Offer {
    id: String,
    valid_from_ms: i64,
    valid_to_ms: i64,
    budget_left: f64,
    regions: u64,
    category: u16,
    features: Vec<f32>,
}

impl CatalogueBuilder {
    /// A builder of an empty catalogue. `parse_time` reads a time of a row as milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When the manifest has no catalogue.
    pub fn new(manifest: &Manifest, parse_time: fn(&str) -> Option<i64>) -> Result<Self, ManifestError> {
        Ok(Self {
            schema: CatalogueSchema::new(manifest)?,
            encoder: FeatureEncoder::new(manifest),
            parse_time,
            ids: HashSet::new(),
            offers: vec![],
        })
    }

    /// Adds an offer.
    ///
    /// # Errors
    /// Names the field and what is expected there.
    pub fn add(&mut self, fields: &Map<String, Json>) -> Result<(), String> {
        let features = &self.schema.spec.features;
        let is_known = |name: &String| {
            OFFER_FIELDS.contains(&name.as_str()) || features.iter().any(|feature| feature.name == *name)
        };
        if let Some(unknown) = fields.keys().find(|name| !is_known(name)) {
            return Err(format!(
                "{unknown}: is neither a field of every offer nor a feature of the catalogue"
            ));
        }
        let offer = Offer {
            id: offer_id(fields)?,
            valid_from_ms: self.time(fields, "valid_from")?.unwrap_or(i64::MIN),
            valid_to_ms: self.time(fields, "valid_to")?.unwrap_or(i64::MAX),
            budget_left: budget_left(fields)?,
            regions: self.regions(fields)?,
            category: self.category(fields)?,
            features: self.encode(fields)?,
        };
        if offer.valid_from_ms >= offer.valid_to_ms {
            return Err("valid_to: must be later than valid_from".into());
        }
        if self.offers.len() == MOST_OFFERS {
            return Err(format!("a catalogue has at most {MOST_OFFERS} offers"));
        }
        if !self.ids.insert(offer.id.clone()) {
            return Err(format!("offer_id: {:?} was there before", offer.id));
        }
        self.offers.push(offer);
        Ok(())
    }

    /// The catalogue of what was added, as of a time in milliseconds since the Unix epoch, and its schema.
    pub fn finish(mut self, created_at_ms: i64) -> (Catalogue, CatalogueSchema) {
        self.offers.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut end = 0;
        let id_ends = self.offers.iter().map(|offer| {
            end += u32::try_from(offer.id.len()).expect("an id is short");
            end
        });
        let catalogue = Catalogue {
            created_at_ms,
            id_ends: id_ends.collect(),
            id_text: self.offers.iter().map(|offer| offer.id.as_str()).collect(),
            valid_from_ms: self.offers.iter().map(|offer| offer.valid_from_ms).collect(),
            valid_to_ms: self.offers.iter().map(|offer| offer.valid_to_ms).collect(),
            budget_left: self.offers.iter().map(|offer| offer.budget_left).collect(),
            regions: self.offers.iter().map(|offer| offer.regions).collect(),
            category: self.offers.iter().map(|offer| offer.category).collect(),
            columns: self.schema.columns,
            features: self.offers.iter().flat_map(|offer| &offer.features).copied().collect(),
        };
        (catalogue, self.schema)
    }

    fn time(&self, fields: &Map<String, Json>, name: &str) -> Result<Option<i64>, String> {
        match present(fields, name) {
            None => Ok(None),
            Some(json) => {
                let time = json.as_str().and_then(self.parse_time);
                time.map(Some)
                    .ok_or_else(|| format!("{name}: expected a time as in RFC 3339, got {json}"))
            }
        }
    }

    fn regions(&self, fields: &Map<String, Json>) -> Result<u64, String> {
        let Some(json) = present(fields, "regions") else {
            return Ok(u64::MAX);
        };
        let expected = || {
            let known = self.schema.spec.regions.join(", ");
            format!("regions: expected a list of one or more of {known}; leave it out for all of them, got {json}")
        };
        let names = json.as_array().filter(|names| !names.is_empty()).ok_or_else(expected)?;
        names.iter().try_fold(0, |regions, name| {
            let region = name.as_str().and_then(|name| self.schema.region(name));
            region.map(|region| regions | region).ok_or_else(expected)
        })
    }

    fn category(&self, fields: &Map<String, Json>) -> Result<u16, String> {
        let Some(json) = present(fields, "category") else {
            return Ok(NO_CATEGORY);
        };
        let category = json.as_str().and_then(|name| self.schema.category(name));
        category.ok_or_else(|| {
            let known = self.schema.spec.categories.join(", ");
            format!("category: expected one of {known}, got {json}")
        })
    }

    /// The columns of the model's input that an offer fills, in their order.
    fn encode(&self, fields: &Map<String, Json>) -> Result<Vec<f32>, String> {
        for feature in &self.schema.spec.features {
            // Also of those that this model does not take: the next one may.
            if let Some(json) = present(fields, &feature.name)
                && FeatureValue::from_json(json, feature.value_type).is_none()
            {
                let expected = feature.value_type.expectation();
                return Err(format!("{}: expected {expected}, got {json}", feature.name));
            }
        }
        let mut batch = self.encoder.batch(1);
        let mut positions = Vec::with_capacity(self.schema.columns);
        for column in catalogue_columns(&self.encoder) {
            let json = fields.get(&column.name);
            let expected = |problem: &str| format!("{}: {problem}; expected {}", column.name, column.expectation());
            let value = column.read(json).unwrap_or(Stored::Absent);
            match self.encoder.set(&mut batch, 0, column, &value) {
                Ok(Some(reason @ (MissingReason::UnknownCategory | MissingReason::OutOfRange))) | Err(reason) => {
                    return Err(expected(&format!("is {}", reason.describe())));
                }
                Ok(_) => positions.push(column.position()),
            }
        }
        let input = self.encoder.finish(batch, 1);
        let row = single_row(&input);
        Ok(positions.into_iter().map(|position| row[position]).collect())
    }
}

/// The columns that an offer fills.
pub(super) fn catalogue_columns(encoder: &FeatureEncoder) -> impl Iterator<Item = &Column> {
    encoder
        .columns()
        .iter()
        .filter(|column| column.source == Source::Catalogue)
}

/// The one row of the one input of a model that has a catalogue.
pub(super) fn single_row(inputs: &[Tensor]) -> &[f32] {
    match inputs.first().map(Tensor::data) {
        Some(TensorData::Fp32(row)) => row,
        _ => panic!("a manifest with a catalogue has one FP32 input"),
    }
}

/// A field that has a value. A null says that there is none.
fn present<'a>(fields: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    fields.get(name).filter(|json| !json.is_null())
}

fn offer_id(fields: &Map<String, Json>) -> Result<String, String> {
    let id = fields.get("offer_id").and_then(Json::as_str).filter(|id| {
        // Ids stand in a list with spaces between them.
        (1..=LONGEST_ID_BYTES).contains(&id.len()) && !id.contains(|c: char| c.is_whitespace() || c.is_control())
    });
    id.map(str::to_owned)
        .ok_or_else(|| format!("offer_id: expected a string of 1 to {LONGEST_ID_BYTES} bytes without spaces"))
}

fn budget_left(fields: &Map<String, Json>) -> Result<f64, String> {
    match present(fields, "budget_left") {
        None => Ok(f64::INFINITY),
        Some(json) => json
            .as_f64()
            .filter(|budget| *budget >= 0.0)
            .ok_or_else(|| format!("budget_left: expected a number of at least 0, got {json}")),
    }
}
