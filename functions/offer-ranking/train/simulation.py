"""Synthetic impressions of offers in an app, whose true probability of a redemption is known.

`redemption_probability` reads nothing but what the model sees, so that the ranking by its values is the best that any model
can give. Columns hold NaN, or None for strings, where there is no value.
"""

import numpy as np

CHANNELS = ["web", "android", "ios"]
CATEGORIES = ["grocery", "dining", "travel", "fashion", "electronics", "wellness"]
REGIONS = ["north", "east", "south", "west", "islands"]
TIERS = ["basic", "plus", "premium"]
USUAL_RATE = 0.04  # of redemptions by impressions, over all offers


def simulate_users(rng, n):
    """The features of `user_offer_history` for n users."""
    activity = rng.gamma(1.3, 1, n)
    views = rng.poisson(22 * activity)
    redeemed = rng.poisson(1.5 * activity)
    shares = rng.dirichlet([1.1, 0.8, 0.5, 1.2], n).round(3)  # grocery, dining, travel, all else
    spend = np.exp(rng.normal(4.6, 0.8, n)) * np.minimum(activity, 3)
    return {
        "account_age_days": np.ceil(rng.gamma(1.2, 400, n)),
        "session_count_30d": rng.poisson(9 * activity).astype(float),
        "offer_view_count_30d": views.astype(float),
        "redemption_count_90d": redeemed.astype(float),
        "redemption_rate_90d": np.where(views > 0, np.minimum(redeemed / np.maximum(3 * views, 1), 1), np.nan).round(4),
        "spend_30d": spend.round(2),
        "average_basket_value_90d": np.where(redeemed > 0, np.exp(rng.normal(3.5, 0.6, n)), np.nan).round(2),
        "days_since_last_redemption": np.where(redeemed > 0, np.minimum(rng.gamma(1.1, 25, n), 90), np.nan).round(1),
        "discount_affinity": rng.beta(2, 2.5, n).round(3),
        "grocery_share_90d": shares[:, 0],
        "dining_share_90d": shares[:, 1],
        "travel_share_90d": shares[:, 2],
    }


def simulate_offers(rng, n):
    """The features of n offers of the catalogue."""
    quality = rng.normal(0, 1, n)
    age = np.ceil(rng.gamma(1.3, 25, n))
    impressions = np.ceil(np.exp(rng.normal(7, 1.2, n)))
    rate = 1 / (1 + np.exp(-(np.log(USUAL_RATE / (1 - USUAL_RATE)) + 0.7 * quality)))
    face_value = np.exp(rng.normal(2.3, 0.6, n))
    return {
        "category": rng.choice(CATEGORIES, n, p=[0.26, 0.2, 0.1, 0.18, 0.14, 0.12]).astype(object),
        "discount_percent": np.clip(rng.gamma(4, 5, n), 3, 70).round(),
        "face_value": face_value.round(2),
        "min_spend": np.where(rng.random(n) < 0.35, 0, face_value * rng.gamma(3, 1.3, n)).round(2),
        "points_multiplier": rng.choice([1.0, 1.5, 2.0, 3.0], n, p=[0.6, 0.2, 0.15, 0.05]),
        "is_exclusive": (rng.random(n) < 0.2).astype(float),
        "is_cashback": (rng.random(n) < 0.3).astype(float),
        "days_since_launch": age,
        "impression_count_7d": impressions,
        "redemption_count_7d": rng.binomial(impressions.astype(int), rate).astype(float),
        "redemption_rate_7d": np.where(age < 7, np.nan, rate * rng.lognormal(0, 0.35, n)).round(5),
        "redemption_rate_30d": np.where(age < 14, np.nan, rate * rng.lognormal(0, 0.15, n)).round(5),
        "click_rate_7d": np.minimum(rate * rng.gamma(9, 0.4, n), 1).round(4),
        "merchant_rating": np.where(rng.random(n) < 0.1, np.nan, np.clip(rng.normal(4.1 + 0.2 * quality, 0.4), 1, 5)).round(1),
        "merchant_offer_count": 1 + rng.poisson(3, n).astype(float),
        "merchant_order_count_30d": np.ceil(np.exp(rng.normal(6.5, 1.3, n))),
        "basket_value_mean_30d": np.exp(rng.normal(3.5, 0.5, n)).round(2),
        "evening_share_30d": rng.beta(2, 4, n).round(3),
        "weekend_share_30d": rng.beta(2, 4, n).round(3),
        "new_user_share_30d": rng.beta(1.5, 6, n).round(3),
        "repeat_share_30d": rng.beta(2, 3, n).round(3),
        "return_rate_90d": rng.beta(1.2, 18, n).round(4),
        "delivery_days": np.where(rng.random(n) < 0.45, np.nan, 1 + rng.poisson(2, n)),  # none: redeemed in a shop
        "partner_tier": rng.choice(TIERS, n, p=[0.6, 0.28, 0.12]).astype(object),
    }


def simulate_requests(rng, n):
    """The request-time features of n visits."""
    request = {
        "hour_of_day": np.clip(rng.normal(15, 5, n), 0, 23).astype(int).astype(float),
        "is_weekend": (rng.random(n) < 2 / 7).astype(float),
        "channel": rng.choice(CHANNELS, n, p=[0.2, 0.45, 0.35]).astype(object),
        "minutes_since_app_open": rng.gamma(1.2, 4, n).round(1),
    }
    request["minutes_since_app_open"][rng.random(n) < 0.03] = np.nan
    request["channel"][rng.random(n) < 0.02] = None
    return request


def simulate_impressions(rng, users, offers, n, unknown_users=0.05):
    """n impressions, each of an offer that was drawn blindly, as columns of all features."""
    user = np.where(rng.random(n) < unknown_users, -1, rng.integers(len(users["account_age_days"]), size=n))
    offer = rng.integers(len(offers["category"]), size=n)
    known = {name: np.where(user < 0, np.nan, values[user]) for name, values in users.items()}
    return simulate_requests(rng, n) | known | {name: values[offer] for name, values in offers.items()}


def redemption_probability(x):
    """The true probability that the user redeems the offer, given the encoded features by name."""
    category = x["category"].astype(int)
    rest = 1 - x["grocery_share_90d"] - x["dining_share_90d"] - x["travel_share_90d"]
    shares = np.stack([x["grocery_share_90d"], x["dining_share_90d"], x["travel_share_90d"], rest / 2.2, rest / 2.6, rest / 3])
    liking = np.nan_to_num(shares[category, np.arange(len(category))], nan=0.25)
    basket = np.nan_to_num(x["average_basket_value_90d"], nan=30.0)
    evening = np.exp(-(((x["hour_of_day"] - 20) / 3) ** 2))
    log_odds = (
        -4.9
        + 0.75 * np.log(np.nan_to_num(x["redemption_rate_30d"], nan=USUAL_RATE) / USUAL_RATE)
        + 3.4 * liking
        + 0.055 * x["discount_percent"] * (0.25 + np.nan_to_num(x["discount_affinity"], nan=0.45))
        - 1.1 * np.maximum(np.log((x["min_spend"] + 1) / basket), 0)
        + 0.3 * np.log(x["face_value"] / 10)
        + 1.6 * evening * (x["evening_share_30d"] - 0.33)
        + 1.2 * x["is_weekend"] * (x["weekend_share_30d"] - 0.33)
        + 0.4 * np.log1p(np.nan_to_num(x["redemption_count_90d"]))
        - 0.12 * np.log1p(np.nan_to_num(x["offer_view_count_30d"]))
        + np.where(np.nan_to_num(x["account_age_days"]) < 60, 2.2, -0.4) * (x["new_user_share_30d"] - 0.2)
        + 0.35 * (np.nan_to_num(x["merchant_rating"], nan=4.0) - 4)
        + 0.4 * x["is_exclusive"] * (np.nan_to_num(x["spend_30d"]) > 100)
        + 0.25 * x["is_cashback"] * (x["channel"] != 0)
        + 0.2 * (x["points_multiplier"] - 1)
        + np.array([0.0, 0.1, 0.3])[x["partner_tier"].astype(int)]
        - 0.4 * (np.nan_to_num(x["delivery_days"]) > 3)
        - 3 * x["return_rate_90d"]
        - 0.5 * (np.nan_to_num(x["days_since_last_redemption"], nan=90.0) < 3)
        + 0.2 * np.exp(-x["days_since_launch"] / 10)
    )
    return 1 / (1 + np.exp(-log_odds))
