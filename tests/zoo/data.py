"""What the models of the zoo learn from, and the rows that they are asked for."""

import numpy as np
from sklearn import datasets

SEED = 7
FEATURES = 5
# Neither a multiple of what the tree engine takes at once, nor below it.
ROWS = 37
FEW_ROWS = 9
COLOURS = ["blue", "green", "red"]

_BUNDLED = {
    "iris": datasets.load_iris, "wine": datasets.load_wine, "cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes, "digits": datasets.load_digits, "linnerud": datasets.load_linnerud,
}


def simulated(classes=0, missing=False, dtype=np.float32, targets=1, features=FEATURES, rows=ROWS):
    """400 rows to learn from and some to ask for."""
    random = np.random.default_rng(SEED)
    x = random.normal(size=(400, features)).astype(dtype)
    # A model of fewer features sees what is left of the signal.
    wide = np.pad(x, ((0, 0), (0, max(0, 4 - features))))
    signal = wide[:, 0] + 0.7 * wide[:, 1] * wide[:, 2] - 0.4 * np.abs(wide[:, 3]) + 0.3 * random.normal(size=400)
    if classes:
        edges = np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1])
        y = np.digitize(signal, edges)
    else:
        y = np.stack([signal * (k + 1) + x[:, k] for k in range(targets)], axis=1).squeeze()
    asked = random.normal(size=(rows, features)).astype(dtype)
    if missing:
        x[random.random(x.shape) < 0.2] = np.nan
        asked[random.random(asked.shape) < 0.3] = np.nan
        asked[0] = np.nan
        if missing != "nan":
            asked[1, :2] = [np.inf, -np.inf]
        asked[2] = np.resize([0.0, -0.0], features)
    return x, y, asked


def bundled(name, dtype=np.float32, rows=FEW_ROWS):
    """A dataset that comes with scikit-learn; the rows to ask for are held out."""
    x, y = _BUNDLED[name](return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(x))
    held = min(rows, len(x) // 3)
    x = x.astype(dtype)
    return x[order[held:]], y[order[held:]], x[order[:held]]
