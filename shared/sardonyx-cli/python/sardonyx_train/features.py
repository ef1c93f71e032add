"""Raw feature values and their encoding, exactly as the service encodes them."""

import math

import numpy as np


def encode(features, columns):
    """Columns of raw values to the model's input tensor, float32 [N, F].

    Number -> float64 -> float32; bool -> 0 or 1; category -> its index; then the missing policy.
    """
    return np.column_stack([_encode_column(feature, columns[feature["name"]]) for feature in features])


def _encode_column(feature, values):
    name, policy = feature["name"], feature["missing"]
    numbers = _numbers(feature, values)
    missing = np.isnan(numbers)
    if policy == "reject" and missing.any():
        raise ValueError(f"{name}: {missing.sum()} values are missing, but its policy is to reject them")
    if isinstance(policy, dict):
        numbers[missing] = _numbers(feature, [policy["default"]])[0]
    if "range" in feature and ((numbers < feature["range"]["min"]) | (numbers > feature["range"]["max"])).any():
        raise ValueError(f"{name}: a value is out of the declared range")
    return numbers.astype(np.float32)


def _numbers(feature, values):
    if "categories" in feature:
        index = {category: i for i, category in enumerate(feature["categories"])}
        return np.array([index.get(value, math.nan) for value in values], dtype=np.float64)
    return np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)


def feature_types(views, features):
    """Type by name of every stored and request-time feature."""
    declared = [feature for view in views for feature in view["features"]]
    return {feature["name"]: feature["type"] for feature in declared + features if "type" in feature}


def columns_of(features, rows):
    """Rows of raw values by name to columns; what a row does not name is missing."""
    return {feature["name"]: [row.get(feature["name"]) for row in rows] for feature in features}


def take_rows(types, columns, indices):
    """Rows of JSON values, typed as declared, out of columns; missing values become null."""
    names = [name for name in types if name in columns]
    return [{name: _json_value(types[name], columns[name][i]) for name in names} for i in indices]


def _json_value(type_, value):
    if value is None or value != value:
        return None
    return {"bool": bool, "int64": int, "string": str}.get(type_, float)(value)
