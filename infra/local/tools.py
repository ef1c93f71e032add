"""The tools that a person must have, and the pinned ones that are installed into ignored folders."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import console
import process
from console import Failure
from workspace import FEAST, INFRA, ROOT, TARGET, VENV

_LOGS = TARGET / "tool-logs"
_REQUIREMENTS = INFRA / "local" / "requirements.txt"

# Sanitizers, coverage counters and Miri are not in stable compilers.
_NIGHTLY = "nightly-2026-05-20"
_REQUIRED = {
    "cargo": ((1, 0), ["cargo", "--version"], "install Rust: https://rustup.rs"),
    "cc": ((1, 0), ["cc", "--version"], "install a C compiler: on Debian, apt-get install build-essential"),
    "node": ((20, 0), ["node", "--version"], "install Node.js 20 or later: https://nodejs.org"),
    "npm": ((9, 0), ["npm", "--version"], "it comes with Node.js: https://nodejs.org"),
}


def _check() -> None:
    """Refuses to go on without the tools that a person must have, naming all that are missing."""
    if sys.platform != "linux":
        raise Failure("a local AWS needs Linux: the functions run as processes", "on Windows, use WSL")
    problems = [problem for name in _REQUIRED if (problem := _problem(name))]
    if problems:
        raise Failure("tools are missing", "\n  ".join(problems))


def _problem(name: str) -> str | None:
    minimum, command, hint = _REQUIRED[name]
    if shutil.which(name) is None:
        return f"{name}: not found on the path; {hint}"
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)\.(\d+)", answer.stdout)
    if answer.returncode != 0 or not found:
        # For example a rustup proxy that lacks the toolchain that rust-toolchain.toml pins.
        return f"{name}: `{' '.join(command)}` failed: {answer.stderr.strip()}"
    if (int(found[1]), int(found[2])) < minimum:
        wanted = ".".join(map(str, minimum))
        return f"{name}: {answer.stdout.strip()} is older than {wanted}; {hint}"
    return None


def install() -> None:
    """Installs the pinned Python and Node tools, each once for each state of its pins, if those that a person must have are there."""
    _check()
    python_environment(VENV, _REQUIREMENTS, "the pinned tools", resolve=False)
    node_modules(INFRA, "the CDK")


def node_modules(directory: Path, what: str) -> None:
    """Installs the Node packages that a folder's lock file names, once for each state of it."""
    lock = directory / "package-lock.json"
    stamp = directory / "node_modules" / ".installed"
    if _current(stamp, lock):
        return
    with console.step(f"Installing {what} (npm ci)") as step:
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        process.run(command, log=_LOGS / "npm.log", step=step, directory=directory)
        stamp.write_text(_digest(lock))


def feast() -> Path:
    """The Python with the real Feast, which tests and benchmarks compare with."""
    return python_environment(FEAST, ROOT / "tests" / "feast" / "requirements.txt", "Feast", resolve=False)


def python_environment(venv: Path, requirements: Path, what: str, *, resolve: bool = True) -> Path:
    """A virtual environment with the requirements; returns its Python.

    Without `resolve` the file must name everything, and nothing else is installed.
    """
    stamp = venv / ".installed"
    python = venv / "bin" / "python"
    if _current(stamp, requirements):
        return python
    with console.step(f"Installing {what}") as step:
        log = _LOGS / f"{venv.name}.log"
        process.run([sys.executable, "-m", "venv", "--clear", venv], log=log, step=step)
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--requirement", requirements]
        process.run(pip if resolve else [*pip, "--no-deps"], log=log, step=step)
        stamp.write_text(_digest(requirements))
    return python


def add_rust_target(target: str) -> bool:
    """Whether Rust's standard library for another platform is there, or could be installed now."""
    if shutil.which("rustup") is None:
        return False
    command = ["rustup", "target", "add", target]
    try:
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return False
    return answer.returncode == 0


def nightly(*components: str) -> str:
    """What names the pinned nightly compiler to cargo; it is installed, with these components."""
    if shutil.which("rustup") is None:
        raise Failure("rustup not found", "this needs a nightly compiler: https://rustup.rs")
    with console.step(f"Installing {_NIGHTLY}") as step:
        command = ["rustup", "toolchain", "install", _NIGHTLY, "--profile", "minimal", "--no-self-update"]
        command += [part for component in components for part in ("--component", component)]
        process.run(command, log=_LOGS / "rustup.log", step=step)
    return f"+{_NIGHTLY}"


def _current(stamp: Path, pins: Path) -> bool:
    return stamp.exists() and stamp.read_text() == _digest(pins)


def _digest(pins: Path) -> str:
    # The interpreter counts too: an environment does not outlive the Python that made it.
    content = pins.read_bytes() + sys.version.encode() + str(ROOT).encode()
    return hashlib.sha256(content).hexdigest()


def enter() -> None:
    """Continues this program under the tools' Python, where boto3 is."""
    python = VENV / "bin" / "python"
    if Path(sys.prefix).resolve() != VENV.resolve():
        sys.stdout.flush()
        os.execv(python, [str(python), *sys.argv])

