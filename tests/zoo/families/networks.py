"""scikit-learn's small nets."""

from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data import COLOURS, SEED
from export import few, sk

MLP = {"hidden_layer_sizes": (8, 4), "max_iter": 60, "random_state": SEED}


def scaled(estimator):
    return make_pipeline(StandardScaler(), estimator)


CASES = {
    "scaler-mlp-binary": sk(scaled(MLPClassifier(**MLP)), classes=2),
    "scaler-mlp-multiclass-strings": sk(scaled(MLPClassifier(**MLP)), classes=3, labels=COLOURS),
    "scaler-mlp-regressor": sk(scaled(MLPRegressor(**MLP))),
    "scaler-mlp-double": sk(scaled(MLPClassifier(**MLP)), classes=2, double=True),
    "mlp-logistic": few(MLPClassifier(activation="logistic", **MLP), classes=3),
    "mlp-tanh": few(MLPClassifier(activation="tanh", **MLP), dataset="iris"),
    "mlp-identity": few(MLPRegressor(activation="identity", **MLP)),
    "mlp-one-layer": few(MLPClassifier(**{**MLP, "hidden_layer_sizes": (6,)}), dataset="wine"),
    "mlp-zipmap": few(MLPClassifier(**MLP), classes=2, zipmap=True),
    "mlp-regressor-multi": few(MLPRegressor(**MLP), targets=3),
    "mlp-regressor-double": few(MLPRegressor(**MLP), double=True),
    "mlp-integers": few(MLPClassifier(**MLP), classes=2, integers=True),
    "mlp-opset-9": few(MLPClassifier(**MLP), classes=3, opset={"": 9, "ai.onnx.ml": 1}),
}
