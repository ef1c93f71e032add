"""Fitting an estimator, exporting it, and asking it for what is right."""

import re

import numpy as np
import onnxmltools
import pandas
import skl2onnx
import sklearn.base
from onnxmltools.convert.common.data_types import FloatTensorType as OnnxmlFloat
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.feature_selection import SelectorMixin

import data

OPSET = {"": 17, "ai.onnx.ml": 3}
_KINDS = {"f4": FloatTensorType, "f8": DoubleTensorType, "i8": Int64TensorType}


def says(estimator, names, rows):
    """What the library says, by the names of the graph's outputs: labels first, then scores."""
    if sklearn.base.is_outlier_detector(estimator):
        return {names[0]: estimator.predict(rows), names[1]: estimator.decision_function(rows)}
    if isinstance(estimator, SelectorMixin):
        return {names[0]: estimator.transform(rows)}
    if hasattr(estimator, "predict_proba"):
        labels, scores = estimator.predict(rows), estimator.predict_proba(rows)
        # With `zipmap="columns"` each class has an output of its own.
        return dict(zip(names, [labels, *(scores.T if len(names) > 2 else [scores])]))
    if sklearn.base.is_classifier(estimator):
        return {names[0]: estimator.predict(rows)}
    if sklearn.base.is_clusterer(estimator):
        return dict(zip(names, [estimator.predict(rows), estimator.transform(rows)]))
    if hasattr(estimator, "kneighbors") and not hasattr(estimator, "predict") and not hasattr(estimator, "transform"):
        distances, neighbours = estimator.kneighbors(rows)
        return dict(zip(names, [neighbours, distances]))
    result = estimator.predict(rows) if hasattr(estimator, "predict") else estimator.transform(rows)
    return {names[0]: result.toarray() if hasattr(result, "toarray") else result}


def finish(proto, estimator, rows, name="X"):
    names = [output.name for output in proto.graph.output]
    return proto.SerializeToString(), {name: rows}, says(estimator, names, rows)


def to_onnx(fitted, inputs, opset=OPSET, options=None):
    """skl2onnx's graph for the inputs, which are arrays by name."""
    types = [(name, kind_of(values)([None, *values.shape[1:]])) for name, values in inputs.items()]
    proto = skl2onnx.convert_sklearn(fitted, initial_types=types, target_opset=opset, name="model", options=options or None)
    _rename(proto.graph, {})
    return proto


def _rename(graph, known):
    """Some converters put an address in memory into names; a number in the order of appearance does as well."""

    def name(text):
        return re.sub(r"\d{9,}", lambda found: known.setdefault(found[0], str(len(known))), text)

    for node in graph.node:
        node.name = name(node.name)
        node.input[:], node.output[:] = map(name, node.input), map(name, node.output)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, known)
    for value in [*graph.input, *graph.output, *graph.initializer, *graph.value_info]:
        value.name = name(value.name)


def kind_of(values):
    return StringTensorType if values.dtype.kind in "OUS" else _KINDS[values.dtype.str[1:]]


def sk(estimator, classes=0, labels=None, zipmap=False, double=False, missing=False, targets=1, integers=False,
       dataset=None, rows=data.ROWS, features=data.FEATURES, positive=False, unsupervised=False, opset=OPSET, **options):
    """A scikit-learn estimator, exported by skl2onnx, on simulated data or on a bundled dataset."""

    def make():
        dtype = np.float64 if double else np.float32
        if dataset:
            x, y, asked = data.bundled(dataset, dtype)
        else:
            x, y, asked = data.simulated(classes, missing, dtype, targets, features, rows)
        if integers:
            x, asked = np.round(np.abs(x) * 5), np.round(np.abs(asked) * 5).astype(np.int64)
        if positive:
            y = np.abs(y) + 0.1
        if labels is not None:
            y = np.array(labels)[y]
        fitted = estimator.fit(x) if unsupervised else estimator.fit(x, y)
        is_classifier = hasattr(fitted, "predict_proba") and not isinstance(fitted, SelectorMixin)
        is_classifier = is_classifier and sklearn.base.is_classifier(fitted)
        given = dict(options, **({"zipmap": zipmap} if is_classifier else {}))
        proto = to_onnx(fitted, {"X": asked}, opset, {id(fitted): given} if given else None)
        if given.get("raw_scores"):
            names = [output.name for output in proto.graph.output]
            decisions = fitted.decision_function(asked)
            decisions = decisions if decisions.ndim > 1 else np.stack([-decisions, decisions], axis=1)
            return proto.SerializeToString(), {"X": asked}, dict(zip(names, [fitted.predict(asked), decisions]))
        return finish(proto, fitted, asked)

    return make


def few(estimator, **options):
    """As `sk`, with few rows: for what is not a tree."""
    return sk(estimator, rows=data.FEW_ROWS, **options)


def boosted(estimator, convert, classes=0, missing=False, zipmap=None, categorical=False, labels=None, positive=False,
            counts=False, targets=1, features=data.FEATURES, dataset=None, groups=False, opset=15):
    """XGBoost or LightGBM, exported by onnxmltools."""

    def make():
        if dataset:
            x, y, asked = data.bundled(dataset)
        else:
            x, y, asked = data.simulated(classes, missing, targets=targets, features=features)
        arguments = {}
        if categorical:
            x[:, 0] = np.arange(len(x)) % 6
            asked[:, 0] = np.arange(len(asked)) % 7
            y = y + (x[:, 0] % 2 == 0)
            arguments = {"categorical_feature": [0]}
        if positive:
            y = np.abs(y) + 0.1
        if counts:
            y = np.round(np.abs(y) * 3)
        if groups:
            # Queries of twenty documents with relevance 0 to 3.
            y = np.digitize(y, np.quantile(y, [0.25, 0.5, 0.75]))
            arguments = {"group": [20] * (len(x) // 20)}
        if labels is not None:
            y = np.array(labels)[y]
        fitted = estimator.fit(x, y, **arguments)
        options = {} if zipmap is None else {"zipmap": zipmap}
        kind = OnnxmlFloat([None, asked.shape[1]])
        proto = convert(fitted, initial_types=[("X", kind)], target_opset=opset, name="model", **options)
        return finish(proto, fitted, asked)

    return make


def xgboost(estimator, **options):
    return boosted(estimator, onnxmltools.convert_xgboost, **options)


def lightgbm(estimator, **options):
    return boosted(estimator, onnxmltools.convert_lightgbm, **options)


def table(estimator, columns, asked, y=None, zipmap=False, opset=OPSET):
    """An estimator of a table with a column of its own for each feature: strings, integers and floats side by side.

    `columns` holds what to learn from by name, `asked` the rows to ask for.
    """

    def make():
        frame, wanted = pandas.DataFrame(columns), pandas.DataFrame(asked)
        fitted = estimator.fit(frame) if y is None else estimator.fit(frame, y)
        inputs = {name: wanted[[name]].to_numpy() for name in wanted}
        inputs = {name: values.astype(np.float32) if values.dtype == np.float64 else values for name, values in inputs.items()}
        is_classifier = sklearn.base.is_classifier(fitted) and hasattr(fitted, "predict_proba")
        proto = to_onnx(fitted, inputs, opset, {id(fitted): {"zipmap": zipmap}} if is_classifier else None)
        names = [output.name for output in proto.graph.output]
        return proto.SerializeToString(), inputs, says(fitted, names, wanted)

    return make
