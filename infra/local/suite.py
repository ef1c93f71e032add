"""Every check and test of the project, to the end even where some fail, with one summary."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import console
import process
import tools
from console import Failure, say, style
from workspace import INFRA, ROOT, TARGET, VENV, cargo_environment

_LOGS = TARGET / "test-logs"
_RUN = Path(__file__).with_name("run.py")
_LIMIT_SECONDS = 45 * 60
_ARM64 = "aarch64-unknown-linux-gnu"
_TAIL_LINES = 60

# The end of a log should show what is wrong; and a run of the tests changes no file of the project.
_QUIET = {"CARGO_TERM_COLOR": "never", "FORCE_COLOR": "0", "INSTA_UPDATE": "no", "NO_COLOR": "1", "RUST_BACKTRACE": "0"}

# What each test runner says at its end: (passed, failed), or what adds up to them.
_SUMMARIES = {
    "cargo test": re.compile(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed", re.M),
    "nextest": re.compile(
        r"^\s*Summary \[.*?\] .*? run: (?P<passed>\d+) passed(?: \([^)]*\))?"
        r"(?:, (?P<failed>\d+) failed(?: \([^)]*\))?)?(?:, (?P<timed_out>\d+) timed out)?",
        re.M,
    ),
    "node": re.compile(r"^(?:#|ℹ) pass (?P<passed>\d+)\n(?:#|ℹ) fail (?P<failed>\d+)", re.M),
    "unittest": re.compile(
        r"^Ran (?P<ran>\d+) tests? in .*\n\n\w+"
        r"(?: \((?:failures=(?P<failed>\d+))?(?:, )?(?:errors=(?P<errors>\d+))?.*\))?",
        re.M,
    ),
}


@dataclass(frozen=True)
class Check:
    """A command that succeeds, or a test runner that also counts."""

    title: str
    command: list[str | Path]
    directory: Path = ROOT
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    check: Check
    seconds: float
    passed: int
    failed: int


def main(_arguments: argparse.Namespace) -> int:
    """Runs all checks in turn: they share the build folder and the two cores of a small machine."""
    shutil.rmtree(_LOGS, ignore_errors=True)
    try:
        tools.install()
        # The end-to-end tests compare with it.
        tools.feast()
    except Failure as failure:
        console.report(failure)
        say("0 passed, 1 failed")
        return 1
    outcomes = [_run(check) for check in _checks()]
    _summarise(outcomes)
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def _checks() -> list[Check]:
    python = VENV / "bin" / "python"
    nextest = _has_nextest()
    tests = ["cargo", "nextest", "run", "--failure-output", "final"] if nextest else ["cargo", "test"]
    # The whole workspace each time: with fewer packages cargo would unify features anew and rebuild.
    tests += ["--workspace", "--no-fail-fast"]
    end_to_end = [*tests, "--run-ignored", "only"] if nextest else [*tests, "--all-targets", "--", "--ignored"]
    # They are built with another compiler, and only by `make fuzz`.
    fuzzers = ROOT / "shared" / "sardonyx-onnx" / "fuzz" / "Cargo.toml"
    # cfn-lint expands the pattern itself: the templates come from the step before.
    templates = INFRA / "cdk.out" / "*" / "*.template.json"
    return [
        Check("Cargo.lock is current", ["cargo", "fetch", "--locked"]),
        Check("Cargo.lock of the fuzzers is current", ["cargo", "fetch", "--locked", "--manifest-path", fuzzers]),
        Check("Rust formatting", ["cargo", "fmt", "--all", "--check"]),
        Check("Rust lints", ["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        Check(
            "Rust documentation",
            ["cargo", "doc", "--workspace", "--no-deps"],
            environment={"RUSTDOCFLAGS": "-Dwarnings"},
        ),
        Check("Rust tests", tests if nextest else [*tests, "--all-targets"]),
        Check("Rust documentation tests", ["cargo", "test", "--workspace", "--doc"]),
        *_arm64_checks(),
        Check("Infrastructure types", ["npm", "run", "typecheck"], INFRA),
        Check("Infrastructure lints", ["npm", "run", "lint"], INFRA),
        Check("Infrastructure tests", ["npm", "test"], INFRA),
        Check("Infrastructure synthesis and cdk-nag", ["npm", "run", "synth:check"], INFRA),
        Check("CloudFormation lints", [VENV / "bin" / "cfn-lint", "-i", "W3005", "--", templates]),
        Check("Local AWS tests", [python, "-m", "unittest", "discover", "--start-directory", "tests"], _RUN.parent),
        Check("End-to-end tests on the deployed stack", [sys.executable, _RUN, "exec", "--", *end_to_end]),
        Check("Instructions of the functions", [sys.executable, _RUN, "bench", "--suite", "instructions"]),
    ]


def _arm64_checks() -> list[Check]:
    """The vector code for the CPU that functions are deployed on, compiled where its standard library can be had."""
    if not tools.add_rust_target(_ARM64):
        say(f"· skipped: the NEON path, because Rust's standard library for {_ARM64} cannot be installed")
        return []
    trees = ["--package", "sardonyx-trees", "--target", _ARM64]
    return [
        Check("Rust for arm64", ["cargo", "build", *trees]),
        Check("Rust tests for arm64, not run", ["cargo", "check", "--tests", *trees]),
    ]


def _has_nextest() -> bool:
    if shutil.which("cargo-nextest") is None:
        return False
    return subprocess.run(["cargo", "nextest", "--version"], capture_output=True, check=False).returncode == 0


def _run(check: Check) -> Outcome:
    log = _LOGS / f"{re.sub('[^a-z]+', '-', check.title.lower())}.log"
    environment = cargo_environment() | _QUIET | check.environment
    started = time.monotonic()
    failure = None
    with console.step(check.title) as step:
        try:
            code = process.status(
                check.command,
                log=log,
                step=step,
                directory=check.directory,
                environment=environment,
                timeout_seconds=_LIMIT_SECONDS,
            )
        except Failure as problem:
            code, failure = 1, problem
        passed, failed = count(log.read_text(errors="replace"), code)
        step.failed = failed > 0
        step.note = f"{passed} passed" + (f", {failed} failed" if failed else "")
    if failed:
        hint = f"the whole output is in {process.shown(log)}"
        console.report(Failure(str(failure or f"{check.title}: failed"), hint, process.tail(log, _TAIL_LINES)))
    return Outcome(check, time.monotonic() - started, passed, failed)


def count(output: str, exit_code: int) -> tuple[int, int]:
    """Passed and failed tests by what the runners said; a command that counts nothing is one check."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    passed = failed = 0
    counted = False
    for pattern in _SUMMARIES.values():
        for match in pattern.finditer(plain):
            counted = True
            found = {name: int(value or 0) for name, value in match.groupdict().items()}
            wrong = found.get("failed", 0) + found.get("timed_out", 0) + found.get("errors", 0)
            failed += wrong
            passed += found["ran"] - wrong if "ran" in found else found["passed"]
    if not counted:
        passed = int(exit_code == 0)
    if exit_code != 0 and failed == 0:
        failed = 1
    return passed, failed


def _summarise(outcomes: list[Outcome]) -> None:
    rows = [
        (
            "✗ FAILED" if outcome.failed else "✓ passed",
            outcome.check.title,
            str(outcome.passed),
            str(outcome.failed),
            console.duration(outcome.seconds),
        )
        for outcome in outcomes
    ]
    say()
    say(style("bold", "Summary"))
    console.table(("", "step", "passed", "failed", "time"), rows)
    say()
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    say(f"{passed} passed, {failed} failed")
