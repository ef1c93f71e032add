"""Where things are, and which functions and models the workspace has."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
TARGET = ROOT / "target"
TOOLS = ROOT / ".tools"
VENV = TOOLS / "venv"
FEAST = TOOLS / "feast"
LAMBDA = TARGET / "lambda"
LOCAL = TARGET / "local"
CLI = TARGET / "release" / "sardonyx"
CDK = INFRA / "node_modules" / ".bin" / "cdk"

CLI_PACKAGE = "sardonyx-cli"
REGION = "eu-west-1"


@dataclass(frozen=True)
class Model:
    """A function that serves a model; everything about it is in its folder."""

    name: str
    directory: Path

    @property
    def artifact(self) -> Path:
        return self.directory / "model"

    @property
    def manifest(self) -> dict:
        return json.loads((self.artifact / "manifest.json").read_text())

    @property
    def requests(self) -> list[dict]:
        """The sample requests, each with what the training library expects."""
        lines = (self.directory / "samples" / "requests.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines if line.strip()]

    @property
    def native_views(self) -> list[str]:
        """The feature views whose rows are loaded; those of Feast's layout are Feast's."""
        views = self.manifest["feature_views"]
        return [view["name"] for view in views if view.get("layout", "native") == "native"]

    @property
    def catalogue(self) -> str | None:
        """The name of the catalogue whose offers the model ranks, if it does."""
        catalogue = self.manifest.get("catalogue")
        return catalogue and catalogue["name"]

    def rows(self, name: str) -> Path:
        """The sample rows of a feature view, or of the catalogue."""
        return self.directory / "samples" / f"{name}.jsonl"


def functions() -> list[str]:
    """The packages under `functions/`: package, binary and folder share one name."""
    return sorted(path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml"))


def models() -> list[Model]:
    """The functions that serve a model."""
    found = (Model(name, ROOT / "functions" / name) for name in functions())
    return [model for model in found if (model.artifact / "manifest.json").exists()]


def cargo_environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of every cargo call.

    The target folder is fixed because the CDK application packages `target/lambda`; the tools folder
    comes first on the path so that `cargo lambda` is the pinned one.
    """
    environment = dict(base)
    environment.pop("CARGO_BUILD_TARGET", None)
    environment["CARGO_TARGET_DIR"] = str(TARGET)
    environment["PATH"] = f"{VENV / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return environment
