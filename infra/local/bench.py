"""The benchmarks: the peers and the models that are compared, the build, and the runs."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import bench_peers
import build
import console
import instructions
import process
import tools
from bench_peers import Peer
from console import Failure, say
from workspace import LAMBDA, ROOT, TARGET, TOOLS, cargo_environment, functions

_SOURCE = ROOT / "tests" / "bench"
_OUTPUT = TARGET / "bench"
_MODELS = _OUTPUT / "models"
_RESULTS = _SOURCE / "results"
_FEAST_READER = ROOT / "tests" / "feast" / "reader.py"
_LOG = TARGET / "tool-logs" / "bench.log"
_FRAUD_SAMPLES = ROOT / "functions" / "fraud-detection" / "samples"
_OFFER_RANKING = ROOT / "functions" / "offer-ranking"
# What a suite is made from beside its own scripts.
_SOURCES = {
    "queue": sorted(_FRAUD_SAMPLES.glob("*.jsonl")),
    "ranking": [_OFFER_RANKING / "train" / "simulation.py", _OFFER_RANKING / "model" / "manifest.json"],
}
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}
_FILTERS = {"--case", "--batch", "--subject"}
# These start functions as they are deployed.
_OF_FUNCTIONS = {"cold", "warm", "queue", "concurrency", "size"}
_ON_ALL_CORES = {"concurrency"}
# In this order; what the others are compared with comes first.
_ORDER = ["python", "node", "rust-ort", "sardonyx", "floor", "noop"]
# What all of it costs comes last.
_SUITES = sorted((path.stem for path in (_SOURCE / "models" / "suites").glob("*.py")), key=lambda suite: (suite == "size", suite))


def bench(arguments: argparse.Namespace) -> int:
    """Runs the suites one after the other, each on one core that no other part of it uses, if it is not about several."""
    if arguments.suite == instructions.SUITE:
        return instructions.count(record=arguments.record)
    suites = [arguments.suite] if arguments.suite else _SUITES
    if unknown := set(suites) - set(_SUITES):
        raise Failure(f"there is no suite {unknown.pop()!r}", f"there are: {', '.join(_SUITES)}")
    if arguments.record and _FILTERS & set(arguments.options):
        raise Failure("only whole suites are recorded", "leave out CASE, BATCH and SUBJECT, or RECORD")
    python = tools.python_environment(TOOLS / "bench", _SOURCE / "requirements.txt", "what the benchmarks compare with")
    for suite in suites:
        _make_models(python, suite)
    # Who else takes part, by suite.
    peers = {"features": ["--feast", tools.feast(), _FEAST_READER]} if "features" in suites else {}
    program = _build(arguments.profile)
    if of_functions := _OF_FUNCTIONS & set(suites):
        packages = _packages(arguments.profile)
        peers |= {suite: ["--functions", packages] for suite in of_functions}
    cores = os.sched_getaffinity(0)
    for suite in suites:
        os.sched_setaffinity(0, cores if suite in _ON_ALL_CORES else {max(cores)})
        command = [program, suite, "--models", _MODELS, "--output", _OUTPUT, *peers.get(suite, []), *arguments.options]
        code = process.foreground(command, os.environ | _ONE_THREAD)
        code = code or process.foreground([python, _SOURCE / "plot.py", _OUTPUT / f"{suite}.json"])
        if code:
            return code
        say(f"\n{process.shown(_OUTPUT)}/{suite}.json, .md and .svg")
        if arguments.record:
            _record(suite)
    return 0


def _record(suite: str) -> None:
    """Puts the results of a suite to those that are committed."""
    _RESULTS.mkdir(exist_ok=True)
    for suffix in "json", "md", "svg":
        shutil.copyfile(_OUTPUT / f"{suite}.{suffix}", _RESULTS / f"{suite}.{suffix}")
    say(f"recorded in {process.shown(_RESULTS)}")


def _make_models(python: Path, suite: str) -> None:
    """Makes the models of a suite, once for each state of the scripts and their pins.

    On one thread: how many there are decides in which order a training library adds up.
    """
    sources = [_SOURCE / "requirements.txt", *sorted((_SOURCE / "models").rglob("*.py")), *_SOURCES.get(suite, [])]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    stamp = _MODELS / f".{suite}"
    if stamp.exists() and stamp.read_text() == digest:
        return
    with console.step(f"Making the models of the suite {suite}") as step:
        command = [python, _SOURCE / "models" / "make.py", _MODELS, suite]
        process.run(command, log=_LOG, step=step, environment=os.environ | _ONE_THREAD)
        stamp.write_text(digest)


def _packages(profile: str) -> Path:
    """Builds and installs all functions that take part; the file that says how each is started."""
    tools.install()
    packages = [*_ours(profile), *bench_peers.peers(profile)]
    packages.sort(key=lambda package: _ORDER.index(package.name))
    listed = _OUTPUT / "functions.json"
    bench_peers.write_list(packages, listed)
    return listed


def _ours(profile: str) -> list[Peer]:
    """Our functions: as `make run` deploys them, or built with another profile."""
    folder = LAMBDA
    if profile == "release":
        build.build()
    else:
        folder = _OUTPUT / "functions" / profile
        build_functions(profile, folder)
    return bench_peers.ours(folder)


def build_functions(profile: str, folder: Path, environment: Mapping[str, str] = MappingProxyType({})) -> None:
    """Builds all our functions with a profile of cargo into a folder, each with its name."""
    with console.step(f"Building the functions, profile {profile}") as step:
        packages = [part for name in functions() for part in ("--package", name)]
        command = ["cargo", "lambda", "build", "--profile", profile, "--compiler", "cargo"]
        command += ["--lambda-dir", folder, *packages]
        process.run(command, log=_LOG, step=step, environment=cargo_environment() | environment)


def _build(profile: str) -> Path:
    with console.step(f"Building the benchmarks, profile {profile}") as step:
        # Both each time: with one package cargo would unify features anew and rebuild.
        packages = ["--package", "sardonyx-bench", "--package", bench_peers.RUST_PACKAGE]
        command = ["cargo", "build", "--profile", profile, *packages]
        process.run(command, log=_LOG, step=step, environment=cargo_environment())
    return TARGET / profile / "sardonyx-bench"
