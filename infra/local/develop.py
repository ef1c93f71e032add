"""What a model's developer does besides: run one function by hand, train a model anew, make the zoo."""

from __future__ import annotations

import argparse
import json

import local_aws
import process
import tools
from console import Failure
from workspace import LOCAL, ROOT, TARGET, TOOLS, VENV, Model, cargo_environment, models

_LOOPBACK = ["--invoke-address", "127.0.0.1"]  # by default it listens everywhere


def watch(arguments: argparse.Namespace) -> int:
    """Runs a function under `cargo lambda watch`, on the stack that `make run` keeps up."""
    model = _model(arguments.model)
    state = _state()
    environment = cargo_environment(local_aws.client_environment(state["endpoint"])) | {
        "SARDONYX_ARTIFACT_BUCKET": state["artifact_bucket"],
        "SARDONYX_FEATURE_TABLE": state["feature_table"],
        "SARDONYX_MODEL_NAME": model.name,
        "SARDONYX_MODEL_VERSION": model.manifest["version"],
        "SARDONYX_RESULT_TABLE": state["result_table"],
    }
    command = ["cargo", "lambda", "watch", *_LOOPBACK, "--package", model.name]
    return process.foreground(command, environment)


def invoke(arguments: argparse.Namespace) -> int:
    """Sends a sample event to the function that `make watch` runs."""
    model = _model(arguments.model)
    event = arguments.event.resolve()
    if not event.is_file():
        known = ", ".join(process.shown(path) for path in sorted((ROOT / "events").rglob("*.json")))
        raise Failure(f"{arguments.event} is no file", f"there are: {known}")
    command = ["cargo", "lambda", "invoke", *_LOOPBACK, "--data-file", event, model.name]
    return process.foreground(command, cargo_environment())


def train(arguments: argparse.Namespace) -> int:
    """Runs a model's training script in an environment with its own pins."""
    names = {path.parent.parent.name: path.parent for path in (ROOT / "functions").glob("*/train/train.py")}
    script = names.get(arguments.model)
    if script is None:
        raise Failure(f"there is no model {arguments.model!r} to train", f"there are: {', '.join(sorted(names))}")
    venv = TOOLS / f"train-{arguments.model}"
    what = f"what {arguments.model} trains with"
    python = tools.python_environment(venv, script / "requirements.txt", what)
    return process.foreground([python, script / "train.py"])


def zoo(arguments: argparse.Namespace) -> int:
    """Makes the models of the zoo anew, runs the conformance test on them, and writes the table of what is covered."""
    folder = ROOT / "tests" / "zoo"
    python = tools.python_environment(TOOLS / "zoo", folder / "requirements.txt", "what the zoo is made with", resolve=False)
    generate, large = folder / "generate.py", TARGET / "zoo"
    commands = [[python, generate], [python, generate, "--big", large]]
    if arguments.networks:
        pins = folder / "requirements-networks.txt"
        with_torch = tools.python_environment(TOOLS / "zoo-networks", pins, "PyTorch and its exporters", resolve=False)
        commands.append([with_torch, generate, "--networks"])
    commands.append(["cargo", "test", "--package", "sardonyx-onnx", "--test", "conformance"])
    environment = cargo_environment() | {"SARDONYX_ZOO": str(large), "UPDATE_COVERAGE": "1"}
    return next((code for command in commands if (code := process.foreground(command, environment))), 0)


def _model(name: str) -> Model:
    found = {model.name: model for model in models()}
    if name not in found:
        raise Failure(f"there is no model {name!r}", f"there are: {', '.join(found)}")
    if not (VENV / "bin" / "cargo-lambda").exists():
        tools.install()
    return found[name]


def _state() -> dict:
    try:
        return json.loads((LOCAL / "state.json").read_text())
    except FileNotFoundError as error:
        raise Failure("the local AWS is not up", "start it in another terminal: make run") from error
