"""scikit-learn's trees and ensembles of them."""

import numpy as np
from sklearn.ensemble import (
    AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, BaggingRegressor, ExtraTreesClassifier, ExtraTreesRegressor,
    GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor,
    IsolationForest, RandomForestClassifier, RandomForestRegressor, RandomTreesEmbedding,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

import data
from data import COLOURS, SEED
from export import finish, sk, to_onnx

FOREST = {"n_estimators": 6, "max_depth": 4, "random_state": SEED}
BOOST = {"n_estimators": 8, "max_depth": 3, "random_state": SEED}
HIST = {"max_iter": 6, "max_leaf_nodes": 6, "random_state": SEED}
TREE = {"max_depth": 4, "random_state": SEED}
OLD = {"": 9, "ai.onnx.ml": 1}


def single_leaf():
    """A tree that learned that everything is the same."""
    x, _, rows = data.simulated()
    fitted = DecisionTreeRegressor().fit(x, np.full(len(x), 2.5))
    return finish(to_onnx(fitted, {"X": rows}), fitted, rows)


def one_class():
    x, _, rows = data.simulated()
    fitted = RandomForestClassifier(n_estimators=3, random_state=SEED).fit(x, np.full(len(x), 4))
    return finish(to_onnx(fitted, {"X": rows}, options={id(fitted): {"zipmap": False}}), fitted, rows)


def leaves(estimator, **options):
    """With the index of the leaf and the path to it, which skl2onnx gives on demand."""

    def make():
        x, y, rows = data.simulated(2)
        fitted = estimator.fit(x, y)
        proto = to_onnx(fitted, {"X": rows}, options={id(fitted): {"zipmap": False, **options}})
        names = [output.name for output in proto.graph.output]
        return proto.SerializeToString(), {"X": rows}, {names[0]: fitted.predict(rows), names[1]: fitted.predict_proba(rows)}

    return make


CASES = {
    "random-forest-binary": sk(RandomForestClassifier(**FOREST), classes=2),
    "random-forest-binary-zipmap": sk(RandomForestClassifier(**FOREST), classes=2, zipmap=True),
    "random-forest-binary-zipmap-columns": sk(RandomForestClassifier(**FOREST), classes=2, zipmap="columns"),
    "random-forest-binary-labels": sk(RandomForestClassifier(**FOREST), classes=2, labels=[-1, 5]),
    "random-forest-binary-strings": sk(RandomForestClassifier(**FOREST), classes=2, labels=["no", "yes"], zipmap=True),
    "random-forest-multiclass": sk(RandomForestClassifier(**FOREST), classes=3),
    "random-forest-strings": sk(RandomForestClassifier(**FOREST), classes=3, labels=COLOURS),
    "random-forest-strings-zipmap": sk(RandomForestClassifier(**FOREST), classes=3, labels=COLOURS, zipmap=True),
    "random-forest-double": sk(RandomForestClassifier(**FOREST), classes=3, double=True),
    "random-forest-integers": sk(RandomForestClassifier(**FOREST), classes=2, integers=True),
    "random-forest-regressor": sk(RandomForestRegressor(**FOREST)),
    "random-forest-regressor-multi": sk(RandomForestRegressor(**FOREST), targets=3),
    "random-forest-one-class": one_class,
    "random-forest-one-feature": sk(RandomForestRegressor(**FOREST), features=1),
    "random-forest-thousand-features": sk(RandomForestRegressor(**FOREST), features=1000, rows=3),
    "random-forest-deep": sk(RandomForestRegressor(n_estimators=2, random_state=SEED)),
    "random-forest-entropy-iris": sk(RandomForestClassifier(criterion="entropy", **FOREST), dataset="iris"),
    "random-forest-poisson": sk(RandomForestRegressor(criterion="poisson", **FOREST), positive=True),
    "random-forest-digits": sk(RandomForestClassifier(n_estimators=3, max_depth=5, random_state=SEED), dataset="digits"),
    "random-forest-opset-9": sk(RandomForestClassifier(**FOREST), classes=3, opset=OLD),
    "random-forest-opset-21": sk(RandomForestClassifier(**FOREST), classes=3, opset={"": 21, "ai.onnx.ml": 3}),
    "random-forest-regressor-opset-9": sk(RandomForestRegressor(**FOREST), opset=OLD),
    "extra-trees": sk(ExtraTreesClassifier(**FOREST), classes=3),
    "extra-trees-regressor": sk(ExtraTreesRegressor(**FOREST)),
    "isolation-forest": sk(IsolationForest(n_estimators=4, max_samples=32, random_state=SEED)),
    "isolation-forest-contamination": sk(IsolationForest(n_estimators=3, max_samples=16, contamination=0.2, random_state=SEED), unsupervised=True),
    "random-trees-embedding": sk(RandomTreesEmbedding(n_estimators=3, max_depth=2, sparse_output=False, random_state=SEED), unsupervised=True),
    "decision-tree": sk(DecisionTreeClassifier(**TREE), classes=3),
    "decision-tree-deep": sk(DecisionTreeClassifier(random_state=SEED), classes=3),
    "decision-tree-stump": sk(DecisionTreeClassifier(max_depth=1, random_state=SEED), classes=2),
    "decision-tree-regressor": sk(DecisionTreeRegressor(**TREE)),
    "decision-tree-regressor-multi": sk(DecisionTreeRegressor(**TREE), targets=2),
    "decision-tree-regressor-absolute": sk(DecisionTreeRegressor(criterion="absolute_error", **TREE)),
    "decision-tree-single-leaf": single_leaf,
    "decision-tree-leaf-indices": leaves(DecisionTreeClassifier(**TREE), decision_leaf=True),
    "decision-tree-paths": leaves(DecisionTreeClassifier(**TREE), decision_path=True),
    "random-forest-leaf-indices": leaves(RandomForestClassifier(**FOREST), decision_leaf=True),
    "extra-tree": sk(ExtraTreeClassifier(**TREE), classes=3),
    "extra-tree-regressor": sk(ExtraTreeRegressor(**TREE)),
    "gradient-boosting-binary": sk(GradientBoostingClassifier(**BOOST), classes=2),
    "gradient-boosting-binary-strings": sk(GradientBoostingClassifier(**BOOST), classes=2, labels=["no", "yes"]),
    "gradient-boosting-exponential": sk(GradientBoostingClassifier(loss="exponential", **BOOST), classes=2),
    "gradient-boosting-multiclass": sk(GradientBoostingClassifier(**BOOST), classes=3),
    "gradient-boosting-init-zero": sk(GradientBoostingClassifier(init="zero", **BOOST), classes=2),
    "gradient-boosting-regressor": sk(GradientBoostingRegressor(**BOOST)),
    "gradient-boosting-regressor-huber": sk(GradientBoostingRegressor(loss="huber", **BOOST)),
    "gradient-boosting-regressor-quantile": sk(GradientBoostingRegressor(loss="quantile", **BOOST)),
    "gradient-boosting-wine": sk(GradientBoostingClassifier(**BOOST), dataset="wine"),
    "gradient-boosting-opset-9": sk(GradientBoostingClassifier(**BOOST), classes=2, opset=OLD),
    "hist-gradient-boosting-binary": sk(HistGradientBoostingClassifier(**HIST), classes=2),
    "hist-gradient-boosting-binary-nan": sk(HistGradientBoostingClassifier(**HIST), classes=2, missing=True),
    "hist-gradient-boosting-binary-strings": sk(HistGradientBoostingClassifier(**HIST), classes=2, labels=["no", "yes"]),
    "hist-gradient-boosting-multiclass": sk(HistGradientBoostingClassifier(**HIST), classes=3),
    "hist-gradient-boosting-regressor": sk(HistGradientBoostingRegressor(**HIST), missing=True),
    "hist-gradient-boosting-poisson": sk(HistGradientBoostingRegressor(loss="poisson", **HIST), positive=True),
    "hist-gradient-boosting-gamma": sk(HistGradientBoostingRegressor(loss="gamma", **HIST), positive=True),
    "hist-gradient-boosting-quantile": sk(HistGradientBoostingRegressor(loss="quantile", quantile=0.8, **HIST)),
    "hist-gradient-boosting-cancer": sk(HistGradientBoostingClassifier(**HIST), dataset="cancer"),
    "bagging": sk(BaggingClassifier(DecisionTreeClassifier(max_depth=3, random_state=SEED), n_estimators=4, random_state=SEED), classes=2),
    "bagging-features": sk(BaggingClassifier(DecisionTreeClassifier(max_depth=2, random_state=SEED), n_estimators=3, max_features=0.6, random_state=SEED), classes=3),
    "bagging-regressor": sk(BaggingRegressor(DecisionTreeRegressor(max_depth=3, random_state=SEED), n_estimators=3, random_state=SEED)),
    "ada-boost": sk(AdaBoostClassifier(n_estimators=4, random_state=SEED), classes=2),
    "ada-boost-multiclass": sk(AdaBoostClassifier(DecisionTreeClassifier(max_depth=2, random_state=SEED), n_estimators=3, random_state=SEED), classes=3),
    "ada-boost-regressor": sk(AdaBoostRegressor(n_estimators=4, random_state=SEED)),
}
