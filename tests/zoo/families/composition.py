"""Tables of mixed columns, and estimators made of estimators."""

import numpy as np
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor, StackingClassifier, StackingRegressor,
    VotingClassifier, VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import data
from answers import parts
from data import COLOURS, SEED
from export import few, finish, sk, table, to_onnx

FOREST = {"n_estimators": 5, "max_depth": 3, "random_state": SEED}
CITIES = ["Aarhus", "Berlin", "Cádiz", "Delft"]
NUMBERS = ["age", "income"]


def people(count, unknown=False, missing=False):
    random = np.random.default_rng(SEED + count)
    found = {
        "age": random.integers(18, 90, count).astype(np.float32), "income": random.lognormal(10, 1, count).astype(np.float32),
        "city": random.choice(CITIES, count).astype(object), "colour": random.choice(COLOURS, count).astype(object),
        "children": random.integers(0, 4, count),
    }
    if unknown:
        found["city"][0], found["colour"][1] = "Zürich", ""
    if missing:
        found["income"][::3] = np.nan
    return found


LEARNT, ASKED, UNKNOWN = people(200), people(data.FEW_ROWS), people(data.FEW_ROWS, unknown=True)
HOLES, ASKED_HOLES = people(200, missing=True), people(data.FEW_ROWS, missing=True)
BUYS = (LEARNT["age"] > 45).astype(int) ^ (LEARNT["city"] == "Berlin").astype(int)
SPENDS = LEARNT["age"] * 0.3 + (LEARNT["colour"] == "red") * 4.0


def only(columns, *names):
    return {name: columns[name] for name in names}


def mixed(final, numbers=None, categories=None):
    prepare = ColumnTransformer([
        ("numbers", numbers or StandardScaler(), NUMBERS),
        ("categories", categories or OneHotEncoder(handle_unknown="ignore"), ["city", "colour"]),
    ])
    return make_pipeline(prepare, final)


def people_model(estimator, y=BUYS, asked=ASKED, learnt=LEARNT, names=(*NUMBERS, "city", "colour"), **options):
    return table(estimator, only(learnt, *names), only(asked, *names), y, **options)


def encoder(estimator, *names, asked=UNKNOWN, y=None):
    return table(estimator, only(LEARNT, *names), only(asked, *names), y)


def string_categories():
    x = np.array([["red"], ["green"], ["blue"]] * 10, dtype=object)
    fitted = OneHotEncoder(sparse_output=False).fit(x)
    proto = to_onnx(fitted, {"X": x[:5]})
    return proto.SerializeToString(), {"X": x[:5]}, {proto.graph.output[0].name: fitted.transform(x[:5])}


def string_matrix(fitted):
    """Several columns of strings in one tensor."""

    def make():
        x = np.stack([LEARNT["city"], LEARNT["colour"]], axis=1)
        asked = np.stack([UNKNOWN["city"], UNKNOWN["colour"]], axis=1)
        fitted.fit(x)
        proto = to_onnx(fitted, {"X": asked})
        return proto.SerializeToString(), {"X": asked}, {proto.graph.output[0].name: fitted.transform(asked)}

    return make


def several_targets(estimator):
    """A classifier of two targets at once, whose scores are stacked by target."""

    def make():
        x, _, rows = data.simulated(rows=data.FEW_ROWS)
        y = np.stack([(x[:, 0] > 0).astype(int), np.digitize(x[:, 1], [-0.5, 0.5])], axis=1)
        fitted = estimator.fit(x, y)
        proto = to_onnx(fitted, {"X": rows}, options={id(fitted): {"zipmap": False}})
        return proto.SerializeToString(), {"X": rows}, {proto.graph.output[0].name: fitted.predict(rows)}

    return make


def a_classifier_of_each(estimator, bounds):
    """A classifier of each target, whose scores are a sequence of tensors."""

    def make():
        x, _, rows = data.simulated(rows=data.FEW_ROWS)
        y = np.stack([np.digitize(x[:, target], edges) for target, edges in enumerate(bounds)], axis=1)
        fitted = MultiOutputClassifier(estimator).fit(x, y)
        proto = to_onnx(fitted, {"X": rows}, options={id(fitted): {"zipmap": False}})
        labels, scores = (output.name for output in proto.graph.output)
        library = {labels: fitted.predict(rows), **parts(scores, fitted.predict_proba(rows))}
        return proto.SerializeToString(), {"X": rows}, library

    return make


def with_a_constant_class(estimator):
    """One-vs-rest of several labels for each row, one of which every row has."""

    def make():
        x, _, rows = data.simulated(rows=data.FEW_ROWS)
        y = np.stack([x[:, 0] > 0, x[:, 1] > 0.5, np.full(len(x), True)], axis=1).astype(int)
        fitted = OneVsRestClassifier(estimator).fit(x, y)
        return finish(to_onnx(fitted, {"X": rows}, options={id(fitted): {"zipmap": False}}), fitted, rows)

    return make


TREE = DecisionTreeClassifier(max_depth=3, random_state=SEED)
PAIR = [("a", LogisticRegression()), ("b", RandomForestClassifier(**FOREST))]
ORDINAL = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)

CASES = {
    "string-categories": string_categories,
    "one-hot-strings": string_matrix(OneHotEncoder(handle_unknown="ignore", sparse_output=False)),
    "one-hot-drop-first": table(OneHotEncoder(drop="first", sparse_output=False), only(LEARNT, "city", "colour"), only(ASKED, "city", "colour")),
    "one-hot-integers": encoder(OneHotEncoder(handle_unknown="ignore", sparse_output=False), "children"),
    "ordinal-strings": string_matrix(ORDINAL),
    "ordinal-unknown": encoder(ORDINAL, "city", "colour"),
    "ordinal-integers": encoder(ORDINAL, "children"),
    "target-encoder": encoder(TargetEncoder(random_state=SEED), "city", y=SPENDS),
    "target-encoder-binary": encoder(TargetEncoder(random_state=SEED), "city", "colour", y=BUYS),
    "table-logistic": people_model(mixed(LogisticRegression())),
    "table-logistic-zipmap": people_model(mixed(LogisticRegression()), zipmap=True),
    "table-logistic-unknown": people_model(mixed(LogisticRegression()), asked=UNKNOWN),
    "table-logistic-strings": people_model(mixed(LogisticRegression()), np.array(["no", "yes"])[BUYS]),
    "table-ridge": people_model(mixed(Ridge()), SPENDS),
    "table-forest": people_model(mixed(RandomForestClassifier(**FOREST))),
    "table-forest-strings": people_model(mixed(RandomForestClassifier(**FOREST)), np.array(["no", "yes"])[BUYS], zipmap=True),
    "table-boosting-ordinal": people_model(mixed(GradientBoostingClassifier(n_estimators=4, random_state=SEED), categories=ORDINAL)),
    "table-imputed": people_model(mixed(LogisticRegression(), numbers=make_pipeline(SimpleImputer(), StandardScaler())), learnt=HOLES, asked=ASKED_HOLES),
    "table-target-encoded": people_model(mixed(Ridge(), categories=TargetEncoder(random_state=SEED)), SPENDS),
    "table-passthrough": people_model(ColumnTransformer([("scaled", StandardScaler(), ["income"])], remainder="passthrough"), None, names=NUMBERS),
    "table-drop": people_model(ColumnTransformer([("scaled", StandardScaler(), ["income"])], remainder="drop"), None, names=NUMBERS),
    "table-by-type": people_model(ColumnTransformer([("words", OneHotEncoder(), make_column_selector(dtype_include=object)), ("numbers", StandardScaler(), NUMBERS)]), None),
    "columns-of-matrix": few(make_pipeline(ColumnTransformer([("a", StandardScaler(), [0, 2]), ("b", "passthrough", [1, 3, 4])]), Ridge())),
    "columns-by-slice": few(ColumnTransformer([("a", StandardScaler(), slice(0, 2)), ("b", "drop", slice(2, 5))]), unsupervised=True),
    "voting": sk(VotingClassifier(PAIR, voting="soft", flatten_transform=False), classes=2),
    "voting-hard": few(VotingClassifier(PAIR, voting="hard", flatten_transform=False), classes=3),
    "voting-weights": few(VotingClassifier(PAIR, voting="soft", weights=np.array([1, 3]), flatten_transform=False), classes=3),
    "voting-regressor": few(VotingRegressor([("a", LinearRegression()), ("b", RandomForestRegressor(**FOREST))])),
    "stacking": sk(StackingClassifier([("a", LogisticRegression()), ("b", TREE)], cv=2), classes=2),
    "stacking-multiclass": few(StackingClassifier(PAIR, cv=2), classes=3),
    "stacking-passthrough": few(StackingClassifier(PAIR, cv=2, passthrough=True), classes=2),
    "stacking-regressor": few(StackingRegressor([("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3, random_state=SEED))], cv=2)),
    "one-vs-rest": few(OneVsRestClassifier(LogisticRegression()), dataset="iris"),
    "one-vs-rest-strings": few(OneVsRestClassifier(LogisticRegression()), dataset="iris", labels=COLOURS),
    "one-vs-rest-trees": few(OneVsRestClassifier(TREE), dataset="wine"),
    "one-vs-rest-svc": few(OneVsRestClassifier(SVC(C=0.5, random_state=SEED)), dataset="iris"),
    "one-vs-one": few(OneVsOneClassifier(LogisticRegression()), dataset="iris"),
    "one-vs-one-linear-svc": few(OneVsOneClassifier(LinearSVC(random_state=SEED)), dataset="iris"),
    "multi-output-forest": several_targets(RandomForestClassifier(**FOREST)),
    "multi-output-classifier": a_classifier_of_each(LogisticRegression(), [[0], [-0.5, 0.5]]),
    "multi-output-classifier-trees": a_classifier_of_each(TREE, [[-0.5, 0.5], [-1, 1], [0]]),
    "one-vs-rest-constant": with_a_constant_class(LogisticRegression()),
    "multi-output-regressor": few(MultiOutputRegressor(Ridge()), targets=2),
    "multi-output-regressor-forest": few(MultiOutputRegressor(RandomForestRegressor(**FOREST)), targets=2),
    "grid-search": few(GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2), classes=3),
    "grid-search-pipeline": few(GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 1.0]}, cv=2)),
    "tuned-threshold": few(TunedThresholdClassifierCV(LogisticRegression(), cv=2), classes=2),
}
