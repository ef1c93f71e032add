"""Trains the fraud model on simulated payments and writes model/ and samples/.

Run it as `make train MODEL=fraud-detection`, or from this function's folder as `python train/train.py`.
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
from simulation import (  # noqa: E402
    CATEGORIES, CHANNELS, CURRENCIES, fraud_probability, simulate_cards, simulate_merchants, simulate_payments,
)

SEED = 7
TRAIN, VALIDATION, TEST = 150_000, 40_000, 40_000
DECLINE_PRECISION = 0.8
REVIEW_RECALL = 0.8

VIEWS = [
    {"name": "card_stats", "join_keys": [{"name": "card_id", "type": "string"}], "layout": "native",
     "features": [
         {"name": "card_age_days", "type": "int64"},
         {"name": "card_txn_count_24h", "type": "int64"},
         {"name": "card_txn_count_7d", "type": "int64"},
         {"name": "card_txn_count_30d", "type": "int64"},
         {"name": "card_amount_mean_30d", "type": "float64"},
         {"name": "card_amount_std_30d", "type": "float64"},
         {"name": "card_amount_max_30d", "type": "float64"},
         {"name": "card_declined_count_7d", "type": "int64"},
         {"name": "card_country_count_30d", "type": "int64"},
         {"name": "card_night_share_30d", "type": "float32"}],
     # Velocity counts from two days ago say nothing of an attack that is under way: rather no score than a false approval.
     "max_age_seconds": 172_800, "stale": "reject"},
    {"name": "merchant_stats", "join_keys": [{"name": "merchant_id", "type": "string"}], "layout": "native",
     "features": [
         {"name": "merchant_age_days", "type": "int64"},
         {"name": "merchant_txn_count_7d", "type": "int64"},
         {"name": "merchant_card_count_7d", "type": "int64"},
         {"name": "merchant_amount_mean_30d", "type": "float64"},
         {"name": "merchant_chargeback_rate_90d", "type": "float64"},
         {"name": "merchant_decline_rate_7d", "type": "float32"},
         {"name": "merchant_is_high_risk", "type": "bool"}],
     "max_age_seconds": 604_800, "stale": "serve"},
]

FEATURES = [
    {"name": "amount", "source": "request", "type": "float64", "range": {"min": 0, "max": 100_000}, "missing": "reject"},
    {"name": "currency", "source": "request", "type": "string", "categories": CURRENCIES, "missing": "nan"},
    {"name": "channel", "source": "request", "type": "string", "categories": CHANNELS, "missing": "nan"},
    {"name": "merchant_category", "source": "request", "type": "string", "categories": CATEGORIES, "missing": "nan"},
    {"name": "hour_of_day", "source": "request", "type": "int64", "range": {"min": 0, "max": 23}, "missing": "nan"},
    {"name": "day_of_week", "source": "request", "type": "int64", "range": {"min": 0, "max": 6}, "missing": "nan"},
    {"name": "is_cross_border", "source": "request", "type": "bool", "missing": "nan"},
    {"name": "minutes_since_last_app_login", "source": "request", "type": "float64", "missing": "nan"},
    {"name": "device_age_days", "source": "request", "type": "float64", "missing": "nan"},
    {"name": "distance_from_home_km", "source": "request", "type": "float64", "missing": "nan"},
] + [{"name": feature["name"], "source": view["name"], "missing": "nan"} for view in VIEWS for feature in view["features"]]

TYPES = sx.feature_types(VIEWS, FEATURES)
REQUEST_TYPES = {feature["name"]: feature["type"] for feature in FEATURES if feature["source"] == "request"}


def main():
    started = time.monotonic()
    rng = np.random.default_rng(SEED)
    cards, merchants = simulate_cards(rng, 20_000), simulate_merchants(rng, 3_000)
    columns, *_ = simulate_payments(rng, cards, merchants, TRAIN + VALIDATION + TEST)
    truth = fraud_probability(columns)
    fraud = (rng.random(len(truth)) < truth).astype(int)
    tensor = sx.encode(FEATURES, columns)
    train, validation, test = np.split(np.arange(len(truth)), [TRAIN, TRAIN + VALIDATION])

    classifier = xgboost.XGBClassifier(
        n_estimators=400, max_depth=4, learning_rate=0.06, subsample=0.8, colsample_bytree=0.6,
        min_child_weight=20, reg_lambda=5, max_bin=128, tree_method="hist", n_jobs=1, random_state=SEED,
    ).fit(tensor[train], fraud[train])
    model = onnxmltools.convert_xgboost(
        classifier, name="fraud-detection", initial_types=[("features", FloatTensorType([None, len(FEATURES)]))],
        target_opset=15,
    ).SerializeToString()

    def predict(rows):
        return {"label": classifier.predict(rows), "probabilities": classifier.predict_proba(rows)}

    difference = sx.verify_onnx(model, tensor[test], predict(tensor[test]))
    scores = predict(tensor)["probabilities"][:, 1]
    metrics = sx.quality(fraud[test], scores[test], truth[test])
    review, decline = thresholds(scores[validation], fraud[validation])
    held_out = np.concatenate([validation, test])
    unseen = {name: values[held_out] for name, values in columns.items()}

    sx.write_artifact(
        FOLDER / "model", model, name="fraud-detection", version="1", views=VIEWS, features=FEATURES,
        outputs=sx.classifier_outputs([0, 1]),
        parameters={"review_threshold": review, "decline_threshold": decline},
        golden=sx.golden_rows(FEATURES, golden_inputs(unseen, sx.bands(scores[held_out], (review, decline))), predict),
        baseline=sx.baseline(FEATURES, unseen, scores[held_out]),
        training={"library": f"xgboost {xgboost.__version__}", "seed": SEED, "rows": TRAIN, "metrics": metrics},
        card={
            "description": "Gradient-boosted trees that score a card payment's probability of fraud.",
            "owner": "payments-risk",
            "intended_use": "Approve, review or decline card payments at authorisation time.",
            "limitations": "Trained on simulated payments; retrain on real ones before deciding about real money.",
        },
    )
    write_samples(predict, (review, decline))
    first = train[:300]
    sx.write_training_rows(
        FOLDER / "samples/training_rows.parquet", VIEWS, FEATURES, {name: values[first] for name, values in columns.items()},
        inputs={"features": tensor[first]}, outputs=predict(tensor[first]),
    )
    decisions = ["approve", "review", "decline"]
    sx.print_report(metrics, difference, model, decisions, (review, decline), scores[test], fraud[test])
    print(f"trained in {time.monotonic() - started:.0f} s")


def thresholds(scores, fraud):
    """Decline from the lowest score on for which 80 % of what is declined is fraud; review, below that, from the
    highest score on for which 80 % of all fraud is either declined or reviewed."""
    order = np.argsort(-scores, kind="stable")
    caught = np.cumsum(fraud[order])
    precision = caught / np.arange(1, len(order) + 1)
    decline = scores[order][np.flatnonzero(precision >= DECLINE_PRECISION)[-1]]
    review = scores[order][np.flatnonzero(caught >= REVIEW_RECALL * fraud.sum())[0]]
    return round(float(review), 4), round(float(decline), 4)


def golden_inputs(columns, decisions):
    """Five rows of every decision, and by hand the corners: no history, NaN, infinities, zeros and extremes."""
    rows = sx.take_rows(TYPES, columns, [i for decision in decisions for i in decision[:5]])
    first = rows[0] | {"amount": 25.0}
    zeros = {name: {"string": None, "bool": False}.get(type_, 0) for name, type_ in TYPES.items()}
    large = {name: {"string": None, "bool": True}.get(type_, 2_000_000) for name, type_ in TYPES.items()}
    return rows + [
        {"amount": 25.0},
        first | {feature["name"]: None for feature in VIEWS[0]["features"]},
        first | {feature["name"]: None for feature in VIEWS[1]["features"]},
        first | {"card_amount_std_30d": "NaN", "device_age_days": "NaN", "merchant_decline_rate_7d": "NaN"},
        first | {"card_amount_mean_30d": "-Infinity", "card_amount_max_30d": "Infinity", "distance_from_home_km": "Infinity"},
        zeros,
        large | {"amount": 100_000, "hour_of_day": 23, "day_of_week": 6, "currency": CURRENCIES[-1], "channel": CHANNELS[-1]},
    ]


def write_samples(predict, cuts):
    """Snapshots of 300 cards and 300 merchants, and 60 payments, 20 of every decision, with what the model says."""
    rng = np.random.default_rng(SEED + 1)
    cards, merchants = simulate_cards(rng, 300), simulate_merchants(rng, 300)
    card_rows, merchant_rows = (sx.take_rows(TYPES, columns, range(300)) for columns in (cards, merchants))
    for row in card_rows:
        if row["card_amount_std_30d"] is None:
            row["card_amount_std_30d"] = "NaN"  # the deviation of a single payment: 0 / 0 in the batch job
    for row in card_rows[::25]:
        row["card_country_count_30d"] = None
    sx.write_jsonl(FOLDER / "samples/card_stats.jsonl", [{"card_id": f"c-{i}"} | row for i, row in enumerate(card_rows)])
    sx.write_jsonl(FOLDER / "samples/merchant_stats.jsonl", [{"merchant_id": f"m-{i}"} | row for i, row in enumerate(merchant_rows)])

    payments, card, merchant = simulate_payments(rng, cards, merchants, 5_000, unknown_cards=0.1, unknown_merchants=0.1)
    decisions = sx.bands(predict(sx.encode(FEATURES, payments))["probabilities"][:, 1], cuts)
    picked = np.sort(np.concatenate([decision[:20] for decision in decisions]))
    requests = sx.take_rows(REQUEST_TYPES, payments, picked)
    requests[3]["currency"] = "XAU"  # a category that training never saw
    requests[4]["minutes_since_last_app_login"] = "NaN"
    requests[5] = {"amount": requests[5]["amount"]}
    keys = [{"card_id": f"c-{c}" if c >= 0 else f"c-unknown-{i}", "merchant_id": f"m-{m}" if m >= 0 else f"m-unknown-{i}"}
            for i, c, m in zip(picked, card[picked], merchant[picked])]
    joined = [request | (card_rows[c] if c >= 0 else {}) | (merchant_rows[m] if m >= 0 else {})
              for request, c, m in zip(requests, card[picked], merchant[picked])]
    expected = predict(sx.encode(FEATURES, sx.columns_of(FEATURES, joined)))
    sx.write_jsonl(FOLDER / "samples/requests.jsonl", [
        {"instance": key | request, "expected": {"score": sx.short_float(probability), "label": int(label)}}
        for key, request, probability, label in zip(keys, requests, expected["probabilities"][:, 1], expected["label"])
    ])


if __name__ == "__main__":
    main()
