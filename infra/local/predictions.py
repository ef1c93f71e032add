"""Asks the deployed models over HTTP and compares their answers to the training library's."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from dataclasses import dataclass

from console import Failure
from workspace import Model

TOLERANCE = 1e-5
_TIMEOUT_SECONDS = 60
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Call:
    """An HTTP request to the API, which is also shown as a `curl` line."""

    url: str
    body: dict | None = None

    def curl(self) -> str:
        line = f"curl -sS -w '\\n' '{self.url}'"
        if self.body is None:
            return line
        text = json.dumps(self.body).replace("'", "'\\''")
        return f"{line} -H 'content-type: application/json' -d '{text}'"

    def send(self) -> dict:
        """The answer's JSON; anything but a 200 is a failure."""
        data = None if self.body is None else json.dumps(self.body).encode()
        request = urllib.request.Request(self.url, data, {"content-type": "application/json"})
        try:
            with _NO_PROXY.open(request, timeout=_TIMEOUT_SECONDS) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            answer = error.read().decode(errors="replace")
            raise Failure(f"{self.url} answered {error.code}: {answer}", f"try it: {self.curl()}") from error
        except OSError as error:
            raise Failure(f"{self.url} does not answer: {error}") from error


@dataclass(frozen=True)
class Comparison:
    """What one request should have given, and what it gave."""

    keys: dict
    expected: dict
    served: dict

    @property
    def difference(self) -> float:
        return difference(self.expected, self.served)

    @property
    def agrees(self) -> bool:
        return self.difference <= TOLERANCE


def difference(expected: dict, served: dict) -> float:
    """The greatest distance between expected and served floats; infinite where anything else differs."""
    return max((_distance(value, served.get(name)) for name, value in expected.items()), default=math.inf)


def _distance(expected: object, served: object) -> float:
    if isinstance(expected, float) and isinstance(served, (int, float)):
        distance = abs(expected - served)
        return math.inf if math.isnan(distance) else distance  # `max` would pass over a NaN
    if isinstance(expected, list) and isinstance(served, list) and len(expected) == len(served):
        return max((_distance(*pair) for pair in zip(expected, served)), default=0.0)
    if isinstance(expected, dict) and isinstance(served, dict):
        return difference(expected, served)
    return 0.0 if type(expected) is type(served) and expected == served else math.inf


def predict_call(api_url: str, model: Model, samples: list[dict]) -> Call:
    instances = [sample["instance"] for sample in samples]
    return Call(f"{api_url}/v1/models/{model.name}:predict", {"instances": instances})


def predict(api_url: str, model: Model) -> list[Comparison]:
    """Sends the first sample request alone and the others together."""
    samples = model.requests
    keys = {key["name"] for view in model.manifest["feature_views"] for key in view["join_keys"]}
    comparisons = []
    for batch in filter(None, (samples[:1], samples[1:])):
        predictions = predict_call(api_url, model, batch).send()["predictions"]
        if len(predictions) != len(batch):
            raise Failure(f"{model.name}: {len(batch)} instances gave {len(predictions)} predictions")
        for sample, served in zip(batch, predictions):
            entity = {name: value for name, value in sample["instance"].items() if name in keys}
            comparisons.append(Comparison(entity, sample["expected"], served))
    return comparisons


def infer_call(api_url: str, model: Model) -> Call:
    """An Open Inference Protocol request with the first golden row as raw tensors."""
    manifest = model.manifest
    row = manifest["golden"]["rows"][0]["features"]
    inputs = []
    for tensor in manifest["inputs"]:
        data = [cell for feature in tensor["features"] for cell in columns(feature, row[feature["name"]], manifest)]
        shape = [1 if size == -1 else size for size in tensor["shape"]]
        inputs.append({"name": tensor["name"], "datatype": tensor["datatype"], "shape": shape, "data": data})
    return Call(f"{api_url}/v2/models/{model.name}/infer", {"inputs": inputs})


def infer(api_url: str, model: Model) -> float:
    """The greatest difference between the golden row's outputs and the served ones."""
    answer = infer_call(api_url, model).send()
    served = {output["name"]: output["data"] for output in answer["outputs"]}
    golden = model.manifest["golden"]["rows"][0]["outputs"]
    expected = {name: value if isinstance(value, list) else [value] for name, value in golden.items()}
    return difference(expected, served)


def columns(feature: dict, value: object, manifest: dict) -> list[object]:
    """A feature's columns of the model's tensor: one, or those of a list that its view stores."""
    stored = (
        stored["length"]
        for view in manifest["feature_views"]
        for stored in view["features"]
        if (view["name"], stored["name"]) == (feature["source"], feature["name"]) and "length" in stored
    )
    length = next(stored, None)
    if length is None:
        return [encode(feature, value)]
    if value is None and isinstance(feature["missing"], dict):
        value = feature["missing"]["default"]
    return [encode(feature, element) for element in (value if isinstance(value, list) else [value] * length)]


def encode(feature: dict, value: object) -> object:
    """A feature's value as the model's tensor holds it: categories by index, missing by policy."""
    categories = feature.get("categories")
    if categories and value is not None:
        value = float(categories.index(value)) if value in categories else None
    if value is None:
        missing = feature["missing"]
        return encode(feature, missing["default"]) if isinstance(missing, dict) else "NaN"
    return float(value) if isinstance(value, bool) else value
