"""The fuzzers: the compiler and its flags, the seeds, and the runs."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import console
import process
import tools
from console import Failure, say
from workspace import ROOT, TARGET, cargo_environment

_TARGETS = ["protobuf", "operators", "packed", "trees"]
_SOURCE = ROOT / "shared" / "sardonyx-onnx" / "fuzz"
_ZOO = ROOT / "tests" / "zoo" / "models"
_OUTPUT = TARGET / "fuzz"
_SEEDS = _OUTPUT / "seeds"
_LOG = TARGET / "tool-logs" / "fuzz.log"

# What cargo-fuzz gives the compiler, so that it need not be there.
_FLAGS = [
    "-Cpasses=sancov-module",
    *(
        f"-Cllvm-args=-sanitizer-coverage-{option}"
        for option in ("level=4", "inline-8bit-counters", "pc-table", "trace-compares")
    ),
    "--cfg=fuzzing",
    "-Cdebug-assertions",
    "-Zsanitizer=address",
]
# Memory in megabytes, time in seconds for one input, and bytes of an input.
_LIMITS = ["-rss_limit_mb=4096", "-timeout=20", "-max_len=8192"]


@dataclass(frozen=True)
class _Run:
    target: str
    inputs: str
    corpus: int
    crashes: list[Path]


def fuzz(arguments: argparse.Namespace) -> int:
    """Runs the targets one after the other, each for so many seconds."""
    targets = [arguments.target] if arguments.target else _TARGETS
    if unknown := set(targets) - set(_TARGETS):
        raise Failure(f"there is no target {unknown.pop()!r}", f"there are: {', '.join(_TARGETS)}")
    programs = _build()
    _write_seeds(programs)
    runs = [_run(programs, target, arguments.seconds) for target in targets]
    say()
    console.table(
        ["target", "inputs tried", "corpus", "findings"],
        [[run.target, run.inputs, str(run.corpus), str(len(run.crashes))] for run in runs],
    )
    for run in runs:
        for crash in run.crashes:
            program = process.shown(programs / run.target)
            console.report(Failure(f"{run.target} found something", f"again: {program} {process.shown(crash)}"))
    return 1 if any(run.crashes for run in runs) else 0


def _build() -> Path:
    """Builds all targets; returns the folder of the programs."""
    nightly = tools.nightly()
    platform_name = f"{platform.machine()}-unknown-linux-gnu"
    build = _OUTPUT / "build"
    with console.step("Building the fuzzers") as step:
        # With a target that is named, the flags are not those of build scripts and macros.
        command = ["cargo", nightly, "build", "--locked", "--release", "--features", "models"]
        environment = cargo_environment() | {"RUSTFLAGS": " ".join(_FLAGS), "CARGO_TARGET_DIR": str(build)}
        process.run([*command, "--target", platform_name], log=_LOG, step=step, directory=_SOURCE, environment=environment)
    return build / platform_name / "release"


def _write_seeds(programs: Path) -> None:
    with console.step("Writing the seeds") as step:
        shutil.rmtree(_SEEDS, ignore_errors=True)
        process.run([programs / "seeds", _ZOO, _SEEDS], log=_LOG, step=step)


def _run(programs: Path, target: str, seconds: int) -> _Run:
    """Runs a target; what it tried and kept stays for the next time."""
    corpus, seeds = _OUTPUT / "corpus" / target, _SEEDS / target
    crashes = _OUTPUT / "crashes" / target
    for folder in (corpus, seeds, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    known = set(crashes.iterdir())
    log = _OUTPUT / f"{target}.log"
    log.unlink(missing_ok=True)
    options = [*_LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={crashes}{os.sep}", "-print_final_stats=1"]
    with console.step(f"Fuzzing: {target}") as step:
        code = process.status([programs / target, *options, corpus, seeds], log=log, step=step)
        found = sorted(set(crashes.iterdir()) - known)
        step.failed = bool(found)
        if code != 0 and not found:
            raise Failure(f"{target} ended with {code}", f"the whole output is in {process.shown(log)}", process.tail(log))
    text = log.read_text(errors="replace")
    if found:
        say("\n".join(line for line in text.splitlines() if line.startswith(("finding: ", "SUMMARY: "))))
    executed = re.search(r"number_of_executed_units: *(\d+)", text)
    return _Run(target, executed[1] if executed else "", sum(1 for _ in corpus.iterdir()), found)

