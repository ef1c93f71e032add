"""Orders of offers, and how good they are."""

import numpy as np


def ranked(scores):
    """The positions from the highest score to the lowest; equals stay in order."""
    return np.argsort(-scores, kind="stable")


def ndcg(gains, order, shown):
    """The discounted gain of the first `shown` positions of `order`, as a share of what the best order has."""
    discounts = 1 / np.log2(np.arange(2, min(shown, len(gains)) + 2))
    return float((gains[order[:shown]] * discounts).sum() / (np.sort(gains)[::-1][:shown] * discounts).sum())
