"""scikit-learn's linear models of classes, and discriminant analysis."""

from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import (
    LogisticRegression, LogisticRegressionCV, PassiveAggressiveClassifier, Perceptron, RidgeClassifier, RidgeClassifierCV,
    SGDClassifier, SGDOneClassSVM,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data import COLOURS, SEED
from export import few, sk

SGD = {"random_state": SEED}

CASES = {
    "logistic-regression-binary": sk(LogisticRegression(), classes=2),
    "logistic-regression-zipmap": sk(LogisticRegression(), classes=2, zipmap=True),
    "logistic-regression-zipmap-columns": few(LogisticRegression(), classes=3, zipmap="columns"),
    "logistic-regression-multiclass": sk(LogisticRegression(), classes=3),
    "logistic-regression-labels": sk(LogisticRegression(), classes=2, labels=[-1, 5]),
    "logistic-regression-strings": sk(LogisticRegression(), classes=3, labels=COLOURS),
    "logistic-regression-strings-zipmap": few(LogisticRegression(), classes=3, labels=COLOURS, zipmap=True),
    "logistic-regression-strings-binary": few(LogisticRegression(), classes=2, labels=["no", "yes"]),
    "logistic-regression-raw": sk(LogisticRegression(), classes=2, raw_scores=True),
    "logistic-regression-raw-multiclass": few(LogisticRegression(), classes=3, raw_scores=True),
    "logistic-regression-double": few(LogisticRegression(), classes=2, double=True),
    "logistic-regression-double-multiclass": few(LogisticRegression(), classes=3, double=True),
    "logistic-regression-integers": few(LogisticRegression(), classes=3, integers=True),
    "logistic-regression-liblinear": few(LogisticRegression(solver="liblinear", random_state=SEED), classes=2),
    "logistic-regression-one-vs-rest": few(OneVsRestClassifier(LogisticRegression()), classes=3),
    "logistic-regression-l1": few(LogisticRegression(penalty="l1", solver="liblinear", random_state=SEED), classes=2),
    "logistic-regression-cv": few(LogisticRegressionCV(cv=3), classes=3),
    "logistic-regression-iris": few(make_pipeline(StandardScaler(), LogisticRegression()), dataset="iris"),
    "logistic-regression-digits": few(make_pipeline(StandardScaler(), LogisticRegression(max_iter=30)), dataset="digits"),
    "logistic-regression-one-feature": few(LogisticRegression(), classes=2, features=1),
    "logistic-regression-thousand-features": sk(LogisticRegression(), classes=3, features=1000, rows=3),
    "logistic-regression-opset-9": few(LogisticRegression(), classes=3, opset={"": 9, "ai.onnx.ml": 1}),
    "logistic-regression-opset-22": few(LogisticRegression(), classes=3, opset={"": 22, "ai.onnx.ml": 3}),
    "ridge-classifier": few(RidgeClassifier(), classes=2),
    "ridge-classifier-multiclass": few(RidgeClassifier(), classes=3),
    "ridge-classifier-cv": few(RidgeClassifierCV(), dataset="wine"),
    "ridge-classifier-strings": few(RidgeClassifier(), classes=3, labels=COLOURS),
    "sgd-classifier": sk(SGDClassifier(loss="log_loss", **SGD), classes=2),
    "sgd-classifier-multiclass": few(SGDClassifier(loss="log_loss", **SGD), classes=3),
    "sgd-classifier-hinge": few(SGDClassifier(loss="hinge", **SGD), classes=2),
    "sgd-classifier-hinge-multiclass": few(SGDClassifier(loss="hinge", **SGD), classes=3),
    "sgd-classifier-huber": few(SGDClassifier(loss="modified_huber", **SGD), classes=3),
    "sgd-classifier-huber-binary": few(SGDClassifier(loss="modified_huber", **SGD), classes=2),
    "sgd-classifier-strings": few(SGDClassifier(loss="log_loss", **SGD), classes=3, labels=COLOURS),
    "sgd-classifier-double": few(SGDClassifier(loss="log_loss", **SGD), classes=2, double=True),
    "sgd-one-class": few(SGDOneClassSVM(**SGD), unsupervised=True),
    "perceptron": few(Perceptron(**SGD), classes=2),
    "perceptron-multiclass": few(Perceptron(**SGD), classes=3),
    "passive-aggressive-classifier": few(PassiveAggressiveClassifier(**SGD), classes=2),
    "passive-aggressive-classifier-multiclass": few(PassiveAggressiveClassifier(**SGD), classes=3),
    "linear-discriminant": few(LinearDiscriminantAnalysis(), classes=2),
    "linear-discriminant-multiclass": few(LinearDiscriminantAnalysis(), dataset="wine"),
    "linear-discriminant-strings": few(LinearDiscriminantAnalysis(), classes=3, labels=COLOURS),
    "quadratic-discriminant": few(QuadraticDiscriminantAnalysis(), classes=2),
    "quadratic-discriminant-multiclass": few(QuadraticDiscriminantAnalysis(), dataset="iris"),
}
