"""The operators of ai.onnx.ml that prepare features: ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer, Scaler."""

import itertools

import numpy as np
from onnx import numpy_helper

from graph import single

NUMBERS = np.array([[1.5, -2.0, 0.0], [-0.0, 3.25, -7.5], [0.0, 0.0, 0.0], [1e30, -1e-30, 4.0]])
SPECIAL = np.array([[np.nan, 1.0, 2.0], [np.inf, -np.inf, 0.0]])
TYPES = {"float": np.float32, "double": np.float64, "int64": np.int64, "int32": np.int32}


def of(kind, special=False):
    """Rows of that type; only floats have a NaN and infinities."""
    if kind in ("int64", "int32"):
        return np.clip(np.round(NUMBERS), -9, 9).astype(TYPES[kind])
    return (np.concatenate([NUMBERS, SPECIAL]) if special else NUMBERS).astype(TYPES[kind])


def extractors():
    found = {}
    words = np.array([["a", "b", "c"], ["", "ä", "x"]], dtype=object)
    inputs = {**{kind: of(kind) for kind in TYPES}, "string": words}
    chosen = {"one": [1], "several": [2, 0], "repeated": [1, 1, 2]}
    for (kind, values), (form, indices) in itertools.product(inputs.items(), chosen.items()):
        constant = numpy_helper.from_array(np.array(indices, dtype=np.int64), "indices")
        found[f"extractor-{kind}-{form}"] = single("ArrayFeatureExtractor", {"X": values}, ["Y"], constants=[constant])
    row = numpy_helper.from_array(np.array([[2, 1]], dtype=np.int64), "indices")
    found["extractor-indices-matrix"] = single("ArrayFeatureExtractor", {"X": of("float")}, ["Y"], constants=[row])
    found["extractor-vector"] = single("ArrayFeatureExtractor", {"X": of("float")[0]}, ["Y"], constants=[row], fixed=True)
    cube = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    found["extractor-cube"] = single("ArrayFeatureExtractor", {"X": cube}, ["Y"], constants=[row])
    asked = {"X": of("float"), "indices": np.array([0, 2, 1, 0], dtype=np.int64)}
    found["extractor-indices-as-input"] = single("ArrayFeatureExtractor", asked, ["Y"], fixed=True)
    return found


def binarizers():
    found = {}
    # Only floats, and no NaN: ONNX Runtime refuses the rest.
    for form, given in {"default": {}, "above": {"threshold": 1.5}, "exact": {"threshold": 3.25}, "negative": {"threshold": -2.0}}.items():
        found[f"binarizer-{form}"] = single("Binarizer", {"X": of("float")}, ["Y"], **given)
    return found


def vectorizers():
    found = {}
    for kind in TYPES:
        asked = {"A": of(kind), "B": of(kind)[:, :1]}
        found[f"feature-vectorizer-{kind}"] = single("FeatureVectorizer", asked, ["Y"], inputdimensions=[3, 1])
        found[f"feature-vectorizer-{kind}-wider"] = single("FeatureVectorizer", asked, ["Y"], inputdimensions=[4, 2])
        found[f"feature-vectorizer-{kind}-narrower"] = single("FeatureVectorizer", asked, ["Y"], inputdimensions=[2, 1])
        found[f"feature-vectorizer-{kind}-single"] = single("FeatureVectorizer", {"A": of(kind)}, ["Y"], inputdimensions=[3])
        vectors = {"A": of(kind)[:, 0], "B": of(kind)[:, 1]}
        found[f"feature-vectorizer-{kind}-vectors"] = single("FeatureVectorizer", vectors, ["Y"], inputdimensions=[1, 1])
    return found


def imputers():
    found = {}
    values = of("float", special=True)
    forms = {"one": {"imputed_value_floats": [9.5]}, "each": {"imputed_value_floats": [9.5, -1.0, 0.25]}}
    replaced = {"nan": {"replaced_value_float": float("nan")}, "zero": {"replaced_value_float": 0.0}, "default": {}}
    for (form, given), (what, replace) in itertools.product(forms.items(), replaced.items()):
        found[f"imputer-float-{form}-{what}"] = single("Imputer", {"X": values}, ["Y"], **given, **replace)
    for form, given in {"one": [7], "each": [7, 8, 9]}.items():
        for what, replace in {"zero": {"replaced_value_int64": 0}, "negative": {"replaced_value_int64": -2}, "default": {}}.items():
            found[f"imputer-int64-{form}-{what}"] = single("Imputer", {"X": of("int64")}, ["Y"], imputed_value_int64s=given, **replace)
    found["imputer-vector"] = single("Imputer", {"X": values[:, 0]}, ["Y"], imputed_value_floats=[9.5], replaced_value_float=float("nan"))
    return found


def normalizers():
    found = {}
    for kind, norm in itertools.product(TYPES, ["MAX", "L1", "L2"]):
        found[f"normalizer-{kind}-{norm.lower()}"] = single("Normalizer", {"X": of(kind)}, ["Y"], norm=norm)
    for norm in ["MAX", "L1", "L2"]:
        found[f"normalizer-special-{norm.lower()}"] = single("Normalizer", {"X": of("float", special=True)}, ["Y"], norm=norm)
        found[f"normalizer-vector-{norm.lower()}"] = single("Normalizer", {"X": of("float")[0]}, ["Y"], norm=norm, fixed=True)
    found["normalizer-default"] = single("Normalizer", {"X": of("float")}, ["Y"])
    return found


def scalers():
    found = {}
    forms = {
        "each": {"offset": [1.0, -0.5, 0.1], "scale": [2.0, 0.3, -1.0]}, "one": {"offset": [0.1], "scale": [3.0]},
    }
    for kind, (form, given) in itertools.product(TYPES, forms.items()):
        found[f"scaler-{kind}-{form}"] = single("Scaler", {"X": of(kind, special=True)}, ["Y"], **given)
    found["scaler-vector"] = single("Scaler", {"X": of("float")[0]}, ["Y"], **forms["each"], fixed=True)
    return found


CASES = {**extractors(), **binarizers(), **vectorizers(), **imputers(), **normalizers(), **scalers()}
