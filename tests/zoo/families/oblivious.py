"""CatBoost, by its own export."""

import tempfile
from pathlib import Path

import onnx
from catboost import CatBoostClassifier, CatBoostRegressor

import data
from data import COLOURS, SEED
from export import finish

BOOST = {"iterations": 8, "depth": 3, "random_seed": SEED, "thread_count": 1, "verbose": False, "allow_writing_files": False}


def catboost(estimator, classes=0, missing=False, labels=None, positive=False, dataset=None, features=data.FEATURES, targets=1):
    def make():
        if dataset:
            x, y, rows = data.bundled(dataset)
        else:
            x, y, rows = data.simulated(classes, missing, features=features, targets=targets)
        y = [labels[value] for value in y] if labels else abs(y) + 0.1 if positive else y
        fitted = estimator.fit(x, y)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            fitted.save_model(str(path), format="onnx")
            proto = onnx.load(path)
        # It writes when it was trained.
        del proto.metadata_props[:]
        return finish(proto, fitted, rows, proto.graph.input[0].name)

    return make


CASES = {
    "catboost-binary": catboost(CatBoostClassifier(**BOOST), classes=2),
    "catboost-binary-nan": catboost(CatBoostClassifier(**BOOST), classes=2, missing=True),
    "catboost-binary-strings": catboost(CatBoostClassifier(**BOOST), classes=2, labels=["no", "yes"]),
    "catboost-binary-cancer": catboost(CatBoostClassifier(**BOOST), dataset="cancer"),
    "catboost-multiclass": catboost(CatBoostClassifier(**BOOST), classes=3),
    "catboost-multiclass-strings": catboost(CatBoostClassifier(**BOOST), classes=3, labels=COLOURS),
    "catboost-multiclass-iris": catboost(CatBoostClassifier(**BOOST), dataset="iris"),
    "catboost-multiclass-ova": catboost(CatBoostClassifier(loss_function="MultiClassOneVsAll", **BOOST), classes=3),
    "catboost-regressor": catboost(CatBoostRegressor(**BOOST)),
    "catboost-regressor-nan": catboost(CatBoostRegressor(**BOOST), missing=True),
    "catboost-regressor-diabetes": catboost(CatBoostRegressor(**BOOST), dataset="diabetes"),
    "catboost-regressor-one-feature": catboost(CatBoostRegressor(**BOOST), features=1),
    "catboost-regressor-quantile": catboost(CatBoostRegressor(loss_function="Quantile:alpha=0.8", **BOOST)),
    "catboost-regressor-poisson": catboost(CatBoostRegressor(loss_function="Poisson", **BOOST), positive=True),
    "catboost-regressor-deep": catboost(CatBoostRegressor(**{**BOOST, "depth": 7, "iterations": 2})),
    "catboost-stump": catboost(CatBoostRegressor(**{**BOOST, "depth": 1, "iterations": 1})),
}
