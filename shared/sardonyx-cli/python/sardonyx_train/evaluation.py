"""How good the model is, and what it should look like in production."""

import numpy as np
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from .features import columns_of, encode, numbers_of, short_float

BINS = 16


def quality(labels, scores, true_probabilities=None):
    """Metrics of a binary classifier's `scores` on held-out rows. Where the data are simulated, beside the best that any model
    could reach on them: what the true probabilities of the generating process reach."""
    def best(metric):
        return None if true_probabilities is None else metric(labels, true_probabilities)

    metrics = {
        "auc": roc_auc_score(labels, scores),
        "best_possible_auc": best(roc_auc_score),
        "log_loss": log_loss(labels, scores),
        "best_possible_log_loss": best(log_loss),
        "brier_score": brier_score_loss(labels, scores),
        "expected_calibration_error": _calibration_error(labels, scores),
        "positive_rate": np.mean(labels),
    }
    return {name: round(float(value), 4) for name, value in metrics.items() if value is not None}


def _calibration_error(labels, scores):
    """Mean of |mean score - share of positives| over ten groups of equally many rows, by score."""
    groups = np.array_split(np.argsort(scores, kind="stable"), 10)
    return float(sum(len(g) * abs(scores[g].mean() - labels[g].mean()) for g in groups) / len(scores))


def bands(scores, thresholds):
    """Indices of the rows in each band that the ascending `thresholds` cut; a score on a threshold is above it."""
    band = np.digitize(scores, thresholds)
    return [np.flatnonzero(band == i) for i in range(len(thresholds) + 1)]


def print_report(metrics, difference, model, names, thresholds, scores, labels):
    """Prints what a reviewer asks first: quality, agreement with ONNX Runtime, size, and what each band holds."""
    for name, value in metrics.items():
        print(f"{name:28}{value}")
    print(f"{'onnx_largest_difference':28}{difference:.1e} ({len(scores)} test rows, every label equal)")
    print(f"{'onnx_size_bytes':28}{len(model)}")
    for name, lowest, rows in zip(names, (0, *thresholds), bands(scores, thresholds)):
        share, rate, found = len(rows) / len(scores), labels[rows].mean(), labels[rows].sum() / labels.sum()
        print(f"{name:12}from {lowest:.4f}: {share:6.2%} of rows, {rate:6.2%} of them positive, {found:6.2%} of all positives")


def golden_rows(features, rows, predict):
    """The manifest's `golden`: raw rows by feature name with the training library's outputs."""
    outputs = predict(encode(features, columns_of(features, rows)))
    return {
        "tolerance": 1e-5,
        "rows": [
            {"features": {f["name"]: row.get(f["name"]) for f in features},
             "outputs": {name: _golden_value(values[i]) for name, values in outputs.items()}}
            for i, row in enumerate(rows)
        ],
    }


def _golden_value(value):
    if np.ndim(value):
        return [_golden_value(item) for item in value]
    return short_float(value) if isinstance(value, np.floating) else value.item() if isinstance(value, np.generic) else value


def baseline(features, columns, scores):
    """The manifest's `baseline`: counts of each feature, before the missing policy, and of the score."""
    return {
        "rows": len(scores),
        "features": {f["name"]: _feature_counts(f, columns[f["name"]]) for f in features},
        "score": _bin_counts(np.array([short_float(score) for score in scores])),
    }


def _feature_counts(feature, values):
    numbers = numbers_of(feature, values)
    if "categories" not in feature:
        return _bin_counts(numbers)
    counts = [int((numbers == i).sum()) for i in range(len(feature["categories"]))]
    return {"categories": feature["categories"], "counts": counts, "missing": int(np.isnan(numbers).sum())}


def _bin_counts(numbers):
    """Bins [edge, next edge), the last one closed: one for each value where values are few, else between quantiles."""
    present = numbers[~np.isnan(numbers)]
    distinct = np.unique(present)
    if len(distinct) < 2:  # nothing, or always the same: one bin
        edges = np.array([0.0, 1.0]) + distinct.sum()
    elif len(distinct) <= BINS:
        edges = np.concatenate([distinct[:1], (distinct[:-1] + distinct[1:]) / 2, distinct[-1:]])
    else:
        edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1), method="inverted_cdf"))
    counts, _ = np.histogram(present, bins=edges)
    return {"edges": edges.tolist(), "counts": counts.tolist(), "missing": len(numbers) - len(present)}
