"""The operators of ai.onnx.ml that look values up: LabelEncoder, CategoryMapper, OneHotEncoder, CastMap, DictVectorizer, ZipMap."""

import itertools

import numpy as np
from onnx import TensorProto, helper

from graph import ML, model, single

WORDS = np.array(["b", "a", "", "unknown", "B", "a"], dtype=object)
NUMBERS = np.array([2, 1, 7, -9223372036854775808, 0, 1], dtype=np.int64)
FLOATS = np.array([0.5, -1.0, np.nan, -0.0, np.inf, 3.0], dtype=np.float32)
ASKED = {"string": WORDS, "int64": NUMBERS, "float": FLOATS}
KEYS = {"string": ["a", "b", ""], "int64": [1, 2, 7], "float": [0.5, 0.0, float("nan")]}
VALUES = {"string": ["x", "y", "ä"], "int64": [10, -20, 9007199254740993], "float": [0.25, float("inf"), -3.5]}
DEFAULTS = {"string": "none", "int64": 77, "float": -0.5}


def label_encoders():
    found = {}
    for source, target in itertools.product(KEYS, VALUES):
        for has_default in [False, True]:
            attributes = {f"keys_{source}s": KEYS[source], f"values_{target}s": VALUES[target]}
            if has_default:
                attributes[f"default_{target}"] = DEFAULTS[target]
            name = f"label-encoder-{source}-{target}{'-default' if has_default else ''}"
            found[name] = single("LabelEncoder", {"X": ASKED[source]}, ["Y"], ml_opset=2, **attributes)
        if source != "float" and target != "float":
            found[f"label-encoder-{source}-{target}-matrix"] = single(
                "LabelEncoder", {"X": ASKED[source].reshape(3, 2)}, ["Y"], ml_opset=2,
                **{f"keys_{source}s": KEYS[source], f"values_{target}s": VALUES[target], f"default_{target}": DEFAULTS[target]},
            )
    for source in ["string", "int64"]:
        for has_default in [False, True]:
            defaults = {"default_int64": 5, "default_string": "other"} if has_default else {}
            name = f"label-encoder-1-{source}{'-default' if has_default else ''}"
            asked = WORDS if source == "string" else NUMBERS
            found[name] = single("LabelEncoder", {"X": asked}, ["Y"], ml_opset=1, classes_strings=["", "a", "b"], **defaults)
    return found


def tensors(kind, values, name):
    return helper.make_tensor(name, kind, [len(values)], [value.encode() if isinstance(value, str) else value for value in values])


def label_encoders_of_tensors():
    """Since version 4 keys, values and the default may be tensors, also of doubles."""
    kinds = {
        "string": TensorProto.STRING, "int64": TensorProto.INT64, "float": TensorProto.FLOAT, "double": TensorProto.DOUBLE,
    }
    keys = {**KEYS, "double": KEYS["float"]}
    values = {**VALUES, "double": [0.1, 1e300, -3.5]}
    asked = {**ASKED, "double": FLOATS.astype(np.float64)}
    defaults = {**DEFAULTS, "double": 1e-300}
    found = {}
    for (source, target), has_default in itertools.product(itertools.product(kinds, kinds), [False, True]):
        attributes = {
            "keys_tensor": tensors(kinds[source], keys[source], "keys"),
            "values_tensor": tensors(kinds[target], values[target], "values"),
        }
        if has_default:
            attributes["default_tensor"] = tensors(kinds[target], [defaults[target]], "default")
        name = f"label-encoder-4-{source}-{target}{'-default' if has_default else ''}"
        found[name] = single("LabelEncoder", {"X": asked[source]}, ["Y"], ml_opset=4, **attributes)
    return found


def category_mappers():
    found = {}
    for kind, asked in [("string", WORDS), ("int64", NUMBERS)]:
        for shape, form in [("", asked), ("-matrix", asked.reshape(3, 2))]:
            for default, given in [("", {}), ("-default", {"default_int64": 5, "default_string": "other"})]:
                found[f"category-mapper-{kind}{shape}{default}"] = single(
                    "CategoryMapper", {"X": form}, ["Y"], cats_strings=["a", "b", ""], cats_int64s=[1, 2, 7], **given
                )
    return found


def one_hot_encoders():
    found = {}
    asked = {
        "string": WORDS, "int64": NUMBERS, "float": np.array([1, 2, 7.9, -1, 0, np.nan], dtype=np.float32),
        "double": np.array([1, 2, 7.9, -1, 0, 1e30]),
    }
    for kind, values in asked.items():
        categories = {"cats_strings": KEYS["string"]} if kind == "string" else {"cats_int64s": KEYS["int64"]}
        for shape, form in [("", values), ("-column", values.reshape(-1, 1)), ("-matrix", values.reshape(3, 2))]:
            found[f"one-hot-{kind}{shape}"] = single("OneHotEncoder", {"X": form}, ["Y"], zeros=1, **categories)
        found[f"one-hot-{kind}-strict"] = single("OneHotEncoder", {"X": values[:2]}, ["Y"], zeros=0, **categories)
    return found


def zip_maps():
    scores = np.array([[0.1, 0.9], [0.75, 0.25], [np.nan, -1.0]], dtype=np.float32)
    found = {
        "zip-map-strings": single("ZipMap", {"X": scores}, ["Y"], classlabels_strings=["b", "a"]),
        "zip-map-int64s": single("ZipMap", {"X": scores}, ["Y"], classlabels_int64s=[5, -1]),
    }
    # Behind another operator, as exporters write it.
    nodes = [helper.make_node("ZipMap", ["scores"], ["Y"], domain=ML, classlabels_strings=["no", "yes"], name="ZipMap")]
    found["zip-map-behind-softmax"] = single("Softmax", {"X": scores[:2]}, ["scores"], domain="", more_nodes=nodes, axis=1)
    return found


def of_map(operator, key, value, content, **attributes):
    """The input is a map, which no tensor can express."""

    def make():
        kind = helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, []))
        declared = [helper.make_value_info("X", kind)]
        node = helper.make_node(operator, ["X"], ["Y"], domain=ML, name=operator, **attributes)
        return model([node], declared, ["Y"], [], {"X": content}), {"X": content}, None

    return make


CASES = {
    **label_encoders(),
    **label_encoders_of_tensors(),
    **category_mappers(),
    **one_hot_encoders(),
    **zip_maps(),
    "dict-vectorizer-strings": of_map("DictVectorizer", TensorProto.STRING, TensorProto.FLOAT, {"b": 2.0, "z": 1.0}, string_vocabulary=["a", "b"]),
    "dict-vectorizer-int64s": of_map("DictVectorizer", TensorProto.INT64, TensorProto.FLOAT, {4: 2.0, 9: 1.0}, int64_vocabulary=[4, 5]),
    "cast-map-dense": of_map("CastMap", TensorProto.INT64, TensorProto.FLOAT, {2: 2.5, 0: 1.5}, cast_to="TO_FLOAT", map_form="DENSE"),
    "cast-map-sparse": of_map("CastMap", TensorProto.INT64, TensorProto.FLOAT, {2: 2.5, 0: 1.5}, cast_to="TO_FLOAT", map_form="SPARSE", max_map=4),
}
