"""The files that training leaves behind."""

import hashlib
import json

import numpy as np
import onnxruntime

TOLERANCE = 1e-5


def verify_onnx(model, tensor, expected):
    """Fails unless ONNX Runtime gives the training library's outputs: floats within 1e-5, all else exactly.

    `model` is a serialised graph with one input, `tensor` float32 [N, F], `expected` what the training library
    makes of it, by output name. Returns the largest difference of a float.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    actual = session.run(list(expected), {session.get_inputs()[0].name: tensor})
    largest = 0.0
    for (name, want), got in zip(expected.items(), actual):
        if got.shape != want.shape:
            raise ValueError(f"{name}: ONNX Runtime gives {got.shape}, the training library {want.shape}")
        if np.issubdtype(want.dtype, np.floating):
            difference = np.abs(got.astype(np.float64) - want)
            largest = max(largest, float(difference.max()))
            wrong = ~(difference <= TOLERANCE)  # a NaN is wrong, too
        else:
            wrong = got != want
        if wrong.any():
            rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
            raise ValueError(f"{name}: {len(rows)} rows differ: {got[rows[:3]].tolist()}, trained {want[rows[:3]].tolist()}")
    return largest


def classifier_outputs(classes):
    """The manifest's `outputs` of a classifier with integer classes, as onnxmltools and skl2onnx name them."""
    return [
        {"name": "label", "role": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "role": "probabilities", "datatype": "FP32", "shape": [-1, len(classes)], "classes": classes},
    ]


def write_artifact(folder, model, *, name, version, views, features, **rest):
    """Writes `model.onnx` and `manifest.json` into `folder`.

    `rest` are the manifest's fields from `outputs` on, in its order: see the package's documentation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    manifest = {
        "$schema": "../../../shared/sardonyx-core/schema/manifest.schema.json",
        "manifest_version": 1,
        "name": name,
        "version": version,
        "artifact": {"file": "model.onnx", "sha256": hashlib.sha256(model).hexdigest(), "size_bytes": len(model)},
        "feature_views": views,
        "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, len(features)], "features": features}],
        **rest,
    }
    (folder / "manifest.json").write_text(_pretty(manifest) + "\n")


def write_jsonl(path, rows):
    """Writes one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))


def _pretty(value, indent=""):
    """JSON with one line for whatever is short or flat, so that a manifest reads as a table."""
    line = json.dumps(value, allow_nan=False)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    if len(indent) + len(line) <= 180 or not any(isinstance(item, (dict, list)) for item in items):
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        lines = [f"{deeper}{json.dumps(key)}: {_pretty(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    lines = [deeper + _pretty(item, deeper) for item in value]
    return "[\n" + ",\n".join(lines) + f"\n{indent}]"
