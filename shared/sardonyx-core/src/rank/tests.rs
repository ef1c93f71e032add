mod exploring;
mod packing;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::*;
use crate::encode::MissingReason;
use crate::entity::{EntityKey, KeyValue};
use crate::error::{ErrorKind, PredictError};
use crate::feature_row::{FeatureRow, Stored};
use crate::manifest::Manifest;
use crate::ports::RowWrite;
use crate::predict::{Gauge, Prediction, PredictionResult, UseCase};
use crate::testing::conformance::block_on;
use crate::testing::offers::{self, OfferModel, SumScore};
use crate::testing::{InMemoryCatalogueStore, InMemoryOnlineStore, models};
use crate::value::FeatureValue;

const NOW_SECONDS: i64 = 1_800_000_000;
const NOW_MS: i64 = NOW_SECONDS * 1000;

/// A ranker on stores in memory. User 1 is 30 years old, and has redeemed the offer `used`.
struct Fixture {
    manifest: Manifest,
    store: Arc<InMemoryOnlineStore>,
    catalogues: Arc<InMemoryCatalogueStore>,
    ranker: Ranker<SumScore>,
}

impl Fixture {
    fn new(offers: &[Json]) -> Self {
        Self::with_manifest(offers::manifest(), offers)
    }

    fn with_manifest(manifest: Manifest, offers: &[Json]) -> Self {
        let catalogues = Arc::new(InMemoryCatalogueStore::default());
        offers::publish(&catalogues, &manifest, offers::pack(&manifest, offers, NOW_MS - 5_000));
        let store = Arc::new(InMemoryOnlineStore::default());
        let ranker = Ranker::new(
            Arc::new(manifest.clone()),
            Arc::clone(&store) as _,
            Arc::new(OfferModel::default()),
            offers::load(Arc::clone(&catalogues), &manifest, NOW_MS),
            SumScore,
        );
        let fixture = Self {
            manifest,
            store,
            catalogues,
            ranker: ranker.expect("is complete"),
        };
        fixture.write_user(30, Stored::Value(FeatureValue::String("used  gone-since".into())));
        fixture
    }

    fn write_user(&self, age: i64, redeemed: Stored) {
        let row = FeatureRow {
            event_time_ms: NOW_MS,
            expires_at_seconds: None,
            values: vec![Stored::Value(FeatureValue::Int64(age)), redeemed],
        };
        let entity = EntityKey(vec![KeyValue::Int64(1)]);
        self.store
            .put(&self.manifest.feature_views[0], RowWrite { entity, row });
    }

    fn rank_all(&self, instances: &[Json]) -> Result<Vec<PredictionResult<Ranking>>, PredictError> {
        block_on(
            self.ranker
                .predict(models::instances(instances), models::context(NOW_MS)),
        )
    }

    fn rank(&self, instance: Json) -> Prediction<Ranking> {
        self.rank_all(&[instance])
            .expect("is answered")
            .remove(0)
            .expect("is ranked")
    }

    fn ids(&self, instance: Json) -> Vec<String> {
        let offers = self.rank(instance).output.offers;
        offers.into_iter().map(|offer| offer.offer_id).collect()
    }
}

fn offer(id: &str, changes: Json) -> Json {
    let mut offer = json!({"offer_id": id, "category": "food", "discount": 10, "price": 0});
    offer
        .as_object_mut()
        .expect("is an object")
        .extend(changes.as_object().expect("is an object").clone());
    offer
}

#[test]
fn an_offer_s_columns_and_the_user_s_meet_in_the_order_of_the_manifest() {
    let fixture = Fixture::new(&[
        offer("b", json!({"discount": 40, "price": 2, "colour": "red"})),
        offer("a", json!({"category": "travel", "discount": null, "price": null})),
    ]);
    let prediction = fixture.rank(json!({"user_id": 1, "hour": 5}));
    let score = |id: &str, score| RankedOffer {
        offer_id: id.into(),
        score,
        propensity: None,
    };
    assert_eq!(
        prediction.output.offers,
        [
            score("b", 30.0 + 0.0 + 40.0 + 5.0 + 2.0),
            score("a", 30.0 + 1.0 + 1.0 + 5.0)
        ]
    );
    assert_eq!(
        (prediction.output.policy, prediction.output.eligible),
        (Policy::Greedy, 2)
    );
    assert_eq!(prediction.prediction_id, "id-0");
    assert!(prediction.defaulted.is_empty() && prediction.stale.is_empty());
}

#[test]
fn only_what_may_be_shown_is_scored() {
    let at = |seconds: i64| (NOW_SECONDS + seconds).to_string();
    let fixture = Fixture::new(&[
        offer("always", json!({})),
        offer("begins-now", json!({"valid_from": at(0)})),
        offer("ends-later", json!({"valid_to": at(1)})),
        offer("ends-now", json!({"valid_to": at(0)})),
        offer("later", json!({"valid_from": at(1)})),
        offer("spent", json!({"budget_left": 0})),
        offer("not-spent", json!({"budget_left": 0.01})),
        offer("used", json!({})),
        offer("south", json!({"regions": ["south"]})),
        offer(
            "both",
            json!({"regions": ["south", "north"], "category": "travel", "discount": 9}),
        ),
        // Would fail the whole inference's scores if it were scored.
        offer("broken", json!({"discount": OfferModel::NONSENSE, "valid_to": at(-1)})),
    ]);
    let all = ["always", "begins-now", "both", "ends-later", "not-spent", "south"];
    let without = |left_out: &[&str]| -> Vec<&str> { all.into_iter().filter(|id| !left_out.contains(id)).collect() };
    for (filters, expected) in [
        (json!({}), without(&[])),
        (json!({"region": "north"}), without(&["south"])),
        (json!({"region": "south"}), without(&[])),
        (json!({"category": ["travel"]}), vec!["both"]),
        (json!({"category": ["travel", "food", "food"]}), without(&[])),
        (json!({"category": []}), vec![]),
        (
            json!({"exclude": ["south", "both", "nobody's", "both"]}),
            without(&["south", "both"]),
        ),
        (
            json!({"region": "north", "category": ["travel"], "exclude": ["both"]}),
            vec![],
        ),
    ] {
        let prediction = fixture.rank(json!({"user_id": 1, "k": 100, "filters": filters}));
        let mut ids: Vec<_> = prediction
            .output
            .offers
            .iter()
            .map(|offer| offer.offer_id.as_str())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, expected, "{filters}");
        assert_eq!(prediction.output.eligible, expected.len(), "{filters}");
    }
}

#[test]
fn equal_scores_come_in_the_order_of_the_ids() {
    let ids = ["d", "b", "e", "a", "c"];
    let fixture = Fixture::new(&ids.map(|id| offer(id, json!({}))));
    assert_eq!(fixture.ids(json!({"user_id": 1, "k": 3})), ["a", "b", "c"]);
    let mut offers = ids.map(|id| offer(id, json!({})));
    offers.reverse();
    assert_eq!(
        Fixture::new(&offers).ids(json!({"user_id": 1})),
        ["a", "b", "c", "d", "e"]
    );
}

#[test]
fn without_offers_the_list_is_empty() {
    let fixture = Fixture::new(&[]);
    let prediction = fixture.rank(json!({"user_id": 1}));
    assert_eq!((prediction.output.offers.len(), prediction.output.eligible), (0, 0));
    let expired = Fixture::new(&[offer("a", json!({"valid_to": "1"}))]);
    assert_eq!(expired.ids(json!({"user_id": 1})), [""; 0]);
}

#[test]
fn what_is_not_known_of_the_user_is_reported() {
    let fixture = Fixture::new(&[offer("used", json!({}))]);
    let stranger = fixture.rank(json!({"user_id": 2}));
    let absent = |name: &str| (name.to_owned(), MissingReason::Absent);
    let expected = [absent("hour"), absent("redeemed_offers"), absent("user_age")];
    assert_eq!(stranger.defaulted, BTreeMap::from(expected));
    assert_eq!(
        stranger.output.offers.len(),
        1,
        "what nobody is known to have redeemed is shown"
    );
    fixture.write_user(30, Stored::Null);
    let known = fixture.rank(json!({"user_id": 1, "hour": 1}));
    assert_eq!(
        known.defaulted,
        BTreeMap::from([("redeemed_offers".into(), MissingReason::Null)])
    );
}

#[test]
fn an_instance_fails_alone() {
    let fixture = Fixture::new(&[
        offer("a", json!({})),
        offer("broken", json!({"discount": OfferModel::NONSENSE})),
    ]);
    let results = fixture.rank_all(&[
        json!({"user_id": 1}),
        json!({"user_id": 1, "filters": {"exclude": ["broken"]}}),
        json!({"user_id": 1, "k": 0}),
        json!({"user_id": 1, "hour": "noon"}),
        json!({"user_id": 1, "clour": "red"}),
    ]);
    let results = results.expect("the request is answered");
    let kinds: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map(|_| ()).map_err(PredictError::kind))
        .collect();
    let invalid = Err(ErrorKind::InvalidInput);
    assert_eq!(kinds, [Err(ErrorKind::Model), Ok(()), invalid, invalid, invalid]);
    let message = results[4].as_ref().map(|_| ()).map_err(PredictError::public_message);
    let fields = "it takes filters, hour, k, user_id";
    let unknown = format!("instances[4]: has a field that this model does not take; {fields}, got \"clour\"");
    assert_eq!(message, Err(unknown));

    fixture.write_user(OfferModel::POISON as i64, Stored::Null);
    let result = fixture.rank_all(&[json!({"user_id": 1, "filters": {"exclude": ["broken"]}})]);
    assert_eq!(
        result.expect("is answered").remove(0).map_err(|error| error.kind()),
        Err(ErrorKind::Model)
    );
}

#[test]
fn a_stale_catalogue_is_served_or_refused_as_the_manifest_says() {
    let offers = [offer("a", json!({}))];
    let mut json = offers::manifest_json();
    json["catalogue"]["max_age_seconds"] = json!(4);
    let served = Fixture::with_manifest(offers::from_json(&json), &offers).rank(json!({"user_id": 1}));
    assert_eq!(served.stale, BTreeMap::from([("offers".to_owned(), 5)]));
    json["catalogue"]["stale"] = json!("reject");
    let refused = Fixture::with_manifest(offers::from_json(&json), &offers).rank_all(&[json!({"user_id": 1})]);
    let refused = refused
        .expect("is answered")
        .remove(0)
        .map_err(|error| error.public_message());
    assert_eq!(
        refused,
        Err("the features of offers are 5 s old, and the model accepts 4 s".into())
    );
}

#[test]
fn a_newer_catalogue_replaces_the_old_one_beside_the_requests() {
    let fixture = Fixture::new(&[offer("old", json!({}))]);
    let interval_ms = i64::try_from(offers::REFRESH_INTERVAL.as_millis()).expect("is short");
    let newer = offers::pack(&fixture.manifest, &[offer("new", json!({}))], NOW_MS - 1_000);
    let id = offers::publish(&fixture.catalogues, &fixture.manifest, newer);
    assert!(
        fixture.ranker.background_work(NOW_MS + interval_ms - 1).is_none(),
        "it is not due"
    );
    assert_eq!(fixture.ids(json!({"user_id": 1})), ["old"]);

    let work = fixture.ranker.background_work(NOW_MS + interval_ms).expect("is due");
    let held = fixture.ranker.gauges(NOW_MS);
    assert_eq!(held[0], Gauge::CatalogueAge(5));
    assert!(
        fixture.ranker.background_work(NOW_MS + 9 * interval_ms).is_none(),
        "one is on its way"
    );
    block_on(work).expect("refreshes");
    let prediction = fixture.rank(json!({"user_id": 1}));
    assert_eq!(prediction.output.offers[0].offer_id, "new");
    assert_eq!(prediction.output.catalogue, id.as_str());
    assert_eq!(fixture.ranker.gauges(NOW_MS)[0], Gauge::CatalogueAge(1));
}

#[test]
fn a_refresh_that_fails_leaves_what_was_there() {
    let fixture = Fixture::new(&[offer("old", json!({}))]);
    let minute = i64::try_from(offers::REFRESH_INTERVAL.as_millis()).expect("is short");
    fixture.catalogues.set_failure(Some("throttled"));
    block_on(fixture.ranker.background_work(NOW_MS + minute).expect("is due")).expect_err("cannot be read");
    fixture.catalogues.set_failure(None);
    offers::publish(
        &fixture.catalogues,
        &fixture.manifest,
        b"SDXOFFER, but not really".as_slice().into(),
    );
    block_on(fixture.ranker.background_work(NOW_MS + 2 * minute).expect("is due")).expect_err("cannot be used");
    assert_eq!(fixture.ids(json!({"user_id": 1})), ["old"]);
    assert_eq!(fixture.ranker.gauges(NOW_MS)[1], Gauge::CatalogueRefreshFailures(2));
    assert_eq!(
        fixture.ranker.gauges(NOW_MS)[1],
        Gauge::CatalogueRefreshFailures(0),
        "each is told once"
    );

    // One that is given up halfway does not stand in the way of the next.
    drop(fixture.ranker.background_work(NOW_MS + 3 * minute).expect("is due"));
    assert!(fixture.ranker.background_work(NOW_MS + 4 * minute).is_some());
}

#[test]
fn a_prediction_says_what_the_wire_contract_has() {
    let fixture = Fixture::new(&[offer("a", json!({}))]);
    let prediction = fixture.rank(json!({"user_id": 1, "hour": 0}));
    let catalogue = prediction.output.catalogue.clone();
    assert_eq!(
        serde_json::to_value(&prediction).expect("serialises"),
        json!({
            "prediction_id": "id-0", "offers": [{"offer_id": "a", "score": 40.0}], "policy": "greedy",
            "catalogue": catalogue, "eligible": 1, "defaulted": {}, "stale": {}
        })
    );
}
