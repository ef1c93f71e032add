"""Repositories of the real Feast, whose online store is the DynamoDB that the environment names."""

from __future__ import annotations

import json
import logging
import os
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
from feast import Entity, FeatureStore, FeatureView, Field, FileSource

PROJECT = "sardonyx"


def create(folder: Path) -> FeatureStore:
    """A new repository in the folder; its registry and its Parquet files will be there, too."""
    folder.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.WARNING)
    (folder / "feature_store.yaml").write_text(
        json.dumps(
            {
                "project": PROJECT,
                "provider": "local",
                "registry": "registry.db",
                "online_store": {
                    "type": "dynamodb",
                    "region": os.environ["AWS_REGION"],
                    "endpoint_url": os.environ["AWS_ENDPOINT_URL"],
                    "table_name_template": "feast-{project}-{table_name}",
                },
                "offline_store": {"type": "file"},
                "entity_key_serialization_version": 3,
            },
            indent=2,
        )
    )
    return FeatureStore(repo_path=str(folder))


def view(folder: Path, name: str, entities: list[Entity], schema: list[Field], ttl: timedelta, rows: pa.Table) -> FeatureView:
    """A view of these rows, which have a column `event_timestamp` beside those of the schema."""
    path = folder.resolve() / f"{name}.parquet"
    parquet.write_table(rows, path)
    source = FileSource(name=f"{name}_source", path=str(path), timestamp_field="event_timestamp")
    return FeatureView(name=name, entities=entities, ttl=ttl, schema=schema, source=source)
