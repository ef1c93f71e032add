"""Builds the functions and the command-line tool for this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import console
import process
from console import Failure
from workspace import CLI, CLI_PACKAGE, INFRA, LAMBDA, TARGET, cargo_environment, functions, models


def build() -> None:
    """Builds all in one cargo call, so that every dependency is compiled once.

    `cargo lambda` names a target, so its output is apart from that of a plain `cargo build`; it also
    overrides the release profile, which `--disable-optimizations` prevents: the workspace's own holds.
    """
    names = functions()
    _check_configuration()
    with console.step("Building the functions and the sardonyx command") as step:
        packages = [part for name in (*names, CLI_PACKAGE) for part in ("--package", name)]
        command = ["cargo", "lambda", "build", "--release", "--disable-optimizations"]
        command += ["--compiler", "cargo", *packages]
        process.run(command, log=_log(), step=step, environment=cargo_environment())
        _place_command()
        step.note = ", ".join(names)


def _check_configuration() -> None:
    """A model that is not deployed would only show after minutes of building."""
    config = INFRA / "lib" / "config.ts"
    text = config.read_text()
    for model in models():
        if f"name: '{model.name}'" not in text:
            what = f"functions/{model.name} has a model that is not deployed"
            raise Failure(what, f"add an entry for it to `models` in {process.shown(config)}")


def _log() -> Path:
    log = TARGET / "tool-logs" / "build.log"
    log.unlink(missing_ok=True)
    return log


def _place_command() -> None:
    """Puts the command where `cargo build --release` would, and out of the functions' folder."""
    built = LAMBDA / CLI.name / "bootstrap"
    CLI.parent.mkdir(parents=True, exist_ok=True)
    fresh = CLI.with_suffix(".new")
    shutil.copy2(built, fresh)
    fresh.replace(CLI)  # at once: the old one may be running
    shutil.rmtree(built.parent)

