"""How good the model is, and what it should look like in production."""

import numpy as np
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from .features import _numbers, columns_of, encode

BINS = 16


def quality(labels, scores, true_probabilities):
    """Metrics of `scores` on held-out rows beside the best that any model could reach on them,
    which is what the true probabilities of the generating process reach."""
    return {
        "auc": round(float(roc_auc_score(labels, scores)), 4),
        "best_possible_auc": round(float(roc_auc_score(labels, true_probabilities)), 4),
        "log_loss": round(float(log_loss(labels, scores)), 4),
        "best_possible_log_loss": round(float(log_loss(labels, true_probabilities)), 4),
        "brier_score": round(float(brier_score_loss(labels, scores)), 4),
        "expected_calibration_error": round(_calibration_error(labels, scores), 4),
        "positive_rate": round(float(np.mean(labels)), 4),
    }


def print_report(metrics, difference, size_bytes):
    """Prints the metrics and what `verify_onnx` found."""
    for name, value in metrics.items():
        print(f"{name:27} {value}")
    print(f"{'onnx_max_difference':27} {difference:.1e} over all test rows, every label equal")
    print(f"{'onnx_size_bytes':27} {size_bytes}")


def _calibration_error(labels, scores):
    """Mean over ten groups of equally many rows of |mean score - share of positives|."""
    groups = np.array_split(np.argsort(scores, kind="stable"), 10)
    return float(sum(len(g) * abs(scores[g].mean() - labels[g].mean()) for g in groups) / len(scores))


def golden_rows(features, rows, predict):
    """The manifest's `golden`: raw rows with what `predict(tensor) -> (labels, probabilities)` of
    the training library makes of them."""
    labels, probabilities = predict(encode(features, columns_of(features, rows)))
    return {
        "tolerance": 1e-5,
        "rows": [
            {"features": {f["name"]: row.get(f["name"]) for f in features},
             "outputs": {"label": int(label), "probabilities": [short_float(p) for p in probability]}}
            for row, label, probability in zip(rows, labels, probabilities)
        ],
    }


def short_float(value):
    """The shortest decimal that names the same float32."""
    return float(str(np.float32(value)))


def baseline(features, columns, scores):
    """The manifest's `baseline`: counts per bin of each feature (before the missing policy) and of the score."""
    return {
        "rows": len(scores),
        "features": {f["name"]: _feature_counts(f, columns[f["name"]]) for f in features},
        "score": _bin_counts(np.array([short_float(score) for score in scores])),
    }


def _feature_counts(feature, values):
    numbers = _numbers(feature, values)
    if "categories" not in feature:
        return _bin_counts(numbers)
    counts = [int((numbers == i).sum()) for i in range(len(feature["categories"]))]
    return {"categories": feature["categories"], "counts": counts, "missing": int(np.isnan(numbers).sum())}


def _bin_counts(numbers):
    """Bins [edge, next edge), the last one closed: one per value where values are few, else quantiles."""
    present = numbers[~np.isnan(numbers)]
    distinct = np.unique(present)
    if len(distinct) <= BINS:
        edges = np.concatenate([distinct[:1], (distinct[:-1] + distinct[1:]) / 2, distinct[-1:]])
    else:
        edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1), method="inverted_cdf"))
    if len(distinct) == 1:
        edges = np.array([distinct[0], distinct[0] + 1])
    counts, _ = np.histogram(present, bins=edges)
    return {"edges": edges.tolist(), "counts": counts.tolist(), "missing": len(numbers) - len(present)}
