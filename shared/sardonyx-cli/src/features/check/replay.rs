//! Training rows as entities: written, read, encoded and inferred as a function does it.

use std::sync::Arc;
use std::time::Duration;

use sardonyx_core::encode::Defaulted;
use sardonyx_core::entity::{EntityKey, KeyType, KeyValue};
use sardonyx_core::error::PredictError;
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::{FeatureView, Layout, Manifest, REQUEST_SOURCE};
use sardonyx_core::ports::{FeatureWriter, Model, OnlineStore, RowWrite};
use sardonyx_core::predict::{Instance, PredictContext, Predictor, UseCase};
use serde_json::{Map, Value as Json};

use super::element::Element;
use super::observers::{EchoingModel, PatientStore, ReadRows, ServedTensors};
use super::sample::TrainingRow;
use crate::CommandError;

/// How long the written rows are kept.
const KEPT_SECONDS: i64 = 3_600;
/// How long one read may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a feature's value goes.
#[derive(Clone, Copy)]
enum Origin {
    Request,
    /// Positions of the view in the manifest and of the feature in the view.
    View {
        view: usize,
        feature: usize,
    },
}

/// What the store gave for a feature.
pub(super) enum Read {
    NoRow,
    Value(Stored),
}

/// What a prediction was made from, and what the model said.
pub(super) struct Served {
    /// What the store gave for each feature. `None` for those of the request.
    pub(super) stored: Vec<Option<Read>>,
    /// Where the model's policies stood in.
    pub(super) defaulted: Defaulted,
    /// The columns of all inputs, in order.
    pub(super) inputs: Vec<Element>,
    /// The elements of all outputs, in order.
    pub(super) outputs: Vec<Element>,
}

/// Serves training rows under feature views that are like the model's, but of this check alone.
pub(super) struct Replay {
    manifest: Arc<Manifest>,
    origins: Vec<Origin>,
    writer: Arc<dyn FeatureWriter>,
    store: Arc<PatientStore>,
    predictor: Predictor<ServedTensors>,
    /// How many rows were served.
    rows: u32,
}

impl Replay {
    /// A check whose views end in `run`. The model has been loaded with the manifest; writer and store are of one table.
    ///
    /// # Errors
    /// Names a view whose rows cannot be written.
    pub(super) fn new(
        manifest: &Manifest,
        run: &str,
        writer: Arc<dyn FeatureWriter>,
        store: Arc<dyn OnlineStore>,
        model: Arc<dyn Model>,
    ) -> Result<Self, CommandError> {
        let is_feast = |view: &&FeatureView| view.layout == Layout::Feast;
        if let Some(view) = manifest.feature_views.iter().find(is_feast) {
            return Err(format!(
                "the view {} has Feast's layout, which only Feast writes, so that its rows cannot be replayed; \
                 to check all else, use a copy of the model folder in which the view is native",
                view.name
            )
            .into());
        }
        let origins = origins(manifest);
        let manifest = Arc::new(under_own_views(manifest, &origins, run));
        let store = Arc::new(PatientStore::new(store));
        let echo = EchoingModel(model);
        let postprocess = ServedTensors {
            outputs: manifest.outputs.len(),
        };
        let predictor = Predictor::new(
            Arc::clone(&manifest),
            Arc::clone(&store) as _,
            Arc::new(echo),
            postprocess,
        );
        Ok(Self {
            manifest,
            origins,
            writer,
            store,
            predictor,
            rows: 0,
        })
    }

    /// Writes the stored features of each row, sends the others as a client would, and predicts for all.
    ///
    /// # Errors
    /// When the rows cannot be written or read. What becomes of a single row is its own result.
    pub(super) async fn serve(
        &mut self,
        rows: &[TrainingRow],
        now_ms: i64,
    ) -> Result<Vec<Result<Served, PredictError>>, CommandError> {
        let first = self.rows;
        self.rows += u32::try_from(rows.len())?;
        for (index, view) in self.manifest.feature_views.iter().enumerate() {
            let writes = rows.iter().zip(first..).map(|(row, number)| RowWrite {
                entity: self.entity(view, number),
                row: self.feature_row(index, row, now_ms),
            });
            // Of no snapshot, so that no record of the view stays behind when the rows have expired.
            self.writer.merge(view, None, &writes.collect::<Vec<_>>()).await?;
        }
        let instances = rows.iter().zip(first..).map(|(row, number)| self.instance(row, number));
        let context = PredictContext {
            now_ms,
            fetch_timeout: FETCH_TIMEOUT,
            stage_done: &|_| {},
        };
        let results = self
            .predictor
            .predict(instances.collect::<Result<_, _>>()?, context)
            .await?;

        let read = self.store.take();
        let served = results.into_iter().zip(first..).map(|(result, number)| {
            result.map(|prediction| Served {
                stored: self.read_values(&read, number),
                defaulted: prediction.defaulted,
                inputs: prediction.output.inputs,
                outputs: prediction.output.outputs,
            })
        });
        Ok(served.collect())
    }

    /// The key of a row, which the fields of that name of all views share.
    fn key(&self, name: &str, number: u32) -> KeyValue {
        let keys = self.manifest.feature_views.iter().flat_map(|view| &view.join_keys);
        let types: Vec<_> = keys.filter(|key| key.name == name).map(|key| key.key_type).collect();
        match types.first() {
            Some(KeyType::String) => KeyValue::String(format!("row-{number}")),
            Some(KeyType::Bytes) => KeyValue::Bytes(number.to_be_bytes().to_vec()),
            // Beyond 2^53, where whoever makes a float of a key finds another row.
            Some(KeyType::Int64) if !types.contains(&KeyType::Int32) => {
                KeyValue::Int64((1 << 53) + 1 + i64::from(number))
            }
            _ => KeyValue::Int64(number.into()),
        }
    }

    fn entity(&self, view: &FeatureView, number: u32) -> EntityKey {
        EntityKey(view.join_keys.iter().map(|key| self.key(&key.name, number)).collect())
    }

    /// What the view at that position stores of a row. What it stores besides the model's features is left out.
    fn feature_row(&self, view: usize, row: &TrainingRow, now_ms: i64) -> FeatureRow {
        let mut values = vec![Stored::Absent; self.manifest.feature_views[view].features.len()];
        for (origin, value) in self.origins.iter().zip(&row.features) {
            match origin {
                Origin::View { view: of, feature } if *of == view => values[*feature] = value.clone(),
                Origin::View { .. } | Origin::Request => {}
            }
        }
        FeatureRow {
            event_time_ms: now_ms,
            expires_at_seconds: Some(now_ms / 1000 + KEPT_SECONDS),
            values,
        }
    }

    /// What a client sends for a row: text, as it goes over the wire.
    fn instance(&self, row: &TrainingRow, number: u32) -> Result<Instance, serde_json::Error> {
        let mut fields = Map::new();
        for key in self.manifest.feature_views.iter().flat_map(|view| &view.join_keys) {
            fields.insert(key.name.clone(), self.key(&key.name, number).to_json());
        }
        let features = self.manifest.inputs.iter().flat_map(|input| &input.features);
        for ((feature, origin), value) in features.zip(&self.origins).zip(&row.features) {
            let json = match (origin, value) {
                (Origin::View { .. }, _) | (_, Stored::Absent | Stored::List(_)) => continue,
                (Origin::Request, Stored::Null) => Json::Null,
                (Origin::Request, Stored::Value(value)) => value.to_json(),
            };
            fields.insert(feature.name.clone(), json);
        }
        let text = Json::Object(fields).to_string();
        Ok(Instance {
            id: number.to_string(),
            path: row.place.clone(),
            fields: serde_json::from_str(&text)?,
        })
    }

    fn read_values(&self, read: &ReadRows, number: u32) -> Vec<Option<Read>> {
        let value = |origin: &Origin| match *origin {
            Origin::Request => None,
            Origin::View { view, feature } => {
                let view = &self.manifest.feature_views[view];
                let row = read.get(&(view.name.clone(), self.entity(view, number)));
                Some(row.map_or(Read::NoRow, |row| Read::Value(row.values[feature].clone())))
            }
        };
        self.origins.iter().map(value).collect()
    }
}

/// Where the features of all inputs are, in order. What is in no view is sent as if it were of the request.
fn origins(manifest: &Manifest) -> Vec<Origin> {
    let features = manifest.inputs.iter().flat_map(|input| &input.features);
    let origin = |source: &str, name: &str| {
        let view = manifest.feature_views.iter().position(|view| view.name == source)?;
        let stored = &manifest.feature_views[view].features;
        let feature = stored.iter().position(|stored| stored.name == name)?;
        Some(Origin::View { view, feature })
    };
    features
        .map(|feature| origin(&feature.source, &feature.name).unwrap_or(Origin::Request))
        .collect()
}

/// The manifest with views that nothing else reads or writes, and without a catalogue.
fn under_own_views(manifest: &Manifest, origins: &[Origin], run: &str) -> Manifest {
    let mut own = manifest.clone();
    own.catalogue = None;
    for view in &mut own.feature_views {
        view.name = format!("{}.check-{run}", view.name);
    }
    let features = own.inputs.iter_mut().flat_map(|input| &mut input.features);
    for (feature, origin) in features.zip(origins) {
        feature.source = match *origin {
            Origin::View { view, .. } => own.feature_views[view].name.clone(),
            Origin::Request => {
                // An offer's feature has its type from the catalogue.
                let stored = manifest.stored_feature(feature);
                feature.value_type = stored.map(|stored| stored.value_type).or(feature.value_type);
                REQUEST_SOURCE.to_owned()
            }
        };
    }
    own
}
