"""Rows of features, as a feature store holds them: no models."""

import pathlib

import numpy as np

from rows import written

ROWS = 512  # what the calls go round


def cases(folder: pathlib.Path) -> list[dict]:
    return [case(folder, 200), case(folder, 20)]


def case(folder: pathlib.Path, features: int) -> dict:
    values = np.random.default_rng(features).normal(size=(ROWS, features))
    return {
        "name": f"{features}-features",
        "view": f"features_{features}",
        "features": [f"average_amount_{index:03}" for index in range(features)],
        "rows": written(folder, f"features-{features}.bin", values),
        "batches": [1, 50],
    }
