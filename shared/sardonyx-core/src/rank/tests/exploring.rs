//! That lists are drawn as they say, and that what they say is enough to judge another policy by.

use serde_json::{Value as Json, json};

use super::{Fixture, offer};
use crate::rank::{Policy, RankedOffer, Ranking};
use crate::testing::offers;

/// By id: the discount, which makes the score, and the true probability that the offer is redeemed when it is shown.
const OFFERS: [(&str, f64, f64); 6] = [
    ("a", 3.0, 0.10),
    ("b", 2.0, 0.45),
    ("c", 2.5, 0.30),
    ("d", 0.0, 0.05),
    ("e", 1.0, 0.20),
    ("f", 4.0, 0.25),
];
const TEMPERATURE: f64 = 1.5;
/// So many that five standard deviations of a mean, which are the bounds below, are little.
const DRAWS: usize = 30_000;

fn fixture(parameters: Json) -> Fixture {
    let mut manifest = offers::manifest_json();
    manifest["parameters"] = parameters;
    let offers = OFFERS.map(|(id, discount, _)| offer(id, json!({"discount": discount})));
    Fixture::with_manifest(offers::from_json(&manifest), &offers)
}

fn exploring(share: f64) -> Fixture {
    fixture(json!({"exploration_share": share, "exploration_temperature": TEMPERATURE}))
}

/// Lists of three for as many predictions.
fn draws(fixture: &Fixture, number: usize) -> Vec<Ranking> {
    let instances = vec![json!({"user_id": 1, "hour": 0, "k": 3}); number];
    let results = fixture.rank_all(&instances).expect("is answered");
    results
        .into_iter()
        .map(|result| result.expect("is ranked").output)
        .collect()
}

fn propensity(offer: &RankedOffer) -> f64 {
    offer.propensity.expect("is drawn")
}

/// That the mean of `values` is `expected`, by their own spread, which tells it to `precision`.
fn assert_mean(values: &[f64], expected: f64, precision: f64, what: &str) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let bound = 5.0 * (variance / count).sqrt();
    assert!(
        (mean - expected).abs() <= bound,
        "{what}: {mean} for {expected}, within {bound}"
    );
    assert!(bound <= precision, "{what}: {bound} says little");
}

/// Chance of the simulated users, which has nothing to do with that of the lists.
struct Chance(u64);

impl Chance {
    fn happens(&mut self, probability: f64) -> bool {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 / (1_u64 << 53) as f64) < probability
    }
}

fn true_value(id: &str) -> f64 {
    OFFERS.iter().find(|(other, ..)| *other == id).expect("is an offer").2
}

#[test]
fn an_offer_is_drawn_as_often_as_is_logged() {
    let lists = draws(&exploring(1.0), DRAWS);
    assert!(lists.iter().all(|list| list.policy == Policy::PlackettLuce));
    let weight = |(_, discount, _): &(&str, f64, f64)| (discount / TEMPERATURE).exp();
    let total: f64 = OFFERS.iter().map(weight).sum();
    for offer in &OFFERS {
        let expected = weight(offer) / total;
        let first: Vec<_> = lists.iter().filter(|list| list.offers[0].offer_id == offer.0).collect();
        assert!(
            first
                .iter()
                .all(|list| (propensity(&list.offers[0]) - expected).abs() < 1e-6),
            "{}",
            offer.0
        );
        let is_first: Vec<_> = lists
            .iter()
            .map(|list| f64::from(list.offers[0].offer_id == offer.0))
            .collect();
        assert_mean(&is_first, expected, 0.02, offer.0);
        // Behind it each other one as often as is logged there.
        for other in OFFERS.iter().filter(|other| other.0 != offer.0) {
            let is_second: Vec<_> = first
                .iter()
                .map(|list| f64::from(list.offers[1].offer_id == other.0))
                .collect();
            if is_second.len() > 2_000 {
                assert_mean(
                    &is_second,
                    weight(other) / (total - weight(offer)),
                    0.05,
                    "the second position",
                );
            }
        }
    }
}

#[test]
fn the_propensities_of_a_list_are_those_of_its_order() {
    let lists = draws(&exploring(1.0), 200);
    for list in &lists {
        let mut left: f64 = OFFERS
            .iter()
            .map(|(_, discount, _)| (discount / TEMPERATURE).exp())
            .sum();
        for offer in &list.offers {
            let discount = OFFERS
                .iter()
                .find(|(id, ..)| *id == offer.offer_id)
                .expect("is an offer")
                .1;
            let weight = (discount / TEMPERATURE).exp();
            assert!((propensity(offer) - weight / left).abs() < 1e-6, "{list:?}");
            left -= weight;
        }
    }
}

/// What a policy would gain that was never used is estimated from lists that were drawn: each counts by how much likelier that policy is to show it.
#[test]
fn another_policy_is_judged_rightly_by_what_was_logged() {
    let lists = draws(&exploring(1.0), DRAWS);
    let mut chance = Chance(7);
    let redeemed: Vec<[bool; 2]> = lists
        .iter()
        .map(|list| [0, 1].map(|place| chance.happens(true_value(&list.offers[place].offer_id))))
        .collect();
    // What the policies would show first, and behind it.
    for (first, second) in [("b", "c"), ("c", "f"), ("f", "a")] {
        let logged = || lists.iter().zip(&redeemed);
        let of_first = logged().map(|(list, redeemed)| {
            let shown = &list.offers[0];
            let is_same = shown.offer_id == first;
            f64::from(is_same && redeemed[0]) / propensity(shown)
        });
        assert_mean(&of_first.collect::<Vec<_>>(), true_value(first), 0.06, first);
        let of_both = logged().map(|(list, redeemed)| {
            let [shown, next] = [&list.offers[0], &list.offers[1]];
            let is_same = shown.offer_id == first && next.offer_id == second;
            let gain = f64::from(redeemed[0]) + f64::from(redeemed[1]);
            f64::from(is_same) * gain / (propensity(shown) * propensity(next))
        });
        assert_mean(
            &of_both.collect::<Vec<_>>(),
            true_value(first) + true_value(second),
            0.22,
            first,
        );
    }
    // The mean of what was redeemed, unweighted, is the value of drawing, and not of any of these.
    let plain: Vec<f64> = redeemed.iter().map(|redeemed| f64::from(redeemed[0])).collect();
    let drawn: f64 = plain.iter().sum::<f64>() / plain.len() as f64;
    assert!((drawn - true_value("b")).abs() > 0.1);
}

#[test]
fn a_share_of_the_predictions_explores_and_the_same_ones_again() {
    let fixture = exploring(0.2);
    let lists = draws(&fixture, 10_000);
    let explored: Vec<f64> = lists
        .iter()
        .map(|list| f64::from(list.policy == Policy::PlackettLuce))
        .collect();
    assert_mean(&explored, 0.2, 0.02, "the share");
    for list in lists.iter().filter(|list| list.policy == Policy::Greedy) {
        let ids: Vec<_> = list
            .offers
            .iter()
            .map(|offer| (offer.offer_id.as_str(), offer.propensity))
            .collect();
        assert_eq!(ids, [("f", None), ("a", None), ("c", None)]);
    }
    assert_eq!(draws(&fixture, 10_000), lists);
}

#[test]
fn the_same_prediction_draws_alike_from_what_else_is_eligible() {
    let fixture = exploring(1.0);
    let list = |exclude: &str| {
        let ids = fixture.ids(json!({"user_id": 1, "k": 6, "filters": {"exclude": [exclude]}}));
        ids.into_iter().filter(|id| id != "d").collect::<Vec<_>>()
    };
    assert_eq!(list("d"), list("nothing"), "an offer's chance is its own");
}

#[test]
fn one_offer_that_outweighs_all_has_numbers_still() {
    let mut manifest = offers::manifest_json();
    manifest["parameters"] = json!({"exploration_share": 1, "exploration_temperature": 0.01});
    let offers = [("a", 100), ("b", 50), ("c", 0)].map(|(id, discount)| offer(id, json!({"discount": discount})));
    let fixture = Fixture::with_manifest(offers::from_json(&manifest), &offers);
    let ranking = fixture.rank(json!({"user_id": 1})).output;
    let offers: Vec<_> = ranking
        .offers
        .iter()
        .map(|offer| (offer.offer_id.as_str(), propensity(offer)))
        .collect();
    assert_eq!(offers, [("a", 1.0), ("b", 1.0), ("c", 1.0)]);
}

#[test]
fn parameters_that_cannot_be_are_refused() {
    use crate::rank::exploration::Exploration;
    for (parameters, message) in [
        (
            json!({"exploration_share": 0.1}),
            "manifest: parameters.exploration_temperature is missing, and the model needs it",
        ),
        (
            json!({"exploration_share": 1.1, "exploration_temperature": 1}),
            "manifest: parameters.exploration_share must be from 0 to 1",
        ),
        (
            json!({"exploration_share": 0.1, "exploration_temperature": 0}),
            "manifest: parameters.exploration_temperature must be more than 0",
        ),
    ] {
        let mut manifest = offers::manifest_json();
        manifest["parameters"] = parameters;
        let error = Exploration::from_manifest(&offers::from_json(&manifest)).expect_err("is refused");
        assert_eq!(error.to_string(), message);
    }
}
