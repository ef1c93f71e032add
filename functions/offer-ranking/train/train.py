"""Trains the offer-ranking model on simulated impressions and writes model/ and samples/.

Run it as `make train MODEL=offer-ranking`, or from this function's folder as `python train/train.py`.
Two runs on one machine write the same bytes.
"""

import pathlib
import sys
import time

import numpy as np
import onnxmltools
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

FOLDER = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(FOLDER.parents[1] / "shared/sardonyx-cli/python"))  # the project's training helpers

import sardonyx_train as sx  # noqa: E402
from ranking import ndcg, ranked  # noqa: E402
from samples import write_samples  # noqa: E402
from simulation import (  # noqa: E402
    CATEGORIES, CHANNELS, REGIONS, TIERS, redemption_probability, simulate_impressions, simulate_offers, simulate_requests,
    simulate_users,
)

SEED = 23
TRAIN, TEST = 1_000_000, 60_000
RANKED_USERS, RANKED_OFFERS, SHOWN = 1_000, 500, 10

VIEWS = [
    {"name": "user_offer_history", "join_keys": [{"name": "user_id", "type": "int64"}], "layout": "native",
     "features": [
         {"name": "account_age_days", "type": "int64"},
         {"name": "session_count_30d", "type": "int64"},
         {"name": "offer_view_count_30d", "type": "int64"},
         {"name": "redemption_count_90d", "type": "int64"},
         {"name": "redemption_rate_90d", "type": "float32"},
         {"name": "spend_30d", "type": "float64"},
         {"name": "average_basket_value_90d", "type": "float64"},
         {"name": "days_since_last_redemption", "type": "float64"},
         {"name": "discount_affinity", "type": "float32"},
         {"name": "grocery_share_90d", "type": "float32"},
         {"name": "dining_share_90d", "type": "float32"},
         {"name": "travel_share_90d", "type": "float32"},
         {"name": "redeemed_offers", "type": "string"}],
     "max_age_seconds": 172_800, "stale": "serve"},
]

CATALOGUE = {
    "name": "offers",
    "features": [
        {"name": "category", "type": "string"},
        {"name": "discount_percent", "type": "float64"},
        {"name": "face_value", "type": "float64"},
        {"name": "min_spend", "type": "float64"},
        {"name": "points_multiplier", "type": "float64"},
        {"name": "is_exclusive", "type": "bool"},
        {"name": "is_cashback", "type": "bool"},
        {"name": "days_since_launch", "type": "int64"},
        {"name": "impression_count_7d", "type": "int64"},
        {"name": "redemption_count_7d", "type": "int64"},
        {"name": "redemption_rate_7d", "type": "float64"},
        {"name": "redemption_rate_30d", "type": "float64"},
        {"name": "click_rate_7d", "type": "float64"},
        {"name": "merchant_rating", "type": "float64"},
        {"name": "merchant_offer_count", "type": "int64"},
        {"name": "merchant_order_count_30d", "type": "int64"},
        {"name": "basket_value_mean_30d", "type": "float64"},
        {"name": "evening_share_30d", "type": "float64"},
        {"name": "weekend_share_30d", "type": "float64"},
        {"name": "new_user_share_30d", "type": "float64"},
        {"name": "repeat_share_30d", "type": "float64"},
        {"name": "return_rate_90d", "type": "float64"},
        {"name": "delivery_days", "type": "int64"},
        {"name": "partner_tier", "type": "string"}],
    "regions": REGIONS,
    "categories": CATEGORIES,
    "redeemed": {"view": "user_offer_history", "feature": "redeemed_offers"},
    "max_age_seconds": 172_800, "stale": "serve",
}

# Trees take NaN as it is. What every offer has is required, so that a catalogue without it is refused when it is packed.
REQUIRED = {
    "category": {"categories": CATEGORIES},
    "discount_percent": {"range": {"min": 0, "max": 100}},
    "face_value": {"range": {"min": 0}},
    "min_spend": {"range": {"min": 0}},
    "days_since_launch": {"range": {"min": 0}},
}
FEATURES = [
    {"name": "hour_of_day", "source": "request", "type": "int64", "range": {"min": 0, "max": 23}, "missing": "reject"},
    {"name": "is_weekend", "source": "request", "type": "bool", "missing": {"default": False}},
    {"name": "channel", "source": "request", "type": "string", "categories": CHANNELS, "missing": {"default": "android"}},
    {"name": "minutes_since_app_open", "source": "request", "type": "float64", "range": {"min": 0, "max": 1440}, "missing": "nan"},
] + [
    {"name": feature["name"], "source": "user_offer_history", "missing": "nan"}
    for feature in VIEWS[0]["features"] if feature["name"] != "redeemed_offers"
] + [
    {"name": name, "source": "catalogue"}
    | REQUIRED.get(name, {"categories": TIERS} if name == "partner_tier" else {})
    | {"missing": "reject" if name in REQUIRED else "nan"}
    for name in (feature["name"] for feature in CATALOGUE["features"])
]

TYPES = sx.feature_types([*VIEWS, CATALOGUE], FEATURES)
ONNX_INPUT = [("features", FloatTensorType([None, len(FEATURES)]))]


def main():
    started = time.monotonic()
    rng = np.random.default_rng(SEED)
    columns = simulate_impressions(rng, simulate_users(rng, 30_000), simulate_offers(rng, 3_000), TRAIN + TEST)
    tensor = sx.encode(FEATURES, columns)
    truth = true_values(tensor)
    redeemed = (rng.random(len(truth)) < truth).astype(int)
    train, test = np.split(np.arange(len(truth)), [TRAIN])

    classifier = xgboost.XGBClassifier(
        n_estimators=400, max_depth=5, learning_rate=0.06, subsample=0.8, colsample_bytree=0.6,
        min_child_weight=20, reg_lambda=5, max_bin=128, tree_method="hist", n_jobs=1, random_state=SEED,
    ).fit(tensor[train], redeemed[train])
    model = onnxmltools.convert_xgboost(
        classifier, name="offer-ranking", initial_types=ONNX_INPUT, target_opset=15
    ).SerializeToString()

    def predict(rows):
        return {"probabilities": classifier.predict_proba(rows)}

    difference = sx.verify_onnx(model, tensor[test], predict(tensor[test]))
    scores = predict(tensor[test])["probabilities"][:, 1]
    unseen = {name: values[test] for name, values in columns.items()}
    metrics = sx.quality(redeemed[test], scores, truth[test]) | ranking_quality(predict)

    sx.write_artifact(
        FOLDER / "model", model, name="offer-ranking", version="1", views=VIEWS, catalogue=CATALOGUE, features=FEATURES,
        outputs=sx.classifier_outputs([0, 1])[1:],  # the label says nothing here: redemptions are rare
        parameters={},
        golden=sx.golden_rows(FEATURES, golden_inputs(unseen, scores), predict),
        baseline=sx.baseline(FEATURES, unseen, scores),
        training={"library": f"xgboost {xgboost.__version__}", "seed": SEED, "rows": TRAIN, "metrics": metrics},
        card={
            "description": "Gradient-boosted trees that estimate how likely a user is to redeem an offer that is shown.",
            "owner": "growth",
            "intended_use": "Choose and order the offers that an app shows to a user.",
            "limitations": "Trained on simulated impressions; retrain on real ones. Learned from offers that were shown blindly: "
                           "if a model chooses them, explore, or correct for what it chose.",
        },
    )
    write_samples(FOLDER / "samples", np.random.default_rng(SEED + 1), FEATURES, TYPES, predict)
    first = train[:300]
    sx.write_training_rows(
        FOLDER / "samples/training_rows.parquet", [*VIEWS, CATALOGUE], FEATURES,
        {name: values[first] for name, values in columns.items()}, inputs={"features": tensor[first]}, outputs=predict(tensor[first]),
    )
    sx.print_report(metrics, difference, model, ["all"], (), scores, redeemed[test])
    print(f"trained in {time.monotonic() - started:.0f} s")


def true_values(tensor):
    return redemption_probability({f["name"]: tensor[:, i].astype(np.float64) for i, f in enumerate(FEATURES)})


def ranking_quality(predict):
    """NDCG@10 on users and offers that training never saw. What an offer gains is its true probability of a redemption, so that
    1 is the ranking of somebody who knows it."""
    rng = np.random.default_rng(SEED + 2)
    users, offers = simulate_users(rng, RANKED_USERS), simulate_offers(rng, RANKED_OFFERS)
    requests = simulate_requests(rng, RANKED_USERS)
    popularity = np.nan_to_num(offers["redemption_rate_30d"])
    found = {"ndcg_at_10": [], "popularity_ndcg_at_10": [], "random_ndcg_at_10": []}
    for index in range(RANKED_USERS):
        mine = {name: np.repeat(values[index:index + 1], RANKED_OFFERS) for name, values in (users | requests).items()}
        tensor = sx.encode(FEATURES, mine | offers)
        gains = true_values(tensor)
        orders = ranked(predict(tensor)["probabilities"][:, 1]), ranked(popularity), rng.permutation(RANKED_OFFERS)
        for metric, order in zip(found.values(), orders):
            metric.append(ndcg(gains, order, SHOWN))
    return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


def golden_inputs(columns, scores):
    """Rows of low, middle and high scores, and by hand the corners: an unknown user, missing values, zeros and extremes."""
    order = np.argsort(scores, kind="stable")
    picked = [*order[:5], *order[len(order) // 2:][:5], *order[-5:]]
    rows = sx.take_rows(TYPES, columns, picked)
    user_features = [f["name"] for f in FEATURES if f["source"] == "user_offer_history"]
    zeros = {name: {"string": None, "bool": False}.get(type_, 0) for name, type_ in TYPES.items()}
    large = {name: {"string": None, "bool": True}.get(type_, 1_000_000) for name, type_ in TYPES.items()}
    return rows + [
        rows[0] | dict.fromkeys(user_features),
        rows[-1] | {"redemption_rate_7d": None, "redemption_rate_30d": None, "merchant_rating": None, "delivery_days": None},
        rows[-1] | {"partner_tier": None, "minutes_since_app_open": "NaN", "redemption_rate_90d": "NaN"},
        zeros | {"category": CATEGORIES[0]},
        large | {"hour_of_day": 23, "channel": CHANNELS[-1], "minutes_since_app_open": 1440, "category": CATEGORIES[-1],
                 "discount_percent": 100, "partner_tier": TIERS[-1]},
    ]


if __name__ == "__main__":
    main()
