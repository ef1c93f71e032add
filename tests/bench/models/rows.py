"""Simulated rows, the same on every run."""

import pathlib

import numpy as np
from sklearn.datasets import make_classification

INPUT_ROWS = 8_192  # what a benchmark rotates over


def simulated(
    features: int, classes: int = 2, training: int = 20_000, redundant: int = 5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to train on, their classes, and rows to rotate over. One class in five is noise, so that a tree always finds something to split."""
    values, labels = make_classification(
        training + INPUT_ROWS,
        features,
        n_informative=20,
        n_redundant=redundant,
        n_classes=classes,
        flip_y=0.2,
        random_state=0,
    )
    values = values.astype(np.float32)
    return values[:training], labels[:training], values[training:]


def written(folder: pathlib.Path, name: str, rows: np.ndarray) -> dict:
    """Writes the rows for an input; returns what the benchmark must know about them."""
    (folder / name).write_bytes(np.ascontiguousarray(rows).tobytes())
    return {"file": name, "datatype": rows.dtype.name, "shape": list(rows.shape)}
