"""Synthetic app sessions whose true probability of a purchase is known.

`purchase_probability` reads what the model reads: values after the missing policy. A user whom nobody knows
is to both the typical user, so that the AUC of the true probability is the best that any model can reach.
"""

import numpy as np

CHANNELS = ["web", "android", "ios"]
TIERS = ["none", "bronze", "silver", "gold"]


def simulate_users(rng, n):
    """The features of `user_stats` for n users."""
    activity = rng.gamma(1.2, 1, n)  # how keen a user is drives everything that is counted
    orders = rng.poisson(1.6 * activity)
    opens = rng.beta(2 + activity, 5)
    return {
        "account_age_days": np.ceil(rng.gamma(1.3, 420, n)),
        "session_count_7d": rng.poisson(3 * activity).astype(float),
        "session_count_30d": rng.poisson(11 * activity).astype(float) + 1,
        "product_view_count_7d": rng.negative_binomial(2, 1 / (1 + 7 * activity)).astype(float),
        "cart_add_count_7d": rng.poisson(1.1 * activity).astype(float),
        "purchase_count_90d": orders.astype(float),
        "days_since_last_purchase": np.where(orders > 0, np.minimum(rng.gamma(1.1, 30, n), 90), np.nan).round(1),
        "average_order_value_90d": np.where(orders > 0, np.exp(rng.normal(3.7, 0.5, n)), np.nan).round(2),
        "discount_share_90d": np.where(orders > 0, rng.beta(1.5, 3, n), np.nan).round(3),
        "email_open_rate_30d": np.where(rng.random(n) < 0.15, np.nan, opens).round(3),  # not subscribed
        "push_opt_in": (rng.random(n) < 0.55).astype(float),
        "loyalty_tier": np.array(TIERS, dtype=object)[np.clip(orders + rng.integers(-1, 2, n), 0, 3)],
    }


def simulate_sessions(rng, users, n, unknown_users=0.06):
    """n sessions as columns of all features, and the indices of their users (-1: unknown)."""
    user = np.where(rng.random(n) < unknown_users, -1, rng.integers(len(users["account_age_days"]), size=n))
    stored = {name: np.where(user < 0, None if values.dtype == object else np.nan, values[user]) for name, values in users.items()}
    items = np.where(rng.random(n) < 0.55, 0, rng.geometric(0.45, n)).astype(float)
    request = {
        "hour_of_day": np.clip(rng.normal(15, 5, n), 0, 23).astype(int).astype(float),
        "is_weekend": (rng.random(n) < 2 / 7).astype(float),
        "channel": rng.choice(CHANNELS, n, p=[0.35, 0.4, 0.25]).astype(object),
        "basket_value": (items * np.exp(rng.normal(3, 0.6, n))).round(2),
        "basket_item_count": items,
        "session_minutes": rng.gamma(1.3, 5, n).round(1),
    }
    for name, share in {"channel": 0.02, "session_minutes": 0.03, "basket_value": 0.01}.items():
        request[name][rng.random(n) < share] = None if request[name].dtype == object else np.nan
    return request | stored, user


def purchase_probability(x):
    """The true probability of a purchase within the session, given the encoded features by name."""
    basket = np.minimum(x["basket_value"], 400)
    dear = np.maximum(basket / np.maximum(x["average_order_value_90d"], 10) - 1.5, 0)
    evening = np.exp(-(((x["hour_of_day"] - 20.5) / 2.5) ** 2))
    log_odds = (
        -6.0
        + 1.4 * np.log1p(x["basket_item_count"])
        + np.where(basket > 0, 0.5, 0.0)
        - 0.7 * np.minimum(dear, 3)
        + 0.7 * np.log1p(x["cart_add_count_7d"])
        + 0.35 * np.log1p(x["session_count_7d"])
        - 0.15 * np.log1p(x["product_view_count_7d"])
        + 0.5 * np.log1p(x["purchase_count_90d"])
        + 1.5 * np.exp(-np.abs(x["days_since_last_purchase"] - 28) / 8)  # the monthly refill
        + 1.2 * evening * np.where(x["channel"] == 0, 0.4, 1.0)
        + 0.35 * x["is_weekend"]
        + np.array([-0.3, 0.0, 0.3])[x["channel"].astype(int)]
        + 0.25 * x["loyalty_tier"]
        + 1.2 * x["email_open_rate_30d"]
        - 0.6 * x["discount_share_90d"]
        + 0.2 * x["push_opt_in"]
        + 0.5 * np.log1p(np.minimum(x["session_minutes"], 30))
        - 0.5 * (x["session_minutes"] < 1)
        + np.where(x["account_age_days"] < 30, -0.4, 0.0)
    )
    return 1 / (1 + np.exp(-log_odds))
