"""The files that training leaves behind."""

import hashlib
import json

import numpy as np
import onnxruntime

TOLERANCE = 1e-5


def verify_onnx(model, tensor, labels, probabilities):
    """Fails unless ONNX Runtime gives the training library's labels (exactly) and probabilities (within 1e-5).

    `model` is a serialised ONNX graph, `tensor` float32 [N, F], `labels` [N], `probabilities` [N, classes].
    Returns the largest difference.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    actual_labels, actual = session.run(["label", "probabilities"], {"features": tensor})
    if actual.shape != probabilities.shape:
        raise ValueError(f"ONNX probabilities are {actual.shape}, the training library's {probabilities.shape}")
    difference = float(np.abs(actual.astype(np.float64) - probabilities).max())
    wrong = np.flatnonzero(actual_labels != labels)
    if difference > TOLERANCE or len(wrong):
        raise ValueError(
            f"the exported model is not the trained one: probabilities differ by up to {difference:.2e}, "
            f"{len(wrong)} labels differ, at probabilities {probabilities[wrong[:5]].tolist()}"
        )
    return difference


def write_artifact(folder, model, manifest):
    """Writes `model.onnx` and `manifest.json` into `folder`; fills in the manifest's schema and artifact fields."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    manifest = {
        "$schema": "../../../shared/sardonyx-core/schema/manifest.schema.json",
        "manifest_version": 1,
        "name": manifest.pop("name"),
        "version": manifest.pop("version"),
        "artifact": {"file": "model.onnx", "sha256": hashlib.sha256(model).hexdigest(), "size_bytes": len(model)},
        **manifest,
    }
    (folder / "manifest.json").write_text(_pretty(manifest) + "\n")


def write_jsonl(path, rows):
    """Writes one JSON object a line; NaN and the infinities go in as strings, so that it stays JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))


def _pretty(value, indent=""):
    """JSON with one line for what is short or flat, so that a manifest reads as a table."""
    line = json.dumps(value, allow_nan=False)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    if len(indent) + len(line) <= 200 or not any(isinstance(item, (dict, list)) for item in items):
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        items = [f"{deeper}{json.dumps(key)}: {_pretty(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    items = [deeper + _pretty(item, deeper) for item in value]
    return "[\n" + ",\n".join(items) + f"\n{indent}]"
