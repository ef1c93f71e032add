"""Deploys the CDK application to the local AWS, publishes the models and loads their sample features."""

from __future__ import annotations

import json
from pathlib import Path

import console
import process
from local_aws import Server
from workspace import CDK, CLI, INFRA, REGION, Model

_ACCOUNT = "000000000000"
_STAGE = "local"


def deploy(server: Server, directory: Path) -> dict[str, str]:
    """Bootstraps and deploys the real application; returns the outputs of all its stacks."""
    outputs = directory / "outputs.json"
    # The CDK remembers account ids by access key: a home of its own, with the state that it belongs to.
    environment = server.environment() | {"CDK_HOME": str(directory / "cdk-home"), "CI": "true"}
    shared = ["--no-notices", "--no-color", "--output", directory / "cdk.out"]

    def cdk(*arguments: str | Path) -> None:
        process.run(
            [CDK, *arguments, *shared],
            log=directory / "cdk.log",
            step=step,
            directory=INFRA,
            environment=environment,
        )

    with console.step("Bootstrapping the CDK") as step:
        # `--app ''`: bootstrapping needs no synthesis when it is told the environment.
        cdk("bootstrap", f"aws://{_ACCOUNT}/{REGION}", "--app", "")
    with console.step("Deploying the CDK application") as step:
        context = ["--all", "--context", f"stage={_STAGE}"]
        cdk("deploy", *context, "--require-approval", "never", "--outputs-file", outputs)
        stacks = json.loads(outputs.read_text())
        step.note = ", ".join(stacks)
    return {name: value for stack in stacks.values() for name, value in stack.items()}


def provision(server: Server, state: dict, models: list[Model], directory: Path) -> None:
    """Publishes each model's artifact and its catalogue, and loads the sample rows of its feature views."""

    def sardonyx(*arguments: str | Path) -> None:
        process.run(
            [CLI, *arguments], log=directory / "provision.log", step=step, environment=server.environment()
        )

    with console.step("Publishing the models") as step:
        for model in models:
            sardonyx("publish", model.artifact, "--bucket", state["artifact_bucket"])
        step.note = ", ".join(f"{model.name} {model.manifest['version']}" for model in models)
    with console.step("Publishing catalogues of offers") as step:
        published = []
        for model in models:
            if model.catalogue:
                offers, packed = model.rows(model.catalogue), directory / f"{model.name}.catalogue"
                sardonyx("catalogue", "pack", offers, "--model", model.artifact, "--output", packed)
                sardonyx("catalogue", "publish", packed, "--model", model.artifact, "--bucket", state["artifact_bucket"])
                published.append(f"{sum(1 for _ in offers.open())} {model.catalogue} of {model.name}")
        step.note = ", ".join(published)
    with console.step("Loading feature snapshots") as step:
        loaded = []
        for model in models:
            for view in model.native_views:
                rows = model.rows(view)
                table = ["--table", state["feature_table"], "--event-time", "now"]
                sardonyx("features", "load", view, rows, "--model", model.artifact, *table)
                loaded.append(f"{sum(1 for _ in rows.open())} {view}")
        step.note = ", ".join(loaded)


def describe(server: Server, outputs: dict[str, str], models: list[Model]) -> dict:
    """What tests and people need to know of the running stack, as `state.json` has it."""
    return {
        "endpoint": server.endpoint,
        "region": REGION,
        "ministack_pid": server.pid,
        "api_url": server.api_url(outputs["ApiId"]),
        "artifact_bucket": outputs["ArtifactBucketName"],
        "feature_table": outputs["FeatureTableName"],
        "result_table": outputs["ResultTableName"],
        "feature_files": {
            "bucket": outputs["FeatureFilesBucketName"],
            "queue_url": outputs["FeatureFilesQueueUrl"],
            "dead_letter_queue_url": outputs["FeatureFilesDeadLetterQueueUrl"],
            "function": outputs["FeatureIngestFunctionName"],
        },
        "models": {model.name: _describe_model(model, outputs) for model in models},
    }


def _describe_model(model: Model, outputs: dict[str, str]) -> dict[str, str]:
    prefix = "".join(word.capitalize() for word in model.name.split("-"))
    return {
        "queue_url": outputs[f"{prefix}QueueUrl"],
        "dead_letter_queue_url": outputs[f"{prefix}DeadLetterQueueUrl"],
        "api_function": outputs[f"{prefix}ApiFunctionName"],
        "queue_function": outputs[f"{prefix}QueueFunctionName"],
    }
