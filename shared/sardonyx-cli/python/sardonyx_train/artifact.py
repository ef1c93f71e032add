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
    names = [output.name for output in session.get_outputs()]
    if unknown := set(expected) - set(names):
        hint = "; skl2onnx needs the option zipmap=False" if "output_probability" in names else ""
        raise ValueError(f"the graph has no output {', '.join(sorted(unknown))}: its outputs are {', '.join(names)}{hint}")
    actual = dict(zip(expected, session.run(list(expected), {session.get_inputs()[0].name: tensor})))
    largest, wrong_by_output = 0.0, {}
    for name, want in expected.items():
        got = actual[name]
        if got.shape != want.shape:
            raise ValueError(f"{name}: ONNX Runtime gives {got.shape}, the training library {want.shape}")
        wrong = got != want
        if np.issubdtype(want.dtype, np.floating):
            difference = np.abs(got.astype(np.float64) - want)
            largest = max(largest, float(np.nan_to_num(difference, nan=np.inf).max(initial=0)))
            wrong = ~(difference <= TOLERANCE)  # a NaN is wrong, too
        wrong_by_output[name] = wrong.reshape(len(wrong), -1).any(axis=1)
    wrong_rows = np.flatnonzero(np.any(list(wrong_by_output.values()), axis=0))
    if len(wrong_rows):
        raise ValueError(_disagreement(wrong_by_output, wrong_rows, largest, tensor, expected, actual))
    return largest


def _disagreement(wrong_by_output, wrong_rows, largest, tensor, expected, actual):
    """What differs, by how much, and the usual reason."""
    lines = [f"ONNX Runtime and the training library differ; floats by up to {largest:.1e}"]
    lines += [f"  {name}: {wrong.sum()} of {len(wrong)} rows" for name, wrong in wrong_by_output.items()]
    row = wrong_rows[0]
    lines += [f"  row {row}: {name} {actual[name][row].tolist()}, trained {expected[name][row].tolist()}" for name in expected]
    if largest <= TOLERANCE:
        lines.append("  The floats agree, so these rows are ties that rounding decides: leave the label out of the outputs, or use an odd number of trees.")
    elif np.isnan(tensor[wrong_rows]).any(axis=1).all():
        lines.append("  Every such row has a NaN: this exporter drops how the model treats NaN. Use a default as the missing policy, or impute in the pipeline.")
    return "\n".join(lines)


def classifier_outputs(classes):
    """The manifest's `outputs` of a classifier with integer classes, as onnxmltools and skl2onnx (with `zipmap: False`) name
    them. A model may leave one out, such as the label."""
    return [
        {"name": "label", "role": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "role": "probabilities", "datatype": "FP32", "shape": [-1, len(classes)], "classes": classes},
    ]


def write_artifact(folder, model, *, name, version, views, features, catalogue=None, **rest):
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
        **({"catalogue": catalogue} if catalogue else {}),
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
