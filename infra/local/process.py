"""Child processes: logged, shown as progress, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from console import Failure, Step
from workspace import ROOT

_POLL_SECONDS = 0.2
_GRACE_SECONDS = 15
_TAIL_LINES = 40


class Terminated(BaseException):
    """A request to end, by a signal: unwinds the stack like Ctrl-C does."""

    INTERRUPT = 128 + signal.SIGINT

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def unwind_on_signals() -> None:
    """Makes each signal that asks the program to end unwind the stack, so that every `finally` runs.

    Ctrl-C is among them: a shell starts background jobs with it ignored, and Python respects that.
    """

    def unwind(number: int, _frame: object) -> None:
        for handled in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(handled, signal.SIG_IGN)  # the first one is enough: cleaning up takes seconds
        raise Terminated(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, unwind)


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    step: Step,
    directory: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
) -> None:
    """Runs a command to its end with its output in a log; a failure carries the log's tail."""
    code = status(
        command,
        log=log,
        step=step,
        directory=directory,
        environment=environment,
        timeout_seconds=timeout_seconds,
    )
    if code != 0:
        name = " ".join(Path(str(part)).name for part in command[:3])
        raise Failure(f"`{name}` ended with {code}", f"the whole output is in {shown(log)}", tail(log))


def status(
    command: Sequence[str | Path],
    *,
    log: Path,
    step: Step,
    directory: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
) -> int:
    """Like `run`, but returns the exit code. The command gets a process group of its own."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write(f"$ {' '.join(map(str, command))}\n".encode())
        output.flush()
        child = subprocess.Popen(
            [str(part) for part in command],
            cwd=directory,
            env=dict(environment) if environment is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while True:
            try:
                return child.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                step.beat(last_line(log))
            if timeout_seconds and step.elapsed > timeout_seconds:
                raise Failure(f"no end after {timeout_seconds:.0f} seconds", f"see {shown(log)}", tail(log))
    finally:
        end_group(child)


def foreground(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> int:
    """Runs a command on this terminal: it shares the process group, so Ctrl-C reaches it too."""
    child = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=environment)
    try:
        return child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def end_group(child: subprocess.Popen[bytes]) -> None:
    """Ends what is left of a child's process group, gently first."""
    for number, grace in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, 1)):
        try:
            os.killpg(child.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        deadline = time.monotonic() + grace
        while group_exists(child) and time.monotonic() < deadline:
            time.sleep(0.05)
    child.wait()


def group_exists(child: subprocess.Popen[bytes]) -> bool:
    child.poll()  # reaps it: a zombie still counts as a member of its group
    try:
        os.killpg(child.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def last_line(log: Path) -> str:
    """What a command said last; not the line that says what the command is."""
    with log.open("rb") as text:
        text.seek(max(0, log.stat().st_size - 500))
        lines = text.read().decode(errors="replace").split("\n")
    said = (line.strip() for line in reversed(lines))
    return next((line for line in said if line and not line.startswith("$ ")), "")


def shown(path: Path) -> str:
    """A path as a person at the project's root would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
