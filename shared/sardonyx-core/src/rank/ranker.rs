use std::borrow::{Borrow, BorrowMut};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use super::builder::{catalogue_columns, single_row};
use super::exploration::Exploration;
use super::request::RankRequest;
use super::select::top_k;
use super::{CurrentCatalogue, FILTERS_FIELD, K_FIELD, PublishedCatalogue};
use crate::encode::{Defaulted, MissingReason, Source};
use crate::error::{InvalidInput, PredictError};
use crate::feature_row::{FeatureRow, Stored};
use crate::manifest::{Manifest, ManifestError};
use crate::ports::{Cause, Model, OnlineStore};
use crate::predict::{
    BackgroundWork, Gathered, Gauge, Instance, LiveRows, ParsedInstance, PredictContext, Prediction, PredictionResult,
    ServedModel, Stage, UseCase, check_age, results, unless_panicking,
};
use crate::snapshots::SnapshotId;
use crate::tensor::{Tensor, TensorData};
use crate::value::FeatureValue;

/// A model's own code behind its tensors: what an offer's score is. The higher, the better.
pub trait ScoreOffers: Send + Sync + 'static {
    /// The score of each row of the outputs, which are in the order of the manifest.
    ///
    /// # Errors
    /// When the outputs make no sense, such as a probability that is not a number.
    fn scores(&self, outputs: &[Tensor]) -> Result<Vec<f32>, Cause>;
}

/// The offers for one instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// The offers, the best first.
    pub offers: Vec<RankedOffer>,
    /// How they were chosen.
    pub policy: Policy,
    /// The id of the catalogue that they are from.
    pub catalogue: String,
    /// How many of its offers might have been shown.
    pub eligible: usize,
}

/// An offer in its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedOffer {
    /// Its id.
    pub offer_id: String,
    /// What the model says of it.
    pub score: f32,
    /// Where the list was drawn: how likely this offer was to be drawn for this position, after those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
}

/// How offers are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// By the highest scores.
    Greedy,
    /// By chance, the higher scores more often.
    PlackettLuce,
}

/// Ranks the offers of the current catalogue for each instance. Made once, used concurrently.
pub struct Ranker<S> {
    served: ServedModel,
    catalogue: Arc<CurrentCatalogue>,
    exploration: Option<Exploration>,
    score: S,
    /// The columns of the input that an offer fills, and where in its own row they are.
    offer_columns: Vec<(Range<usize>, Range<usize>)>,
    /// Where the ids of the redeemed offers are: the view, the feature, and what it is called.
    redeemed: Option<(usize, usize, String)>,
}

/// An instance and what it asks for.
struct RankInstance {
    instance: ParsedInstance,
    request: RankRequest,
}

impl Borrow<ParsedInstance> for RankInstance {
    fn borrow(&self) -> &ParsedInstance {
        &self.instance
    }
}

impl BorrowMut<ParsedInstance> for RankInstance {
    fn borrow_mut(&mut self) -> &mut ParsedInstance {
        &mut self.instance
    }
}

impl<S: ScoreOffers> Ranker<S> {
    /// Puts the parts together. The model and the catalogue have been loaded with the same manifest.
    ///
    /// # Errors
    /// When the parameters for exploration cannot be used.
    pub fn new(
        manifest: Arc<Manifest>,
        store: Arc<dyn OnlineStore>,
        model: Arc<dyn Model>,
        catalogue: Arc<CurrentCatalogue>,
        score: S,
    ) -> Result<Self, ManifestError> {
        let exploration = Exploration::from_manifest(&manifest)?;
        let redeemed = catalogue.schema().spec.redeemed.as_ref().and_then(|redeemed| {
            let view = manifest
                .feature_views
                .iter()
                .position(|view| view.name == redeemed.view)?;
            let stored = &manifest.feature_views[view].features;
            let feature = stored.iter().position(|stored| stored.name == redeemed.feature)?;
            Some((view, feature, redeemed.feature.clone()))
        });
        let served = ServedModel::new(manifest, store, model);
        let positions = catalogue_columns(served.encoder()).map(|column| column.position());
        Ok(Self {
            offer_columns: runs(positions),
            served,
            catalogue,
            exploration,
            score,
            redeemed,
        })
    }

    fn parse(&self, mut instance: Instance) -> Result<RankInstance, InvalidInput> {
        let request = RankRequest::take(&mut instance.fields, &instance.path, self.catalogue.schema())?;
        let instance = self.served.parse(instance, &[K_FIELD, FILTERS_FIELD])?;
        Ok(RankInstance { instance, request })
    }

    /// Ranks for one instance.
    fn rank(
        &self,
        published: &PublishedCatalogue,
        rank_instance: RankInstance,
        live: LiveRows<'_>,
        snapshots: Arc<BTreeMap<String, SnapshotId>>,
        now_ms: i64,
    ) -> Result<Prediction<Ranking>, PredictError> {
        let RankInstance { instance, mut request } = rank_instance;
        let catalogue = &published.catalogue;
        let mut stale = live.stale;
        let spec = &self.catalogue.schema().spec;
        check_age(
            &spec.name,
            catalogue.age_seconds(now_ms),
            spec.max_age_seconds,
            spec.stale,
            &mut stale,
        )?;

        let encoder = self.served.encoder();
        let mut batch = encoder.batch(1);
        let own = encoder
            .columns()
            .iter()
            .filter(|column| column.source != Source::Catalogue);
        let mut defaulted = self.served.encode_row(&mut batch, 0, own, &instance, &live.rows)?;
        let user = encoder.finish(batch, 1);

        self.exclude_redeemed(&live.rows, &mut request, &mut defaulted);
        let eligible = catalogue.eligible(&request.wanted, now_ms);
        let (offers, policy) = if eligible.is_empty() {
            (vec![], Policy::Greedy)
        } else {
            let scores = self.scores(&self.input(published, single_row(&user), &eligible))?;
            self.choose(published, &eligible, &scores, request.k, &instance.id)
        };
        Ok(Prediction {
            prediction_id: instance.id,
            output: Ranking {
                offers,
                policy,
                catalogue: published.id.to_string(),
                eligible: eligible.len(),
            },
            defaulted,
            stale,
            snapshots,
        })
    }

    /// Adds the offers that the user has redeemed to those that must not be shown. That they are not known is reported like a missing feature.
    fn exclude_redeemed(
        &self,
        stored_rows: &[Option<&FeatureRow>],
        request: &mut RankRequest,
        defaulted: &mut Defaulted,
    ) {
        let Some((view, feature, name)) = &self.redeemed else {
            return;
        };
        match stored_rows[*view].and_then(|row| row.values.get(*feature)) {
            Some(Stored::Value(FeatureValue::String(ids))) => {
                let ids = ids.split_ascii_whitespace().map(str::to_owned);
                request.wanted.excluded.extend(ids);
            }
            Some(Stored::Null) => {
                defaulted.insert(name.clone(), MissingReason::Null);
            }
            _ => {
                defaulted.insert(name.clone(), MissingReason::Absent);
            }
        }
    }

    /// The model's input: the user's row for each offer, with the offer's columns in their places.
    ///
    /// # Shapes
    /// `user` [F]; the tensor [eligible, F], f32.
    fn input(&self, published: &PublishedCatalogue, user: &[f32], eligible: &[usize]) -> Tensor {
        let mut values = Vec::with_capacity(eligible.len() * user.len());
        for &offer in eligible {
            let (row, start) = (published.catalogue.row(offer), values.len());
            values.extend_from_slice(user);
            for (columns, own) in &self.offer_columns {
                values[start + columns.start..start + columns.end].copy_from_slice(&row[own.clone()]);
            }
        }
        Tensor::new(vec![eligible.len(), user.len()], TensorData::Fp32(values)).expect("each offer has a row")
    }

    fn scores(&self, input: &Tensor) -> Result<Vec<f64>, PredictError> {
        let rows = input.rows();
        let outputs = self.served.infer(std::slice::from_ref(input))?;
        let scores = unless_panicking(|| self.score.scores(&outputs))
            .flatten()
            .map_err(PredictError::Model)?;
        if scores.len() != rows {
            return Err(PredictError::Model(
                "the model does not give a score for each offer".into(),
            ));
        }
        if scores.iter().any(|score| score.is_nan()) {
            return Err(PredictError::Model("the score of an offer is not a number".into()));
        }
        Ok(scores.into_iter().map(f64::from).collect())
    }

    /// The first `k` offers, by their scores or by chance.
    fn choose(
        &self,
        published: &PublishedCatalogue,
        eligible: &[usize],
        scores: &[f64],
        k: usize,
        prediction_id: &str,
    ) -> (Vec<RankedOffer>, Policy) {
        let offer_id = |position: usize| published.catalogue.offer_id(eligible[position]);
        let exploration = self
            .exploration
            .filter(|exploration| exploration.explores(prediction_id));
        let (shown, propensities) = match exploration {
            None => (top_k(scores, k), None),
            Some(exploration) => {
                let ids = (0..eligible.len()).map(offer_id);
                let shown = top_k(&exploration.perturb(prediction_id, scores, ids), k);
                let propensities = exploration.propensities(scores, &shown);
                (shown, Some(propensities))
            }
        };
        let policy = propensities.as_ref().map_or(Policy::Greedy, |_| Policy::PlackettLuce);
        let ranked = shown.into_iter().enumerate().map(|(place, position)| RankedOffer {
            offer_id: offer_id(position).to_owned(),
            score: scores[position] as f32,
            propensity: propensities.as_ref().map(|propensities| propensities[place]),
        });
        (ranked.collect(), policy)
    }
}

#[async_trait]
impl<S: ScoreOffers> UseCase for Ranker<S> {
    type Output = Ranking;

    fn served(&self) -> &ServedModel {
        &self.served
    }

    /// Ranks for all instances with one read of features, and one inference for each: their offers together would be more than fits in memory.
    async fn predict(
        &self,
        instances: Vec<Instance>,
        context: PredictContext<'_>,
    ) -> Result<Vec<PredictionResult<Ranking>>, PredictError> {
        let parse = |instance| self.parse(instance);
        let Gathered {
            mut slots,
            instances,
            views,
            snapshots,
        } = self.served.gather(instances, context, parse).await?;
        let catalogue = self.catalogue.get();
        for (index, (slot, instance)) in instances.into_iter().enumerate() {
            let live = self.served.live_rows(&views, index, context.now_ms);
            let rank = |live| self.rank(&catalogue, instance, live, Arc::clone(&snapshots), context.now_ms);
            slots[slot] = Some(live.and_then(rank));
        }
        (context.stage_done)(Stage::Inference);
        Ok(results(slots))
    }

    fn background_work(&self, now_ms: i64) -> Option<BackgroundWork> {
        self.catalogue.refresh_when_due(now_ms)
    }

    fn gauges(&self, now_ms: i64) -> Vec<Gauge> {
        vec![
            Gauge::CatalogueAge(self.catalogue.get().catalogue.age_seconds(now_ms)),
            Gauge::CatalogueRefreshFailures(self.catalogue.take_failed_refreshes()),
        ]
    }
}

/// Increasing positions as ranges of neighbours, each with the range of their own numbers.
fn runs(positions: impl Iterator<Item = usize>) -> Vec<(Range<usize>, Range<usize>)> {
    let mut runs: Vec<(Range<usize>, Range<usize>)> = vec![];
    for (number, position) in positions.enumerate() {
        match runs.last_mut() {
            Some((columns, own)) if columns.end == position => {
                columns.end += 1;
                own.end += 1;
            }
            _ => runs.push((position..position + 1, number..number + 1)),
        }
    }
    runs
}
