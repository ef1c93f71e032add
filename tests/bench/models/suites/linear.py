"""Linear models from scikit-learn, with few and with many features."""

import functools
import pathlib

from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rows import simulated, written

BATCHES = [1, 8, 32, 256, 4096]
OPSET = {"": 15, "ai.onnx.ml": 3}

# No feature is a sum of others: weights that cancel out would make the last digits of a float count.
data = functools.cache(lambda features, classes: simulated(features, classes, training=1_000, redundant=0))


def cases(folder: pathlib.Path) -> list[dict]:
    return [
        logistic(folder),
        logistic(folder, classes=10),
        logistic(folder, features=1000),
        logistic(folder, features=1000, classes=10),
        case(folder, "linear", LinearRegression()),
        case(folder, "scaler-logistic", make_pipeline(StandardScaler(), LogisticRegression(max_iter=50))),
    ]


def logistic(folder: pathlib.Path, features: int = 30, classes: int = 2) -> dict:
    name = "logistic" if classes == 2 else f"logistic-{classes}-classes"
    return case(folder, name, LogisticRegression(max_iter=50), features, classes)


def case(folder: pathlib.Path, name: str, model, features: int = 30, classes: int = 2) -> dict:
    training, labels, rows = data(features, classes)
    fitted = model.fit(training, labels)
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    onnx_model = to_onnx(fitted, training[:1], options=options, target_opset=OPSET)
    name = f"{name}-{features}"
    (folder / f"{name}.onnx").write_bytes(onnx_model.SerializeToString())
    inputs = [written(folder, f"linear-{features}x{classes}.bin", rows)]
    return {"name": name, "model": f"{name}.onnx", "inputs": inputs, "batches": BATCHES}
