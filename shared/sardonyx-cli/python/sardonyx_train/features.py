"""Raw feature values and their encoding, exactly as the service encodes them."""

import math

import numpy as np


def encode(features, columns):
    """Columns of raw values to the model's input tensor, float32 [N, F].

    Number -> float64 -> float32; bool -> 0 or 1; category -> its index; then the missing policy. A value that the
    policy rejects, or one outside the declared range, is an error: training data has to keep to the manifest.
    """
    return np.column_stack([_encode_column(feature, columns[feature["name"]]) for feature in features])


def _encode_column(feature, values):
    name, policy, limits = feature["name"], feature["missing"], feature.get("range", {})
    numbers = numbers_of(feature, values)
    missing = np.isnan(numbers)
    if policy == "reject" and missing.any():
        raise ValueError(f"{name}: {missing.sum()} values are missing, and its policy rejects them")
    if (numbers < limits.get("min", -math.inf)).any() or (numbers > limits.get("max", math.inf)).any():
        raise ValueError(f"{name}: a value is outside the declared range {limits}")
    if isinstance(policy, dict):
        numbers[missing] = numbers_of(feature, [policy["default"]])[0]
    return numbers.astype(np.float32)


def numbers_of(feature, values):
    """Raw values as float64 [N], before the missing policy: NaN where there is no usable value."""
    if "categories" in feature:
        index = {category: i for i, category in enumerate(feature["categories"])}
        return np.array([index.get(value, math.nan) for value in values], dtype=np.float64)
    return np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)


def feature_types(views, features):
    """Type by name of every feature, stored or request-time."""
    declared = [feature for view in views for feature in view["features"]]
    return {feature["name"]: feature["type"] for feature in declared + features if "type" in feature}


def columns_of(features, rows):
    """Rows of raw values by name to columns; what a row does not name is missing."""
    return {feature["name"]: [row.get(feature["name"]) for row in rows] for feature in features}


def take_rows(types, columns, indices):
    """The rows at `indices` as JSON values of the declared types; a missing value becomes null."""
    return [{name: raw_value(types[name], columns[name][i]) for name in types if name in columns} for i in indices]


def raw_value(type_, value):
    """A raw value as one of Python's, of the declared type; `None` where it is missing."""
    if value is None or value != value:
        return None
    return {"bool": bool, "int64": int, "string": str}.get(type_, float)(value)


def short_float(value):
    """The shortest decimal that names the same float32."""
    return float(str(np.float32(value)))
