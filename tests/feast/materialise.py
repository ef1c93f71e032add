"""Lets the real Feast apply and materialise feature views into the DynamoDB that the environment names, and read them back.

usage: materialise.py FOLDER

FOLDER gets the repository (feature_store.yaml, registry.db, Parquet files), and answers.json: for each view and entity what was put in,
and what Feast's get_online_features gives. A value that was not put in is left out; one that is null was put in as a null.
"""

from __future__ import annotations

import base64
import json
import math
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, ValueType
from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

import repository

NOW = datetime.now(timezone.utc).replace(microsecond=123456)
LONG_AGO = NOW - timedelta(days=300)
A_DAY = timedelta(days=1)

_ARROW = {
    Bool: pa.bool_(),
    Bytes: pa.binary(),
    Float32: pa.float32(),
    Float64: pa.float64(),
    Int32: pa.int32(),
    Int64: pa.int64(),
    String: pa.string(),
    UnixTimestamp: pa.timestamp("us", tz="UTC"),
}
_KEY_TYPES = {
    "user_id": (ValueType.INT64, Int64),
    "shop_id": (ValueType.INT32, Int32),
    "card_id": (ValueType.STRING, String),
    "token": (ValueType.BYTES, Bytes),
    "hour": (ValueType.UNIX_TIMESTAMP, UnixTimestamp),
}

_BEYOND_DOUBLE = 2**53 + 1
_NOON = datetime(2026, 1, 2, 12, 0, 5, tzinfo=timezone.utc)
_SCALARS = {"i32": Int32, "i64": Int64, "f32": Float32, "f64": Float64, "flag": Bool, "text": String, "time": UnixTimestamp}
_NULLS = dict.fromkeys(_SCALARS)
_SOME = {"i32": -7, "i64": 12, "f32": 0.1, "f64": 0.1, "flag": True, "text": "é #%", "time": _NOON}
_ZEROS = {"i32": 0, "i64": 0, "f32": 0.0, "f64": 0.0, "flag": False, "text": "", "time": datetime.fromtimestamp(0, timezone.utc)}
_ENDS = {
    "i32": -(2**31),
    "i64": -(2**63),
    "f32": math.inf,
    "f64": -math.inf,
    "flag": True,
    "text": "x" * 5000,
    "time": datetime(1900, 1, 1, tzinfo=timezone.utc),
}
_NOT_A_NUMBER = _SOME | {"f32": math.nan, "f64": math.nan}
_LARGE = _SOME | {"i64": _BEYOND_DOUBLE}
_LISTS = {
    "floats": Array(Float32),
    "doubles": Array(Float64),
    "ints": Array(Int32),
    "longs": Array(Int64),
    "flags": Array(Bool),
    "times": Array(UnixTimestamp),
}
_FULL_LISTS = {
    "floats": [0.1, -0.0, math.inf],
    "doubles": [0.1, 1e300, math.nan],
    "ints": [-(2**31), 0, 7],
    "longs": [_BEYOND_DOUBLE, -(2**63), 0],
    "flags": [True, False, True],
    "times": [_NOON, _NOON + A_DAY, datetime.fromtimestamp(0, timezone.utc)],
}

# name: (join keys, features, time to live, rows of (keys, values, when they were true))
_VIEWS = {
    "by_int64": (
        ["user_id"],
        _SCALARS,
        A_DAY,
        [
            ((1,), _SOME, NOW),
            ((2,), _NULLS, NOW),
            ((-3,), _ZEROS, NOW),
            ((2**62 + 1,), _ENDS, NOW),
            ((5,), _NOT_A_NUMBER, NOW),
            ((6,), _LARGE, NOW),
            ((7,), _SOME, LONG_AGO),
        ],
    ),
    # No null beside the large number.
    "by_int32": (["shop_id"], _SCALARS, timedelta(0), [((1,), _LARGE, NOW), ((-2,), _ZEROS, LONG_AGO)]),
    "by_string": (["card_id"], _SCALARS, A_DAY, [(("c-1",), _SOME, NOW), (("é#%",), _ENDS, NOW)]),
    "by_three": (
        ["shop_id", "card_id", "user_id"],
        _SCALARS,
        A_DAY,
        [((1, "c-1", 1), _SOME, NOW), ((1, "c-1", 2), _ZEROS, NOW), ((-1, "ü", -(2**63)), _LARGE, NOW)],
    ),
    "by_bytes": (["token"], _SCALARS, A_DAY, [((b"\x00\xff",), _SOME, NOW), ((b"t",), _ZEROS, NOW)]),
    "by_time": (["hour"], _SCALARS, A_DAY, [((_NOON,), _SOME, NOW)]),
    "lists": (
        ["user_id"],
        _LISTS,
        A_DAY,
        [
            ((1,), _FULL_LISTS, NOW),
            ((2,), dict.fromkeys(_LISTS), NOW),
            ((3,), {name: [] for name in _LISTS}, NOW),
        ],
    ),
}
# Written as messages, past pandas, as a stream processor does: what materialising loses is there.
_MESSAGES = {
    50: {"i64": Value(int64_val=_BEYOND_DOUBLE), "f32": Value(float_val=math.nan), "f64": Value(double_val=math.nan)},
    51: {"i64": Value(), "f32": Value(), "f64": Value()},
}
# Nobody's, in each view.
_STRANGERS = {"user_id": 404, "shop_id": 404, "card_id": "nobody", "token": b"nobody", "hour": _NOON + A_DAY}


def main() -> None:
    folder = Path(sys.argv[1])
    store = repository.create(folder)
    views = _apply(store, folder)
    store.materialize(LONG_AGO - A_DAY, datetime.now(timezone.utc) + A_DAY)
    answers = {name: _answers(store, name, _VIEWS[name][3]) for name in views}
    answers["by_int64"] += _answers_to_messages(store, views["by_int64"])
    (folder / "answers.json").write_text(json.dumps(answers, allow_nan=False, indent=1))


def _apply(store: FeatureStore, folder: Path) -> dict[str, FeatureView]:
    entities = {name: Entity(name=name, join_keys=[name], value_type=kind) for name, (kind, _) in _KEY_TYPES.items()}
    views = {}
    for name, (keys, features, ttl, rows) in _VIEWS.items():
        columns = {key: (_arrow(_KEY_TYPES[key][1]), [row[0][at] for row in rows]) for at, key in enumerate(keys)}
        columns |= {name: (_arrow(kind), [row[1][name] for row in rows]) for name, kind in features.items()}
        columns["event_timestamp"] = (_arrow(UnixTimestamp), [row[2] for row in rows])
        table = pa.table({name: pa.array(values, type=kind) for name, (kind, values) in columns.items()})
        schema = [Field(name=key, dtype=_KEY_TYPES[key][1]) for key in keys]
        schema += [Field(name=name, dtype=kind) for name, kind in features.items()]
        views[name] = repository.view(folder, name, [entities[key] for key in keys], schema, ttl, table)
    service = FeatureService(name="all", features=list(views.values()))
    store.apply([*entities.values(), *views.values(), service])
    return views


def _arrow(kind: object) -> pa.DataType:
    return pa.list_(_ARROW[kind.base_type]) if isinstance(kind, Array) else _ARROW[kind]


def _answers(store: FeatureStore, name: str, rows: list[tuple]) -> list[dict]:
    keys, features, _, _ = _VIEWS[name]
    stranger = tuple(_STRANGERS[key] for key in keys)
    asked = [*rows, (stranger, None, None)]
    entities = [dict(zip(keys, row[0])) for row in asked]
    found = _online(store, name, entities).to_dict()
    return [
        {
            "keys": {key: _json(value) for key, value in entity.items()},
            "event_time_ms": when and int(when.timestamp() * 1000),
            "put_in": values and {feature: _json(value) for feature, value in values.items()},
            "feast": {feature: _json(found[feature][at]) for feature in features},
        }
        for at, (entity, (_, values, when)) in enumerate(zip(entities, asked))
    ]


def _answers_to_messages(store: FeatureStore, view: FeatureView) -> list[dict]:
    """The answers of both forms that Feast has, messages and data frames."""
    key = lambda user: EntityKey(join_keys=["user_id"], entity_values=[Value(int64_val=user)])  # noqa: E731
    messages = [(key(user), values, NOW, None) for user, values in _MESSAGES.items()]
    store._get_provider().online_write_batch(store.config, view, messages, None)
    rows = [
        ((user,), {name: _python(value) for name, value in values.items()}, NOW) for user, values in _MESSAGES.items()
    ]
    answers = _answers(store, view.name, rows)[: len(rows)]
    frame = _online(store, view.name, [answer["keys"] for answer in answers]).to_df()
    for at, answer in enumerate(answers):
        answer["frame"] = {name: _json(frame[name][at]) for name in answer["put_in"]}
    return answers


def _online(store: FeatureStore, name: str, entities: list[dict]) -> OnlineResponse:
    features = [f"{name}:{feature}" for feature in _VIEWS[name][1]]
    return store.get_online_features(features=features, entity_rows=entities)


def _python(value: Value) -> object:
    kind = value.WhichOneof("val")
    return getattr(value, kind) if kind else None


def _json(value: object) -> object:
    """A value as sardonyx's JSON has it: times in seconds, bytes in base64, and what is no number by its name."""
    if isinstance(value, datetime):
        return round(value.timestamp())
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (list, tuple)) or type(value).__name__ == "ndarray":
        return [_json(item) for item in value]
    if hasattr(value, "item"):  # a scalar of NumPy's
        return _json(value.item())
    return value


if __name__ == "__main__":
    main()
