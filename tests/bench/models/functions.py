"""Models as they are deployed: a manifest, the rows of its view, and requests with the answers of the library or of ONNX Runtime."""

import hashlib
import json
import pathlib

import numpy as np
import onnxruntime
from onnx import helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from suites.linear import OPSET, data
from suites.nets import FLOAT, INT64, Graph

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
VIEW = "user_stats"
STORED, FROM_REQUEST = 10, 10
USERS = 1_000
CARDS, COPIES_OF_MERCHANTS = 3_000, 7  # without a divisor that the number of samples has, too
REQUESTS = 2_000
GOLDEN = 8


def fraud() -> dict:
    """The project's own model: 400 trees, two views, text, nulls."""
    function = REPOSITORY / "functions/fraud-detection"
    samples = function / "samples"
    return {
        "name": "fraud-detection",
        "function": "fraud-detection",
        "model": str(function / "model"),
        "rows": {view: str(samples / f"{view}.jsonl") for view in ("card_stats", "merchant_stats")},
        "requests": str(samples / "requests.jsonl"),
    }


def fraud_batches(folder: pathlib.Path) -> dict:
    """The same, asked for as a queue asks: no card is twice among the messages of a batch, and merchants are. Each card and merchant is a copy
    of one of the samples, of which the expected scores are."""
    known = fraud()
    samples = [json.loads(line) for line in pathlib.Path(known["requests"]).read_text().splitlines()]
    target = folder / "fraud-batches"
    target.mkdir(exist_ok=True)
    requests = [{**samples[i % len(samples)]} for i in range(CARDS)]
    rows = {}
    for key, view, copies in [("card_id", "card_stats", CARDS), ("merchant_id", "merchant_stats", COPIES_OF_MERCHANTS)]:
        stored = {row[key]: row for row in map(json.loads, pathlib.Path(known["rows"][view]).read_text().splitlines())}
        copied = {}
        for i, request in enumerate(requests):
            sample = request["instance"][key]
            copy = f"{sample}-{i % copies}"
            request["instance"] = request["instance"] | {key: copy}
            if sample in stored:
                copied[copy] = stored[sample] | {key: copy}
        rows[view] = lines(target / f"{view}.jsonl", copied.values())
    return known | {"rows": rows, "requests": lines(target / "requests.jsonl", requests)}


def lines(file: pathlib.Path, objects) -> str:
    file.write_text("".join(json.dumps(each) + "\n" for each in objects))
    return str(file)


def logistic(folder: pathlib.Path) -> dict:
    """A logistic regression of 20 features."""
    features = STORED + FROM_REQUEST
    training, labels, rows = data(features, 2)
    model = LogisticRegression(max_iter=200).fit(training, labels)
    exported = to_onnx(model, training[:1], options={"zipmap": False}, target_opset=OPSET)
    return case(folder, f"logistic-{features}", exported, rows, model.predict_proba(rows[:REQUESTS])[:, 1])


def dense(folder: pathlib.Path) -> dict:
    """A net of 9.5 million weights, 38 MB, which weigh more than the rest of a function."""
    features, width = STORED + FROM_REQUEST, 3_072
    _, _, rows = data(features, 2)
    graph = Graph()
    x, inputs = "X", features
    for outputs in (width, width):
        x, inputs = graph.node("Relu", graph.node("Gemm", x, graph.weight(inputs, outputs), graph.bias(outputs))), outputs
    x = graph.node("Gemm", x, graph.weight(inputs, 2), graph.bias(2))
    graph.nodes.append(helper.make_node("Softmax", [x], ["probabilities"], axis=-1))
    graph.nodes.append(helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0))
    outputs = [
        helper.make_tensor_value_info("label", INT64, ["batch"]),
        helper.make_tensor_value_info("probabilities", FLOAT, ["batch", 2]),
    ]
    inputs = [helper.make_tensor_value_info("X", FLOAT, ["batch", features])]
    made = helper.make_graph(graph.nodes, "dense", inputs, outputs, graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return case(folder, "dense-38mb", model, rows, answers(model, rows[:REQUESTS])[1][:, 1])


def answers(model, rows: np.ndarray) -> list:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(["label", "probabilities"], {"X": rows})


def case(folder: pathlib.Path, name: str, model, rows: np.ndarray, expected: np.ndarray) -> dict:
    """Puts the model, its manifest, rows and requests into a folder of its own."""
    target = folder / name
    target.mkdir(exist_ok=True)
    artifact = model.SerializeToString()
    (target / "model.onnx").write_bytes(artifact)
    stored = [f"average_amount_{index:02}" for index in range(STORED)]
    sent = [f"session_amount_{index:02}" for index in range(FROM_REQUEST)]
    manifest = {
        "manifest_version": 1,
        "name": name,
        "version": "1",
        "artifact": {"file": "model.onnx", "sha256": hashlib.sha256(artifact).hexdigest(), "size_bytes": len(artifact)},
        "feature_views": [
            {
                "name": VIEW,
                "join_keys": [{"name": "user_id", "type": "int64"}],
                "layout": "native",
                "features": [{"name": feature, "type": "float32"} for feature in stored],
                "max_age_seconds": 172_800,
                "stale": "reject",
            }
        ],
        "inputs": [
            {
                "name": "X",
                "datatype": "FP32",
                "shape": [-1, STORED + FROM_REQUEST],
                "features": [
                    {"name": feature, "source": "request", "type": "float32", "missing": "nan"} for feature in sent
                ]
                + [{"name": feature, "source": VIEW, "missing": "nan"} for feature in stored],
            }
        ],
        "outputs": [
            {"name": "label", "role": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "role": "probabilities", "datatype": "FP32", "shape": [-1, 2], "classes": [0, 1]},
        ],
        "parameters": {"medium_threshold": 0.3, "high_threshold": 0.6},
        "golden": {"tolerance": 1e-5, "rows": golden(model, rows[:GOLDEN], sent + stored)},
        "baseline": {
            "rows": len(rows),
            "features": {feature: one_bin(values) for feature, values in zip(sent + stored, rows.T, strict=True)},
            "score": {"edges": [0.0, 1.0], "counts": [len(rows)], "missing": 0},
        },
        "training": {"library": "none", "seed": 0, "rows": len(rows), "metrics": {}},
        "card": {"description": "Only for benchmarks.", "owner": "benchmarks", "intended_use": "None.", "limitations": "All."},
    }
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    # Request i is of user i % USERS: what is stored of the user is the first row with it.
    of_users = ({"user_id": user} | features(stored, rows[user][FROM_REQUEST:]) for user in range(USERS))
    stored_rows = lines(target / "rows.jsonl", of_users)
    values_of_users = rows[np.arange(REQUESTS) % USERS][:, FROM_REQUEST:]
    asked = np.hstack([rows[:REQUESTS, :FROM_REQUEST], values_of_users])
    scores = answers(model, asked)[1][:, 1]
    if np.abs(scores[:USERS] - expected[:USERS]).max() > 1e-5:
        raise SystemExit(f"{name}: ONNX Runtime and the library disagree")
    requests = (
        {"instance": {"user_id": i % USERS} | features(sent, asked[i]), "expected": {"score": float(scores[i])}}
        for i in range(REQUESTS)
    )
    return {
        "name": name,
        "function": "purchase-propensity",
        "model": str(target),
        "rows": {VIEW: stored_rows},
        "requests": lines(target / "requests.jsonl", requests),
    }


def features(names: list[str], values: np.ndarray) -> dict:
    # A float32 as the double that it is: neither JSON nor a peer rounds it.
    return {name: float(value) for name, value in zip(names, values, strict=False)}


def one_bin(values: np.ndarray) -> dict:
    return {"edges": [float(values.min()), float(values.max())], "counts": [len(values)], "missing": 0}


def golden(model, rows: np.ndarray, names: list[str]) -> list[dict]:
    labels, probabilities = answers(model, rows)
    return [
        {
            "features": features(names, row),
            "outputs": {"label": int(label), "probabilities": [float(value) for value in of_classes]},
        }
        for row, label, of_classes in zip(rows, labels, probabilities, strict=True)
    ]
