"""Offers, users and requests for the model of functions/offer-ranking, from its own simulation."""

import json
import pathlib
import sys

import numpy as np

FUNCTION = pathlib.Path(__file__).resolve().parents[4] / "functions/offer-ranking"
sys.path.append(str(FUNCTION / "train"))

from simulation import simulate_offers, simulate_requests, simulate_users  # noqa: E402

SEED = 31
OFFERS = [1_000, 10_000, 50_000]
USERS = 8


def cases(folder: pathlib.Path) -> list:
    manifest = json.loads((FUNCTION / "model/manifest.json").read_text())
    rng = np.random.default_rng(SEED)
    request_features = [feature for feature in manifest["inputs"][0]["features"] if feature["source"] == "request"]
    history = manifest["feature_views"][0]
    users = rows(history["features"], simulate_users(rng, USERS), redeemed_offers="")
    instances = rows(request_features, simulate_requests(rng, USERS))
    offers = rows(manifest["catalogue"]["features"], simulate_offers(rng, max(OFFERS)))
    lines = [json.dumps({"offer_id": f"o-{index:05}"} | offer) + "\n" for index, offer in enumerate(offers)]
    (folder / "ranking-offers.jsonl").write_text("".join(lines))
    return [
        {"name": f"offer-ranking/offers-{size}", "model": str(FUNCTION / "model"), "offers": "ranking-offers.jsonl",
         "size": size, "users": users, "instances": instances}
        for size in OFFERS
    ]


def rows(features: list, columns: dict, **others: object) -> list[dict]:
    """Columns as rows of JSON by name; what is missing is null."""
    read = {"bool": bool, "int64": int, "string": str}
    names = {feature["name"]: read.get(feature["type"], float) for feature in features if feature["name"] in columns}
    count = len(next(iter(columns.values())))
    return [
        {name: None if is_missing(columns[name][i]) else convert(columns[name][i]) for name, convert in names.items()} | others
        for i in range(count)
    ]


def is_missing(value: object) -> bool:
    return value is None or value != value
