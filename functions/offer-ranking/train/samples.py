"""Sample offers, users and requests, with the lists that the training library's scores give."""

import numpy as np

import sardonyx_train as sx
from ranking import ranked
from simulation import CATEGORIES, REGIONS, simulate_offers, simulate_requests, simulate_users

OFFERS, USERS, REQUESTS = 300, 200, 60
CLOSEST = 1e-5  # scores that are nearer to each other may come in either order elsewhere
PAST, FUTURE = ("2024-01-01T00:00:00Z", "2024-06-30T22:00:00Z"), ("2200-01-01T00:00:00Z", "2200-03-01T00:00:00Z")
NOW = ("2025-01-01T00:00:00Z", "2199-12-31T23:00:00Z")  # whenever the samples are used


def write_samples(folder, rng, features, types, predict):
    """300 offers, 200 users and 60 requests."""
    columns = simulate_offers(rng, OFFERS)
    offer_types = {name: types[name] for name in columns}
    offers = [eligibility(rng, i) | row for i, row in enumerate(sx.take_rows(offer_types, columns, range(OFFERS)))]
    sx.write_jsonl(folder / "offers.jsonl", offers)

    user_columns = simulate_users(rng, USERS)
    user_types = {name: types[name] for name in user_columns}
    users = sx.take_rows(user_types, user_columns, range(USERS))
    for index, user in enumerate(users):
        redeemed = rng.choice(OFFERS, rng.integers(0, 6), replace=False)
        user["redeemed_offers"] = None if index % 20 == 7 else " ".join(offers[i]["offer_id"] for i in redeemed)
    sx.write_jsonl(folder / "user_offer_history.jsonl", [{"user_id": 5000 + i} | user for i, user in enumerate(users)])

    request_types = {f["name"]: f["type"] for f in features if f["source"] == "request"}
    visits = sx.take_rows(request_types, simulate_requests(rng, 10 * REQUESTS), range(10 * REQUESTS))
    samples = []
    for index, visit in enumerate(visits):
        known = rng.random() < 0.9
        who = int(rng.integers(USERS))
        options = request_options(rng, offers)
        user = users[who] if known else {}
        expected = expected_ranking(features, predict, offers, visit | user, options, user.get("redeemed_offers"))
        if expected is not None:
            instance = {"user_id": 5000 + who if known else 900_000 + index} | options | visit
            samples.append({"instance": instance, "expected": expected})
    sx.write_jsonl(folder / "requests.jsonl", samples[:REQUESTS])


def eligibility(rng, index):
    """What says whom an offer may be shown to, and when."""
    draw = rng.random()
    valid_from, valid_to = PAST if draw < 0.08 else FUTURE if draw < 0.14 else NOW
    offer = {"offer_id": f"o-{index:04}", "valid_from": valid_from, "valid_to": valid_to}
    if rng.random() < 0.4:
        offer["regions"] = sorted(rng.choice(REGIONS, rng.integers(1, 4), replace=False).tolist())
    if rng.random() < 0.3:
        offer["budget_left"] = 0.0 if rng.random() < 0.3 else round(float(rng.gamma(2, 500)), 2)
    return offer


def request_options(rng, offers):
    """`k` and `filters` of a request, or neither."""
    options, filters = {}, {}
    if rng.random() < 0.6:
        options["k"] = int(rng.choice([1, 3, 5, 20]))
    if rng.random() < 0.6:
        filters["region"] = str(rng.choice(REGIONS))
    if rng.random() < 0.25:
        filters["category"] = sorted(rng.choice(CATEGORIES, rng.integers(1, 3), replace=False).tolist())
    if rng.random() < 0.25:
        filters["exclude"] = [offers[i]["offer_id"] for i in rng.choice(OFFERS, rng.integers(1, 40), replace=False)]
    if rng.random() < 0.04:
        filters |= {"region": "islands", "category": ["travel"], "exclude": [offer["offer_id"] for offer in offers]}
    return options | ({"filters": filters} if filters else {})


def is_eligible(offer, filters, excluded):
    return (
        offer["valid_from"] == NOW[0]
        and offer.get("budget_left", 1.0) > 0
        and ("region" not in filters or filters["region"] in offer.get("regions", REGIONS))
        and ("category" not in filters or offer["category"] in filters["category"])
        and offer["offer_id"] not in excluded
    )


def expected_ranking(features, predict, offers, known, options, redeemed):
    """The list that the training library's scores give; None where two of its scores are too close to tell them apart."""
    filters = options.get("filters", {})
    excluded = {*filters.get("exclude", []), *(redeemed or "").split()}
    eligible = [offer for offer in offers if is_eligible(offer, filters, excluded)]
    if not eligible:
        return {"offers": [], "eligible": 0}
    scores = predict(sx.encode(features, sx.columns_of(features, [known | offer for offer in eligible])))["probabilities"][:, 1]
    order, k = ranked(scores), options.get("k", 10)
    if (np.diff(-scores[order[:k + 1]].astype(np.float64)) <= CLOSEST).any():
        return None
    shown = [{"offer_id": eligible[i]["offer_id"], "score": sx.short_float(scores[i])} for i in order[:k]]
    return {"offers": shown, "eligible": len(eligible)}
