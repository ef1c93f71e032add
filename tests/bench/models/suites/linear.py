"""Linear models from scikit-learn, with few and with many features."""

import pathlib

from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rows import simulated, written

BATCHES = [1, 8, 32, 256, 4096]
OPSET = {"": 15, "ai.onnx.ml": 3}


def cases(folder: pathlib.Path) -> list[dict]:
    made = []
    for features in 30, 1000:
        data = {classes: simulated(features, classes, training=1_000) for classes in (2, 10)}
        inputs = [written(folder, f"linear-rows-{features}.bin", data[2][2])]

        def case(name: str, model, classes: int = 2) -> None:
            training, labels, _ = data[classes]
            fitted = model.fit(training, labels)
            options = {"zipmap": False} if hasattr(model, "predict_proba") else None
            onnx_model = to_onnx(fitted, training[:1], options=options, target_opset=OPSET)
            file = f"{name}-{features}.onnx"
            (folder / file).write_bytes(onnx_model.SerializeToString())
            made.append({"name": f"{name}-{features}", "model": file, "inputs": inputs, "batches": BATCHES})

        case("logistic", LogisticRegression(max_iter=50))
        case("logistic-10-classes", LogisticRegression(max_iter=50), classes=10)
        if features == 30:
            case("linear", LinearRegression())
            case("scaler-logistic", make_pipeline(StandardScaler(), LogisticRegression(max_iter=50)))
    return made
