"""What a person sees: a line per step with its elapsed time, tables, and failures that say what to do."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_HEARTBEAT_SECONDS = 30
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32"}


class Failure(Exception):
    """Something a person must act on: what happened, what to do, and the output that shows it."""

    def __init__(self, message: str, hint: str = "", output: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.output = output


def style(name: str, text: str) -> str:
    """The text in a style, where the output is a terminal."""
    return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if sys.stdout.isatty() else text


def say(text: str = "") -> None:
    print(text, flush=True)


def duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{int(rest):02d}s" if minutes else f"{rest:.1f}s"


class Step:
    """A step in progress: shown live on a terminal, by an occasional line elsewhere."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.note = ""
        self.failed = False
        self._started = self._beaten = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def beat(self, detail: str = "") -> None:
        """Shows that the step is alive, and what it is at."""
        if sys.stdout.isatty():
            width = shutil.get_terminal_size().columns
            line = f"  … {self.title}  {duration(self.elapsed)}  {detail}"
            sys.stdout.write(f"\r\x1b[K{line[: width - 1]}")
            sys.stdout.flush()
        elif time.monotonic() - self._beaten > _HEARTBEAT_SECONDS:
            self._beaten = time.monotonic()
            say(f"  … {self.title}  {duration(self.elapsed)}  {detail}".rstrip())

    def end(self, mark: str) -> None:
        if sys.stdout.isatty():
            sys.stdout.write("\r\x1b[K")
        note = f"  {style('dim', self.note)}" if self.note else ""
        say(f"  {mark} {self.title}  {style('dim', duration(self.elapsed))}{note}")


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Announces a step, times it, and says whether it came through."""
    current = Step(title)
    current.beat()
    try:
        yield current
    except BaseException:
        current.end(style("red", "✗"))
        raise
    current.end(style("red", "✗") if current.failed else style("green", "✓"))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under a header, each column as wide as its widest cell."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        return "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip()

    say(style("bold", line(header)))
    say("  " + "  ".join("─" * width for width in widths))
    for row in rows:
        say(line(row))


def report(failure: Failure) -> None:
    """Prints a failure: the output that shows it first, then what happened, then what to do."""
    if failure.output:
        say()
        say(style("dim", "\n".join(f"    {line}" for line in failure.output.splitlines())))
    say()
    say(style("red", f"error: {failure}"))
    if failure.hint:
        say(f"  {failure.hint}")
