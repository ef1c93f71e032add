"""Counts the instructions that a start and a call of our functions take, and compares them with those that are committed.

Counts are the same on every run, however busy the machine is, so that a test can hold them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bench_peers
import build
import console
import process
import tools
from console import Failure, say
from workspace import LAMBDA, ROOT, TARGET, cargo_environment

SUITE = "instructions"
_SOURCE = ROOT / "tests" / "bench"
_OUTPUT = TARGET / "bench"
_LOG = TARGET / "tool-logs" / "bench.log"
# A compiler or a library that is a little different is not worth a word.
_TOLERANCE = 0.05
_PROCESSOR = ("arch", "family", "model")


def count(*, record: bool) -> int:
    """Counts, and writes down what was counted or fails where it is more than before."""
    if shutil.which("valgrind") is None:
        say("· skipped: the counts of instructions, because valgrind is not installed")
        return 0
    tools.install()
    build.build()
    if code := run(LAMBDA, _OUTPUT, lambda _function: "--callgrind-out-file=/dev/null"):
        return code
    counted = _OUTPUT / f"{SUITE}.json"
    now = json.loads(counted.read_text())
    recorded = _SOURCE / "results" / f"{of_processor(now['machine'])}.json"
    if record:
        for suffix in ".json", ".md":
            shutil.copyfile(counted.with_suffix(suffix), recorded.with_suffix(suffix))
        say(f"recorded in {process.shown(recorded)}")
        return 0
    if not recorded.exists():
        say("· not compared: there are no counts of this processor, which other code is for; record some: make bench SUITE=instructions RECORD=1")
        return 0
    more = increases(json.loads(recorded.read_text()), now)
    if more:
        hint = "find out what they are for; if it is worth them, record them: make bench SUITE=instructions RECORD=1"
        raise Failure("functions take more instructions than before: " + "; ".join(more), hint)
    return 0


def run(built: Path, output: Path, options: Callable[[str], str]) -> int:
    """Runs the functions of a folder under callgrind, which is given its options for each of them."""
    with console.step("Building what counts instructions") as step:
        # The whole workspace, as the tests: with fewer packages cargo would unify features anew and rebuild.
        command = ["cargo", "build", "--workspace", "--bin", "sardonyx-bench"]
        process.run(command, log=_LOG, step=step, environment=cargo_environment())
    listed = output / f"{SUITE}-functions.json"
    functions = [
        replace(function, environment={"VALGRIND_OPTS": options(function.function)})
        for function in bench_peers.ours(built)
    ]
    bench_peers.write_list(functions, listed, packaged=False)
    program = TARGET / "debug" / "sardonyx-bench"
    command = [program, SUITE, "--models", _SOURCE / SUITE, "--output", output, "--functions", listed, "--rounds", "1"]
    return process.foreground(command)


def of_processor(machine: dict) -> str:
    """What the counts of a processor are recorded as: other processors run other code of ours, and of libraries."""
    return "-".join([SUITE, *(machine.get(key, "") for key in _PROCESSOR)])


def increases(before: dict, now: dict) -> list[str]:
    """What is over the tolerance above what it was."""
    counts = {(row["case"], row["metric"]): row["median"] for row in now["rows"]}
    told = []
    for row in before["rows"]:
        count = counts.get((row["case"], row["metric"]))
        if count is None:
            told.append(f"{row['case']} {row['metric']} is not counted any more")
        elif count > row["median"] * (1 + _TOLERANCE):
            told.append(f"{row['case']} {row['metric']}: {count:,.0f}, before {row['median']:,.0f}")
    return told
