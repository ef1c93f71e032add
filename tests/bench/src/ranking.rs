//! How long it takes to rank a catalogue for one user, compared with the inference that it cannot do without.
//!
//! The use case is timed whole: an instance parsed, the user's row read from memory, offers filtered, one inference, the best selected. The bare
//! model is given the same rows, ready in a tensor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sardonyx_core::artifact::ModelFile;
use sardonyx_core::encode::FeatureEncoder;
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::{CATALOGUE_SOURCE, GoldenRow, Manifest};
use sardonyx_core::outputs::ClassProbability;
use sardonyx_core::ports::{Cause, Model, RowWrite};
use sardonyx_core::predict::UseCase;
use sardonyx_core::rank::{CatalogueBuilder, Ranker, Ranking, ScoreOffers};
use sardonyx_core::tensor::Tensor;
use sardonyx_core::testing::conformance::block_on;
use sardonyx_core::testing::{InMemoryCatalogueStore, InMemoryOnlineStore, models, offers};
use sardonyx_core::value::FeatureValue;
use sardonyx_onnx::{LOADER, OnnxModel};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::report::{Report, Row};
use crate::{Args, BenchError, machine};

/// The suite's name.
pub(crate) const SUITE: &str = "ranking";

/// The bare model: the subject that ranking is compared with.
const BARE: &str = "inference";
const OURS: &str = "ranking";
/// How long a turn lasts, and how many calls it has at least.
const TURN: Duration = Duration::from_millis(300);
const CALLS: usize = 20;
/// How many offers an instance asks for, beside what it needs not say.
const SHOWN: usize = 10;
/// Any time: the offers are valid always.
const NOW_MS: i64 = 1_800_000_000_000;

/// As `models/suites/ranking.py` writes it.
#[derive(Deserialize)]
struct Case {
    name: String,
    /// The folder of the model.
    model: PathBuf,
    /// The offers as JSON Lines.
    offers: String,
    /// How many of them are ranked.
    size: usize,
    /// Stored rows.
    users: Vec<Map<String, Json>>,
    /// Request-time features, one row for each user.
    instances: Vec<Map<String, Json>>,
}

/// The score of an offer, as the function `offer-ranking` has it, whose own crate would bring AWS and Lambda along.
#[derive(Clone)]
struct Redemption(ClassProbability);

impl ScoreOffers for Redemption {
    fn scores(&self, outputs: &[Tensor]) -> Result<Vec<f32>, Cause> {
        self.0.read_all(outputs)
    }
}

/// A case, ready to be run.
struct Prepared {
    model: Arc<OnnxModel>,
    score: Redemption,
    ranker: Ranker<Redemption>,
    /// For each user the instance and the rows that the model scores for it: [offers, features].
    users: Vec<(Map<String, Json>, Tensor)>,
    offer_ids: Vec<String>,
}

/// Runs the whole suite.
///
/// # Errors
/// When `make.py` has not made it, or ranking gives another list than the bare model's scores.
pub(crate) fn run(args: &Args) -> Result<Report, BenchError> {
    let cases: Vec<Case> = serde_json::from_reader(File::open(args.models.join(SUITE).with_extension("json"))?)?;
    let versions = BTreeMap::from([("sardonyx".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    let mut report = Report::new(machine::describe(), versions);
    for case in cases.iter().filter(|case| case.name.contains(&args.case)) {
        let prepared = Prepared::new(case, &args.models)?;
        prepared.agree().map_err(|error| format!("{}: {error}", case.name))?;
        let (mut bare, mut ranking) = (vec![], vec![]);
        for round in 0..args.rounds.get() {
            // Each round begins with the other one, so that what else the machine does meets both.
            if round % 2 == 0 {
                bare.push(prepared.turn(Prepared::infer)?);
            }
            ranking.push(prepared.turn(Prepared::rank)?);
            if round % 2 == 1 {
                bare.push(prepared.turn(Prepared::infer)?);
            }
        }
        let rows = [(BARE, bare), (OURS, ranking)]
            .map(|(subject, turns)| Row::new(&case.name, subject, "latency_p50", "us", turns));
        let progress: Vec<String> = rows.iter().map(Row::brief).collect();
        writeln!(std::io::stderr().lock(), "{}  {}", case.name, progress.join("  "))?;
        report.rows.extend(rows);
        crate::write(args, &report)?;
    }
    Ok(report)
}

impl Prepared {
    fn new(case: &Case, folder: &Path) -> Result<Self, BenchError> {
        let manifest = Manifest::from_json(&std::fs::read(case.model.join("manifest.json"))?)?;
        let artifact = std::fs::read(case.model.join(&manifest.artifact.file))?;
        let model = Arc::new(LOADER.load(&manifest, &ModelFile::named(artifact))?);
        let lines = BufReader::new(File::open(folder.join(&case.offers))?)
            .lines()
            .take(case.size);
        let offers = lines
            .map(|line| Ok(serde_json::from_str(&line?)?))
            .collect::<Result<Vec<Map<String, Json>>, BenchError>>()?;

        let catalogues = Arc::new(InMemoryCatalogueStore::default());
        let mut builder = CatalogueBuilder::new(&manifest, |_| None)?;
        for offer in &offers {
            builder.add(offer)?;
        }
        let (catalogue, schema) = builder.finish(NOW_MS);
        offers::publish(&catalogues, &manifest, catalogue.to_bytes(&schema).into());
        let store = Arc::new(InMemoryOnlineStore::default());
        for (id, user) in case.users.iter().enumerate() {
            put_user(&store, &manifest, id, user)?;
        }
        let score = Redemption(ClassProbability::find(&manifest, 1)?);
        let users = case.users.iter().zip(&case.instances).enumerate();
        let users = users.map(|(id, (user, request))| {
            let mut instance = request.clone();
            instance.insert("user_id".into(), id.into());
            let tensor = encode(&manifest, request.iter().chain(user), &offers)?;
            Ok((instance, tensor))
        });
        Ok(Self {
            users: users.collect::<Result<_, BenchError>>()?,
            offer_ids: offers
                .iter()
                .filter_map(|offer| offer["offer_id"].as_str())
                .map(str::to_owned)
                .collect(),
            ranker: Ranker::new(
                Arc::new(manifest.clone()),
                store,
                Arc::clone(&model) as _,
                offers::load(catalogues, &manifest, NOW_MS),
                score.clone(),
            )?,
            model,
            score,
        })
    }

    /// That ranking gives the offers with the highest of the bare model's scores.
    fn agree(&self) -> Result<(), BenchError> {
        for (user, (_, tensor)) in self.users.iter().enumerate() {
            let ranking = self.ranking(user)?;
            let scores = self.score.scores(&self.model.infer(std::slice::from_ref(tensor))?)?;
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| {
                scores[b]
                    .total_cmp(&scores[a])
                    .then(self.offer_ids[a].cmp(&self.offer_ids[b]))
            });
            let expected = order
                .iter()
                .take(SHOWN)
                .map(|&offer| (self.offer_ids[offer].as_str(), scores[offer]));
            let found = ranking
                .offers
                .iter()
                .map(|offer| (offer.offer_id.as_str(), offer.score));
            if ranking.eligible != scores.len() || !found.eq(expected) {
                return Err(format!("the list for user {user} is not that of the highest scores").into());
            }
        }
        Ok(())
    }

    /// The median time of a call in µs, over the users in turn.
    fn turn(&self, call: fn(&Self, usize, Tensor) -> Result<Duration, BenchError>) -> Result<f64, BenchError> {
        let (mut calls, turn) = (vec![], Instant::now());
        while calls.len() < CALLS || turn.elapsed() < TURN {
            let user = calls.len() % self.users.len();
            calls.push(call(self, user, self.users[user].1.clone())?);
        }
        calls.sort_unstable();
        Ok(calls[calls.len() / 2].as_secs_f64() * 1e6)
    }

    /// Runs the bare model on rows that are where it wants them.
    fn infer(&self, _user: usize, rows: Tensor) -> Result<Duration, BenchError> {
        let call = Instant::now();
        let outputs = self.model.infer(&[rows])?;
        let elapsed = call.elapsed();
        drop(outputs);
        Ok(elapsed)
    }

    /// Ranks. The rows are not used, but were copied just as before the bare model's call: what is in the CPU's caches is alike.
    fn rank(&self, user: usize, _rows: Tensor) -> Result<Duration, BenchError> {
        let call = Instant::now();
        let ranking = self.ranking(user)?;
        let elapsed = call.elapsed();
        drop(ranking);
        Ok(elapsed)
    }

    fn ranking(&self, user: usize) -> Result<Ranking, BenchError> {
        let instances = models::instances(&[Json::Object(self.users[user].0.clone())]);
        let mut results = block_on(self.ranker.predict(instances, models::context(NOW_MS)))?;
        Ok(results.remove(0)?.output)
    }
}

fn put_user(
    store: &InMemoryOnlineStore,
    manifest: &Manifest,
    id: usize,
    user: &Map<String, Json>,
) -> Result<(), BenchError> {
    let view = &manifest.feature_views[0];
    let values = view.features.iter().map(|feature| match &user[&feature.name] {
        Json::Null => Ok(Stored::Null),
        json => FeatureValue::from_json(json, feature.value_type)
            .map(Stored::Value)
            .ok_or_else(|| format!("{}: {json}", feature.name)),
    });
    let row = FeatureRow {
        event_time_ms: NOW_MS,
        expires_at_seconds: None,
        values: values.collect::<Result<_, _>>()?,
    };
    let entity = EntityKey(vec![KeyValue::Int64(i64::try_from(id)?)]);
    store.put(view, RowWrite { entity, row });
    Ok(())
}

/// The model's input for a user and all offers, by the path of the golden rows, which ranking does not take.
fn encode<'a>(
    manifest: &Manifest,
    known: impl Iterator<Item = (&'a String, &'a Json)>,
    offers: &[Map<String, Json>],
) -> Result<Tensor, BenchError> {
    let known: BTreeMap<String, Json> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
    let own = manifest.inputs[0]
        .features
        .iter()
        .filter(|feature| feature.source == CATALOGUE_SOURCE);
    let own: Vec<&str> = own.map(|feature| feature.name.as_str()).collect();
    let rows = offers.iter().map(|offer| {
        let mut features = known.clone();
        features.extend(own.iter().map(|&name| (name.to_owned(), offer[name].clone())));
        GoldenRow {
            features,
            outputs: BTreeMap::new(),
        }
    });
    let mut inputs = FeatureEncoder::new(manifest).encode_golden(&rows.collect::<Vec<_>>())?;
    Ok(inputs.remove(0))
}
