"""Synthetic card payments whose true probability of fraud is known.

`fraud_probability` reads nothing but the features that the model sees, so that the AUC of its values is the
best that any model can reach. Stored features are columns with NaN for missing values; a card or a merchant
without history has none.
"""

import numpy as np

CURRENCIES = ["EUR", "USD", "GBP", "CHF", "SEK", "PLN"]
CHANNELS = ["chip", "contactless", "magstripe", "ecommerce", "moto", "atm"]
CATEGORIES = ["grocery", "fuel", "restaurant", "travel", "electronics", "fashion", "gaming", "gift_card", "cash"]
CARD_PRESENT = ["chip", "contactless", "magstripe", "atm"]
CHANNEL_EFFECT = {"chip": -1.3, "contactless": -1.6, "magstripe": 0.8, "ecommerce": 0.6, "moto": 1.0, "atm": 0.2}
CATEGORY_EFFECT = {"grocery": -0.8, "fuel": -0.4, "restaurant": -0.6, "travel": 0.2, "electronics": 0.7,
                   "fashion": 0.0, "gaming": 0.6, "gift_card": 1.3, "cash": 0.4}


def simulate_cards(rng, n):
    """The features of `card_stats` for n cards."""
    monthly = rng.negative_binomial(1.3, 0.045, n) + 1
    mean = np.exp(rng.normal(3.6, 0.6, n))
    spread = mean * rng.gamma(4, 0.2, n)
    weekly = rng.binomial(monthly, 7 / 30)
    return {
        "card_age_days": np.ceil(rng.gamma(1.4, 600, n)),
        "card_txn_count_24h": rng.binomial(weekly, 1 / 7).astype(float),
        "card_txn_count_7d": weekly.astype(float),
        "card_txn_count_30d": monthly.astype(float),
        "card_amount_mean_30d": mean.round(2),
        "card_amount_std_30d": np.where(monthly > 1, spread, np.nan).round(2),
        "card_amount_max_30d": (mean + spread * rng.gamma(2, 0.9, n) * np.log1p(monthly) / 3).round(2),
        "card_declined_count_7d": rng.poisson(np.where(rng.random(n) < 0.06, 2.5, 0.1)).astype(float),
        "card_country_count_30d": np.minimum(1 + rng.poisson(0.35, n), monthly).astype(float),
        "card_night_share_30d": rng.beta(1, 12, n).round(3),
    }


def simulate_merchants(rng, n):
    """The features of `merchant_stats` for n merchants."""
    risky = rng.random(n) < 0.08
    weekly = np.ceil(np.exp(rng.normal(5, 1.4, n)))
    age = np.ceil(rng.gamma(1.2, 900, n) * np.where(risky, 0.3, 1))
    return {
        "merchant_age_days": age,
        "merchant_txn_count_7d": weekly,
        "merchant_card_count_7d": np.ceil(weekly * rng.beta(6, 2, n)),
        "merchant_amount_mean_30d": np.exp(rng.normal(3.7, 0.8, n)).round(2),
        "merchant_chargeback_rate_90d": np.where(age < 30, np.nan, rng.beta(1, np.where(risky, 25, 400))).round(4),
        "merchant_decline_rate_7d": rng.beta(2, np.where(risky, 12, 40)).round(4),
        "merchant_is_high_risk": (risky & (rng.random(n) < 0.7)).astype(float),
    }


def simulate_payments(rng, cards, merchants, n, unknown_cards=0.05, unknown_merchants=0.03):
    """n payments as columns of all features, and the indices of their cards and merchants (-1: unknown)."""
    card = np.where(rng.random(n) < unknown_cards, -1, rng.integers(len(cards["card_age_days"]), size=n))
    merchant = np.where(rng.random(n) < unknown_merchants, -1, rng.integers(len(merchants["merchant_age_days"]), size=n))
    stored = {name: np.where(card < 0, np.nan, values[card]) for name, values in cards.items()}
    stored |= {name: np.where(merchant < 0, np.nan, values[merchant]) for name, values in merchants.items()}

    unusual = rng.random(n) < 0.12  # payments that a fraudster might make, and a traveller too
    usual_mean = np.where(card < 0, 40, cards["card_amount_mean_30d"][card])
    channel = np.where(
        unusual,
        rng.choice(CHANNELS, n, p=[0.05, 0.05, 0.2, 0.5, 0.1, 0.1]),
        rng.choice(CHANNELS, n, p=[0.28, 0.34, 0.03, 0.28, 0.02, 0.05]),
    ).astype(object)
    hour = np.where(unusual, rng.integers(24, size=n), np.clip(rng.normal(14.5, 4.2, n), 0, 23).astype(int))
    distance = np.where(rng.random(n) < np.where(unusual, 0.5, 0.06), rng.gamma(1, 1500, n), rng.gamma(1, 9, n))
    request = {
        "amount": np.clip(usual_mean * np.exp(rng.normal(np.where(unusual, 1.1, -0.3), 0.8, n)), 0.5, 50_000).round(2),
        "currency": rng.choice(CURRENCIES, n, p=[0.55, 0.16, 0.14, 0.05, 0.05, 0.05]).astype(object),
        "channel": channel,
        "merchant_category": rng.choice(CATEGORIES, n, p=[0.3, 0.1, 0.18, 0.06, 0.09, 0.14, 0.05, 0.03, 0.05]).astype(object),
        "hour_of_day": hour.astype(float),
        "day_of_week": rng.integers(7, size=n).astype(float),
        "is_cross_border": (rng.random(n) < np.where(unusual, 0.45, 0.05)).astype(float),
        "minutes_since_last_app_login": rng.gamma(0.6, 3000, n).round(1),
        "device_age_days": np.where(rng.random(n) < np.where(unusual, 0.45, 0.06), rng.gamma(1, 0.7, n), rng.gamma(1.5, 250, n)).round(2),
        "distance_from_home_km": distance.round(1),
    }
    lost = {"currency": 0.005, "channel": 0.01, "merchant_category": 0.02, "hour_of_day": 0.002, "day_of_week": 0.002,
            "is_cross_border": 0.01, "minutes_since_last_app_login": 0.3, "distance_from_home_km": 0.1}
    for name, share in lost.items():
        request[name][rng.random(n) < share] = None if request[name].dtype == object else np.nan
    request["device_age_days"][np.isin(channel, CARD_PRESENT)] = np.nan  # no device is involved
    return request | stored, card, merchant


def fraud_probability(x):
    """The true probability of fraud, given the features."""
    def effect(name, effects, otherwise):
        return np.array([effects.get(value, otherwise) for value in x[name]])

    def known(values, otherwise):
        return np.where(np.isnan(values), otherwise, values)

    ratio = np.log(x["amount"] / known(x["card_amount_mean_30d"], 40.0))
    night = x["hour_of_day"] < 6
    card_present = np.isin(x["channel"], CARD_PRESENT)
    velocity = np.log((x["card_txn_count_24h"] + 1) / (x["card_txn_count_7d"] / 7 + 1))
    log_odds = -7.2 + 1.3 * (
        + 1.1 * np.clip(ratio, 0, 3)
        + effect("channel", CHANNEL_EFFECT, 0.4)
        + effect("merchant_category", CATEGORY_EFFECT, 0.3)
        + known(x["is_cross_border"], 0.4) * np.where(known(x["card_country_count_30d"], 1) >= 3, 0.4, 1.4)
        + night * np.where(ratio > 1, 1.2, 0.4)
        - 1.6 * np.exp(-known(x["minutes_since_last_app_login"], 1e6) / 240)
        + np.where(x["device_age_days"] < 1, 1.7, np.where(x["device_age_days"] < 7, 0.7, 0.0))
        + 0.5 * np.clip(np.log1p(known(x["distance_from_home_km"], 0) / 100), 0, 3) * card_present
        + 0.8 * np.log1p(known(x["card_declined_count_7d"], 0))
        + 0.8 * np.clip(known(velocity, 0), 0, 2)
        + np.where(x["card_age_days"] < 60, 0.7, 0.0)
        + np.where(np.isnan(x["card_age_days"]), 0.9, 0.0)
        + 14 * np.minimum(known(x["merchant_chargeback_rate_90d"], 0.02), 0.12)
        + 6 * np.minimum(known(x["merchant_decline_rate_7d"], 0.05), 0.3)
        + 0.5 * known(x["merchant_is_high_risk"], 0)
        + np.where(x["merchant_age_days"] < 60, 0.5, 0.0)
        + np.where(np.isnan(x["merchant_age_days"]), 0.6, 0.0)
    )
    return 1 / (1 + np.exp(-log_odds))
