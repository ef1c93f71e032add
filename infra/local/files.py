"""Drops a file of feature rows into its bucket, and watches until the rows are served."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import dataclass

import predictions
from console import Failure, Step
from local_aws import Server
from predictions import Comparison
from workspace import Model

_SERVED_SECONDS = 120
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Drop:
    """A file that was dropped, and what is served since."""

    view: str
    key: str
    rows: int
    before: str
    served: str
    seconds: float
    compared: list[Comparison]

    @property
    def right(self) -> bool:
        return self.served != self.before and all(comparison.agrees for comparison in self.compared)


def drop(server: Server, state: dict, model: Model, step: Step) -> Drop:
    """The sample rows of the model's first view, as a CSV file."""
    view = model.native_views[0]
    rows = [json.loads(line) for line in model.rows(view).read_text().splitlines()]
    before = _snapshot(state, model, view)
    key = f"snapshots/{view}/demo.csv"
    started = time.monotonic()
    server.client("s3").put_object(Bucket=state["feature_files"]["bucket"], Key=key, Body=as_csv(rows).encode())
    while (served := _snapshot(state, model, view)) == before:
        if time.monotonic() - started > _SERVED_SECONDS:
            raise Failure(f"{key} is not served after {_SERVED_SECONDS} s", "the function's log says why")
        step.beat(f"{view}: still {before}")
        time.sleep(_POLL_SECONDS)
    seconds = time.monotonic() - started
    return Drop(view, key, len(rows), before, served, seconds, predictions.predict(state["api_url"], model))


def as_csv(rows: list[dict]) -> str:
    """Rows with the same fields, as a header and lines; a null is a cell without anything."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _snapshot(state: dict, model: Model, view: str) -> str:
    """The snapshot of the view that a prediction used."""
    answer = predictions.predict_call(state["api_url"], model, model.requests[:1]).send()
    return answer["predictions"][0]["snapshots"].get(view, "none")
