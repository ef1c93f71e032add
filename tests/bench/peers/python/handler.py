"""The peer `python` of the benchmarks: a model served with ONNX Runtime, as one writes it in Python.

It reads the same artifact, the same rows and the same events as Sardonyx's functions. Models have one input of floats.
"""

from __future__ import annotations

import base64
import json
import math
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator

import boto3
import numpy as np
import onnxruntime as ort
from botocore.config import Config

_KEYS_PER_READ = 100
_ITEMS_PER_WRITE = 25
_KEPT_SECONDS = 30 * 24 * 3600
_JSON = {"content-type": "application/json"}
_NAN = float("nan")
# A row: the version of its format, the schema's fingerprint, two bits for each feature, the values that there are.
_HEADER_BYTES = 9
_VALUE = 2
_CODES = {"bool": "<?", "int64": "<q", "float32": "<f", "float64": "<d"}
_FIXED = {kind: struct.Struct(code) for kind, code in _CODES.items()}
_LENGTH = struct.Struct("<I")

_NAME = os.environ["SARDONYX_MODEL_NAME"]
_VERSION = os.environ["SARDONYX_MODEL_VERSION"]
_BUCKET = os.environ["SARDONYX_ARTIFACT_BUCKET"]
_FEATURES = os.environ["SARDONYX_FEATURE_TABLE"]
_RESULTS = os.environ.get("SARDONYX_RESULT_TABLE")

# What is sent is made here, and need not be checked against the service's model on each call.
_CLIENT = Config(
    parameter_validation=False,
    tcp_keepalive=True,
    retries={"mode": "standard"},
    s3={"addressing_style": "path"},
)
_s3 = boto3.client("s3", config=_CLIENT)
_dynamodb = boto3.client("dynamodb", config=_CLIENT)


def _artifact(file: str) -> bytes:
    return _s3.get_object(Bucket=_BUCKET, Key=f"models/{_NAME}/{_VERSION}/{file}")["Body"].read()


def _session(model: bytes) -> ort.InferenceSession:
    # A function has less than two cores up to 3.5 GB of memory, and a batch is a few rows.
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _encoder(feature: dict) -> tuple[Callable[[object], float], float]:
    """How a feature's value becomes a float, and what stands there without one."""
    policy = feature["missing"]
    default = policy["default"] if isinstance(policy, dict) else None
    categories = feature.get("categories")
    if categories is None:
        if default is None:
            return float, _NAN
        # Such a feature takes no NaN either.
        missing = float(default)
        return lambda value: missing if math.isnan(number := float(value)) else number, missing
    codes = {category: float(index) for index, category in enumerate(categories)}
    missing = codes.get(default, _NAN)
    return lambda value: codes.get(value, missing), missing


_manifest = json.loads(_artifact("manifest.json"))
_model = _session(_artifact(_manifest["artifact"]["file"]))
_input = _manifest["inputs"][0]
_encoders = [_encoder(feature) for feature in _input["features"]]
_defaults = [missing for _, missing in _encoders]
_columns = {
    feature["name"]: (column, encode)
    for column, (feature, (encode, _)) in enumerate(zip(_input["features"], _encoders))
}
_request_columns = [
    (feature["name"], *_columns[feature["name"]]) for feature in _input["features"] if feature["source"] == "request"
]
_views = [
    (
        view["name"],
        [key["name"] for key in view["join_keys"]],
        # A stored feature that the model does not take has no column, but its place in the row.
        [(feature["type"], *_columns.get(feature["name"], (None, None))) for feature in view["features"]],
    )
    for view in _manifest["feature_views"]
]
_output = next(output["name"] for output in _manifest["outputs"] if output["role"] in ("probabilities", "score"))


def handler(event: dict, _context: object) -> dict:
    """Answers a request of an HTTP API, or records the predictions of a batch of messages."""
    if "Records" in event:
        return _record(event["Records"])
    body = event["body"]
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    scores = _predict(json.loads(body)["instances"])
    answer = json.dumps({"predictions": [{"score": score} for score in scores]})
    return {"statusCode": 200, "headers": _JSON, "body": answer}


def _record(records: list[dict]) -> dict:
    ids, instances, failures = [], [], []
    for record in records:
        try:
            message = json.loads(record["body"])
            instance = message["instance"]
            _keys(instance)
        except (ValueError, KeyError, TypeError):
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        ids.append(message.get("id", record["messageId"]))
        instances.append(instance)
    if instances:
        _write(ids, _predict(instances))
    return {"batchItemFailures": failures}


def _write(ids: list[str], scores: list[float]) -> None:
    """Puts the predictions. BatchWriteItem takes no condition: one that is there already is replaced."""
    now = time.time()
    common = {
        "model_name": {"S": _NAME},
        "model_version": {"S": _VERSION},
        "recorded_at": {"N": str(int(now * 1000))},
        "expires_at": {"N": str(int(now) + _KEPT_SECONDS)},
    }
    # One call must not name an item twice.
    predictions = dict(zip(ids, scores))
    items = (
        {"prediction_id": {"S": id}, "prediction": {"S": json.dumps({"score": score})}, **common}
        for id, score in predictions.items()
    )
    puts = [{"PutRequest": {"Item": item}} for item in items]
    for chunk in _chunks(puts, _ITEMS_PER_WRITE):
        pending, pause = {_RESULTS: chunk}, 0.05
        while pending := _dynamodb.batch_write_item(RequestItems=pending).get("UnprocessedItems"):
            time.sleep(pause)
            pause *= 2


def _predict(instances: list[dict]) -> list[float]:
    keys = [_keys(instance) for instance in instances]
    rows = _read({key for of_instance in keys for key in of_instance})
    batch = [_defaults.copy() for _ in instances]
    for target, instance, of_instance in zip(batch, instances, keys):
        for name, column, encode in _request_columns:
            value = instance.get(name)
            if value is not None:
                target[column] = encode(value)
        for (_, _, features), key in zip(_views, of_instance):
            if packed := rows.get(key):
                for column, value in _unpack(features, packed):
                    target[column] = value
    output = _model.run([_output], {_input["name"]: np.array(batch, dtype=np.float32)})[0]
    return output.reshape(len(instances), -1)[:, -1].tolist()


def _keys(instance: dict) -> list[str]:
    """The keys of an instance's rows, one for each view."""
    return ["#".join([view, *(_key_part(instance[name]) for name in names)]) for view, names, _ in _views]


def _key_part(value: str | int) -> str:
    return value.replace("%", "%25").replace("#", "%23") if isinstance(value, str) else str(value)


def _read(keys: set[str]) -> dict[str, bytes]:
    """The packed rows that there are, by key."""
    rows = {}
    for chunk in _chunks(list(keys), _KEYS_PER_READ):
        pending, pause = {_FEATURES: {"Keys": [{"entity_key": {"S": key}} for key in chunk]}}, 0.01
        while True:
            answer = _dynamodb.batch_get_item(RequestItems=pending)
            for item in answer["Responses"].get(_FEATURES, []):
                rows[item["entity_key"]["S"]] = item["values"]["B"]
            pending = answer.get("UnprocessedKeys")
            if not pending:
                break
            time.sleep(pause)
            pause *= 2
    return rows


def _unpack(features: list[tuple], packed: bytes) -> Iterator[tuple[int, float]]:
    """The columns and floats of a row."""
    position = _HEADER_BYTES + (len(features) + 3) // 4
    for index, (kind, column, encode) in enumerate(features):
        if packed[_HEADER_BYTES + index // 4] >> 2 * (index % 4) & 3 != _VALUE:
            continue
        if kind == "string":
            start = position + _LENGTH.size
            position = start + _LENGTH.unpack_from(packed, position)[0]
            value = packed[start:position].decode()
        else:
            layout = _FIXED[kind]
            (value,) = layout.unpack_from(packed, position)
            position += layout.size
        if column is not None:
            yield column, encode(value)


def _chunks(items: list, size: int) -> Iterable[list]:
    return (items[start : start + size] for start in range(0, len(items), size))
