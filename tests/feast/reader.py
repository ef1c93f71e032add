"""Reads rows with the real Feast, and says how long that takes, for the benchmarks.

Answers requests, one a line of JSON on standard input; what it says about them is in `tests/bench/src/features/feast.rs`. DynamoDB is the one
that the environment names.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
from feast import Entity, FeatureStore, Field, ValueType, utils
from feast.infra.online_stores.dynamodb import _get_table_name
from feast.online_response import OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse
from feast.types import Float64, Int64

import repository

_A_DAY = timedelta(days=1)


class Reader:
    """One feature view, whose entities are the integers from 0 on."""

    def __init__(self, folder: str, view: str, join_key: str, features: list[str], rows: str) -> None:
        self._join_key = join_key
        self._features = features
        self._references = [f"{view}:{feature}" for feature in features]
        self._store = _materialised(Path(folder), view, join_key, features, np.fromfile(rows).reshape(-1, len(features)))
        self._online_store = self._store._get_provider().online_store
        self._config = self._store.config
        self.table = _get_table_name(self._config.online_store, self._config, self._store.get_feature_view(view))

    def values(self, users: list[int]) -> list[list[float]]:
        found = self._read(users)
        del found[self._join_key]
        if self._decode(*self._items(users)) != found:
            raise AssertionError("what is timed as decoding does not give what Feast gives")
        return [list(row) for row in zip(*(found[feature] for feature in self._features), strict=True)]

    def call(self, stage: str, users: list[int]) -> dict[str, float]:
        if stage == "Read":
            return _spent(lambda: self._read(users))
        items = self._items(users)
        return _spent(lambda: self._decode(*items))

    def _read(self, users: list[int]) -> dict[str, list]:
        entities = [{self._join_key: user} for user in users]
        return self._store.get_online_features(features=self._references, entity_rows=entities).to_dict()

    def _items(self, users: list[int]) -> tuple:
        """What `get_online_features` has in its hands when DynamoDB has answered and boto3 has made Python's values of it."""
        keys, grouped, join_keys, *_ = utils._prepare_entities_to_read_from_online_store(
            registry=self._store.registry,
            project=self._store.project,
            features=self._references,
            entity_values={self._join_key: users},
        )
        (view, features), = grouped
        unique, indexes, count = utils._get_unique_entities(view, keys, join_keys)
        ids = self._online_store._to_entity_ids(self._config, utils._get_entity_key_protos(unique))
        online = self._config.online_store
        client = self._online_store._get_dynamodb_resource(
            online.region, online.endpoint_url, online.session_based_auth
        )
        request = self._online_store._to_resource_batch_get_payload(online, self.table, ids, features)
        answer = client.batch_get_item(RequestItems=request)
        return view, features, indexes, count, ids, answer, self._online_store._build_feature_types(grouped)

    def _decode(self, view, features, indexes, count, ids, answer, types) -> dict[str, list]:
        """What `get_online_features` and `to_dict` do with that, by the same functions, save for the join keys."""
        rows = self._online_store._process_batch_get_response(self.table, answer, ids)
        response = GetOnlineFeaturesResponse(results=[])
        utils._populate_response_from_feature_data(features, rows, indexes, response, False, view, count)
        return OnlineResponse(response, feature_types=types).to_dict()


def _materialised(folder: Path, view: str, join_key: str, features: list[str], values: np.ndarray) -> FeatureStore:
    store = repository.create(folder)
    now = datetime.now(timezone.utc)
    columns = {join_key: pa.array(range(len(values)), pa.int64())}
    columns |= {feature: pa.array(values[:, at]) for at, feature in enumerate(features)}
    columns["event_timestamp"] = pa.array([now] * len(values), pa.timestamp("us", tz="UTC"))
    entity = Entity(name=join_key, join_keys=[join_key], value_type=ValueType.INT64)
    schema = [Field(name=join_key, dtype=Int64), *(Field(name=feature, dtype=Float64) for feature in features)]
    store.apply([entity, repository.view(folder, view, [entity], schema, _A_DAY, pa.table(columns))])
    store.materialize(now - _A_DAY, now + _A_DAY)
    return store


def _spent(work: Callable[[], object]) -> dict[str, float]:
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    work()
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    return {"wall_microseconds": wall / 1e3, "cpu_microseconds": cpu / 1e3}


def main() -> None:
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Feast prints its progress
    reader = None
    for line in sys.stdin:
        (request, arguments), = json.loads(line).items()
        try:
            match request:
                case "Materialise":
                    reader = Reader(**arguments)
                    versions = {name: version(name) for name in ("feast", "boto3", "protobuf")}
                    versions["python"] = platform.python_version()
                    reply = {"Ok": {"table": reader.table, "versions": versions}}
                case "Values":
                    reply = {"Ok": reader.values(**arguments)}
                case "Call":
                    reply = {"Ok": reader.call(**arguments)}
                case other:
                    raise ValueError(f"no request {other}")
        except Exception as error:  # whatever it is, the other end has to know
            reply = {"Err": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
