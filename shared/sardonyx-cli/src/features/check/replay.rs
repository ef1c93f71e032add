//! Training rows as entities: written, read, encoded and inferred as a function does it.

use std::sync::Arc;
use std::time::Duration;

use sardonyx_core::encode::Defaulted;
use sardonyx_core::entity::{EntityKey, KeyType, KeyValue};
use sardonyx_core::error::PredictError;
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::{CATALOGUE_SOURCE, FeatureView, Layout, Manifest};
use sardonyx_core::ports::{FeatureWriter, Model, OnlineStore, RowWrite};
use sardonyx_core::predict::{Instance, PredictContext, Predictor, UseCase};
use serde_json::{Map, Value as Json};

use super::element::Element;
use super::observers::{EchoingModel, PatientStore, ReadRows, ServedRow, ServedTensors};
use super::offers::OfferRanking;
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
    Catalogue,
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
    /// What the store gave for each feature. `None` for those of the request and of the offer.
    pub(super) stored: Vec<Option<Read>>,
    /// Where the model's policies stood in.
    pub(super) defaulted: Defaulted,
    /// The columns of all inputs, in order.
    pub(super) inputs: Vec<Element>,
    /// The elements of all outputs, in order.
    pub(super) outputs: Vec<Element>,
}

/// What a function does with instances.
enum Path {
    Predict(Predictor<ServedTensors>),
    Rank(OfferRanking),
}

/// Serves training rows under feature views that are like the model's, but of this check alone.
pub(super) struct Replay {
    manifest: Arc<Manifest>,
    origins: Vec<Origin>,
    writer: Arc<dyn FeatureWriter>,
    store: Arc<PatientStore>,
    path: Path,
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
        let model: Arc<dyn Model> = Arc::new(EchoingModel(model));
        let (own, reads) = (Arc::clone(&manifest), Arc::clone(&store) as _);
        let path = if manifest.catalogue.is_some() {
            Path::Rank(OfferRanking {
                manifest: own,
                store: reads,
                model,
            })
        } else {
            let postprocess = ServedTensors {
                outputs: manifest.outputs.len(),
            };
            Path::Predict(Predictor::new(own, reads, model, postprocess))
        };
        Ok(Self {
            manifest,
            origins,
            writer,
            store,
            path,
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
        let instances = instances.collect::<Result<Vec<_>, _>>()?;
        let results = self.results(rows, instances, context).await?;

        let read = self.store.take();
        let served = results.into_iter().zip(first..).map(|(result, number)| {
            result.map(|(defaulted, row)| Served {
                stored: self.read_values(&read, number),
                defaulted,
                inputs: row.inputs,
                outputs: row.outputs,
            })
        });
        Ok(served.collect())
    }

    async fn results(
        &self,
        rows: &[TrainingRow],
        instances: Vec<Instance>,
        context: PredictContext<'_>,
    ) -> Result<Vec<Result<(Defaulted, ServedRow), PredictError>>, CommandError> {
        match &self.path {
            Path::Predict(predictor) => {
                let results = predictor.predict(instances, context).await?.into_iter();
                Ok(results
                    .map(|result| result.map(|prediction| (prediction.defaulted, prediction.output)))
                    .collect())
            }
            Path::Rank(ranking) => {
                let mut results = Vec::with_capacity(rows.len());
                for (row, instance) in rows.iter().zip(instances) {
                    results.push(ranking.rank(&self.offer(row), instance, context).await?);
                }
                Ok(results)
            }
        }
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
                Origin::View { .. } | Origin::Request | Origin::Catalogue => {}
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
        fields.extend(self.fields(row, |origin| matches!(origin, Origin::Request)));
        let text = Json::Object(fields).to_string();
        Ok(Instance {
            id: number.to_string(),
            path: row.place.clone().into(),
            fields: serde_json::from_str(&text)?,
        })
    }

    /// What a row of a catalogue says of the offer of a training row.
    fn offer(&self, row: &TrainingRow) -> Map<String, Json> {
        let mut fields = self.fields(row, |origin| matches!(origin, Origin::Catalogue));
        fields.insert("offer_id".to_owned(), "offer".into());
        fields
    }

    /// The features of some origin that a row has.
    fn fields(&self, row: &TrainingRow, is_wanted: fn(&Origin) -> bool) -> Map<String, Json> {
        let features = self.manifest.inputs.iter().flat_map(|input| &input.features);
        let values = features.zip(&self.origins).zip(&row.features);
        let wanted = values.filter(|((_, origin), _)| is_wanted(origin));
        wanted
            .filter_map(|((feature, _), value)| {
                let json = match value {
                    Stored::Absent | Stored::List(_) => return None,
                    Stored::Null => Json::Null,
                    Stored::Value(value) => value.to_json(),
                };
                Some((feature.name.clone(), json))
            })
            .collect()
    }

    fn read_values(&self, read: &ReadRows, number: u32) -> Vec<Option<Read>> {
        let value = |origin: &Origin| match *origin {
            Origin::Request | Origin::Catalogue => None,
            Origin::View { view, feature } => {
                let view = &self.manifest.feature_views[view];
                let row = read.get(&(view.name.clone(), self.entity(view, number)));
                Some(row.map_or(Read::NoRow, |row| Read::Value(row.values[feature].clone())))
            }
        };
        self.origins.iter().map(value).collect()
    }
}

/// Where the features of all inputs are, in order.
fn origins(manifest: &Manifest) -> Vec<Origin> {
    let features = manifest.inputs.iter().flat_map(|input| &input.features);
    let in_view = |source: &str, name: &str| {
        let view = manifest.feature_views.iter().position(|view| view.name == source)?;
        let stored = &manifest.feature_views[view].features;
        let feature = stored.iter().position(|stored| stored.name == name)?;
        Some(Origin::View { view, feature })
    };
    features
        .map(|feature| match feature.source.as_str() {
            CATALOGUE_SOURCE => Origin::Catalogue,
            source => in_view(source, &feature.name).unwrap_or(Origin::Request),
        })
        .collect()
}

/// The manifest with views that nothing else reads or writes.
fn under_own_views(manifest: &Manifest, origins: &[Origin], run: &str) -> Manifest {
    let own_name = |name: &str| format!("{name}.check-{run}");
    let mut own = manifest.clone();
    for view in &mut own.feature_views {
        view.name = own_name(&view.name);
    }
    if let Some(redeemed) = own.catalogue.as_mut().and_then(|catalogue| catalogue.redeemed.as_mut()) {
        redeemed.view = own_name(&redeemed.view);
    }
    let features = own.inputs.iter_mut().flat_map(|input| &mut input.features);
    for (feature, origin) in features.zip(origins) {
        if let Origin::View { view, .. } = *origin {
            feature.source = own.feature_views[view].name.clone();
        }
    }
    own
}
