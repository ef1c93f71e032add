"""Trains the purchase model on simulated app sessions and writes model/ and samples/.

Run it as `make train MODEL=purchase-propensity`, or from this function's folder as `python train/train.py`.
Two runs on one machine write the same bytes.
"""

import os
import pathlib
import sys
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy: sums in one order

import numpy as np  # noqa: E402
import sklearn  # noqa: E402
from skl2onnx import to_onnx  # noqa: E402
from skl2onnx.common.data_types import FloatTensorType  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(FOLDER.parents[1] / "shared/sardonyx-cli/python"))  # the project's training helpers

import sardonyx_train as sx  # noqa: E402
from simulation import CHANNELS, TIERS, purchase_probability, simulate_sessions, simulate_users  # noqa: E402

SEED = 11
TRAIN, VALIDATION, TEST = 300_000, 20_000, 40_000
MEDIUM_TIMES, HIGH_TIMES = 1.0, 2.5
MEDIAN = "median of the training rows"

VIEWS = [
    {"name": "user_stats", "join_keys": [{"name": "user_id", "type": "int64"}], "layout": "native",
     "features": [
         {"name": "account_age_days", "type": "int64"},
         {"name": "session_count_7d", "type": "int64"},
         {"name": "session_count_30d", "type": "int64"},
         {"name": "product_view_count_7d", "type": "int64"},
         {"name": "cart_add_count_7d", "type": "int64"},
         {"name": "purchase_count_90d", "type": "int64"},
         {"name": "days_since_last_purchase", "type": "float64"},
         {"name": "average_order_value_90d", "type": "float64"},
         {"name": "discount_share_90d", "type": "float32"},
         {"name": "email_open_rate_30d", "type": "float32"},
         {"name": "push_opt_in", "type": "bool"},
         {"name": "loyalty_tier", "type": "string"}],
     "max_age_seconds": 172_800, "stale": "serve"},
]

# A net cannot read NaN, so that every feature has a default: what holds for a user who did nothing, or the median.
FEATURES = [
    {"name": "hour_of_day", "source": "request", "type": "int64", "range": {"min": 0, "max": 23}, "missing": "reject"},
    {"name": "is_weekend", "source": "request", "type": "bool", "missing": {"default": False}},
    {"name": "channel", "source": "request", "type": "string", "categories": CHANNELS, "missing": {"default": "android"}},
    {"name": "basket_value", "source": "request", "type": "float64", "range": {"min": 0, "max": 100_000}, "missing": {"default": 0.0}},
    {"name": "basket_item_count", "source": "request", "type": "int64", "range": {"min": 0, "max": 1000}, "missing": {"default": 0}},
    {"name": "session_minutes", "source": "request", "type": "float64", "range": {"min": 0, "max": 1440}, "missing": MEDIAN},
    {"name": "account_age_days", "source": "user_stats", "missing": MEDIAN},
    {"name": "session_count_7d", "source": "user_stats", "missing": {"default": 0}},
    {"name": "session_count_30d", "source": "user_stats", "missing": {"default": 0}},
    {"name": "product_view_count_7d", "source": "user_stats", "missing": {"default": 0}},
    {"name": "cart_add_count_7d", "source": "user_stats", "missing": {"default": 0}},
    {"name": "purchase_count_90d", "source": "user_stats", "missing": {"default": 0}},
    {"name": "days_since_last_purchase", "source": "user_stats", "missing": {"default": 90.0}},
    {"name": "average_order_value_90d", "source": "user_stats", "missing": MEDIAN},
    {"name": "discount_share_90d", "source": "user_stats", "missing": MEDIAN},
    {"name": "email_open_rate_30d", "source": "user_stats", "missing": MEDIAN},
    {"name": "push_opt_in", "source": "user_stats", "missing": {"default": False}},
    {"name": "loyalty_tier", "source": "user_stats", "categories": TIERS, "missing": {"default": "none"}},
]

TYPES = sx.feature_types(VIEWS, FEATURES)
REQUEST_TYPES = {f["name"]: f["type"] for f in FEATURES if f["source"] == "request"}


def main():
    started = time.monotonic()
    rng = np.random.default_rng(SEED)
    columns, _ = simulate_sessions(rng, simulate_users(rng, 30_000), TRAIN + VALIDATION + TEST)
    train, validation, test = np.split(np.arange(TRAIN + VALIDATION + TEST), [TRAIN, TRAIN + VALIDATION])
    features = with_medians({name: values[train] for name, values in columns.items()})
    tensor = sx.encode(features, columns)
    truth = purchase_probability({f["name"]: tensor[:, i].astype(np.float64) for i, f in enumerate(features)})
    purchase = (rng.random(len(truth)) < truth).astype(int)

    pipeline = make_pipeline(
        StandardScaler(),
        MLPClassifier((48, 24), alpha=0.1, batch_size=512, max_iter=60, early_stopping=True, random_state=SEED),
    ).fit(tensor[train], purchase[train])
    model = to_onnx(
        pipeline, name="purchase-propensity", initial_types=[("features", FloatTensorType([None, len(features)]))],
        options={"zipmap": False}, target_opset={"": 15, "ai.onnx.ml": 1},
    ).SerializeToString()

    def predict(rows):
        return {"label": pipeline.predict(rows), "probabilities": pipeline.predict_proba(rows)}

    difference = sx.verify_onnx(model, tensor[test], predict(tensor[test]))
    scores = predict(tensor)["probabilities"][:, 1]
    metrics = sx.quality(purchase[test], scores[test], truth[test])
    medium, high = thresholds(scores[validation], purchase[validation])
    held_out = np.concatenate([validation, test])
    unseen = {name: values[held_out] for name, values in columns.items()}

    sx.write_artifact(
        FOLDER / "model", model, name="purchase-propensity", version="1", views=VIEWS, features=features,
        outputs=sx.classifier_outputs([0, 1]),
        parameters={"medium_threshold": medium, "high_threshold": high},
        golden=sx.golden_rows(features, golden_inputs(unseen, sx.bands(scores[held_out], (medium, high))), predict),
        baseline=sx.baseline(features, unseen, scores[held_out]),
        training={"library": f"scikit-learn {sklearn.__version__}", "seed": SEED, "rows": TRAIN, "metrics": metrics},
        card={
            "description": "A neural net that estimates how likely a user is to buy within the running app session.",
            "owner": "growth",
            "intended_use": "Choose what an app shows in a session: reminders, help, offers.",
            "limitations": "Trained on simulated sessions; not meant for prices or for decisions about a person.",
        },
    )
    write_samples(features, predict, (medium, high))
    first = train[:300]
    sx.write_training_rows(
        FOLDER / "samples/training_rows.parquet", VIEWS, features, {name: values[first] for name, values in columns.items()},
        inputs={"features": tensor[first]}, outputs=predict(tensor[first]),
    )
    sx.print_report(metrics, difference, model, ["low", "medium", "high"], (medium, high), scores[test], purchase[test])
    print(f"trained in {time.monotonic() - started:.0f} s")


def with_medians(columns):
    """FEATURES with the median of the training rows where they ask for it."""
    def default(name):
        median = np.nanmedian(columns[name].astype(float))
        return int(median) if TYPES[name] == "int64" else round(float(median), 3)

    return [f | {"missing": {"default": default(f["name"])}} if f["missing"] == MEDIAN else f for f in FEATURES]


def thresholds(scores, purchase):
    """Medium from the lowest score on where a purchase is at least as likely as on average, high from where it is
    2.5 times as likely: the share of purchases among the 500 sessions that score next to it says how likely."""
    order = np.argsort(scores, kind="stable")
    rate = np.convolve(purchase[order], np.full(500, 1 / 500), mode="valid") / purchase.mean()
    middle = scores[order][250:250 + len(rate)]
    return tuple(round(float(middle[np.argmax(rate >= times)]), 4) for times in (MEDIUM_TIMES, HIGH_TIMES))


def golden_inputs(columns, decisions):
    """Five rows of every band, and by hand the corners: an unknown user, missing values, zeros and extremes."""
    rows = sx.take_rows(TYPES, columns, [i for band in decisions for i in band[:5]])
    zeros = {name: {"string": None, "bool": False}.get(type_, 0) for name, type_ in TYPES.items()}
    large = {name: {"string": None, "bool": True}.get(type_, 1000) for name, type_ in TYPES.items()}
    return rows + [
        {name: rows[0][name] for name in REQUEST_TYPES},
        {"hour_of_day": 20},
        rows[-1] | {"days_since_last_purchase": None, "average_order_value_90d": None, "discount_share_90d": None},
        rows[-1] | {"channel": None, "email_open_rate_30d": "NaN", "loyalty_tier": None},
        zeros,
        large | {"hour_of_day": 23, "channel": "ios", "loyalty_tier": "gold", "discount_share_90d": 1, "email_open_rate_30d": 1},
    ]


def write_samples(features, predict, cuts):
    """Snapshots of 300 users, and 60 sessions, 20 of every band, with what the model says."""
    rng = np.random.default_rng(SEED + 1)
    users = simulate_users(rng, 300)
    user_rows = sx.take_rows(TYPES, users, range(300))
    for row in user_rows:
        if row["purchase_count_90d"] == 0:
            row["discount_share_90d"] = "NaN"  # 0 / 0 in the batch job
    # The last ten ids are beyond 2^53: whoever reads them as floating-point numbers finds the wrong user.
    ids = [1000 + i if i < 290 else 2**53 + 1 + 2 * i for i in range(300)]
    sx.write_jsonl(FOLDER / "samples/user_stats.jsonl", [{"user_id": id_} | row for id_, row in zip(ids, user_rows)])

    sessions, user = simulate_sessions(rng, users, 1_000, unknown_users=0.25)
    picked = np.sort(np.concatenate([
        band[:20] for band in sx.bands(predict(sx.encode(features, sessions))["probabilities"][:, 1], cuts)
    ]))
    requests = sx.take_rows(REQUEST_TYPES, sessions, picked)
    requests[3]["channel"] = "kiosk"  # a category that training never saw
    requests[5] = {"hour_of_day": requests[5]["hour_of_day"]}
    keys = [{"user_id": ids[u] if u >= 0 else int(900_000 + i)} for i, u in zip(picked, user[picked])]
    joined = [request | (user_rows[u] if u >= 0 else {}) for request, u in zip(requests, user[picked])]
    expected = predict(sx.encode(features, sx.columns_of(features, joined)))["probabilities"][:, 1]
    sx.write_jsonl(FOLDER / "samples/requests.jsonl", [
        {"instance": key | request, "expected": {"probability": sx.short_float(probability)}}
        for key, request, probability in zip(keys, requests, expected)
    ])


if __name__ == "__main__":
    main()
