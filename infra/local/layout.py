"""Which functions of a binary lie together: those that a start and a call run, as valgrind sees them.

The linker puts them into one piece (`functions/link.rs`). Their names depend on the compiler and on the versions of all
dependencies; one that is not there any more does no harm.
"""

from __future__ import annotations

import argparse
import bisect
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import bench
import console
import instructions
import tools
from console import Failure, say
from workspace import ROOT, TARGET, functions

_LAYOUT = ROOT / "functions" / "layout.txt"
_OUTPUT = TARGET / "layout"
_PROFILE = "shipping"
_HEADER = """\
# The functions that a cold start and a call run, for the linker: made by `make layout` for x86_64-unknown-linux-gnu
# and the profile shipping. Make it anew after dependencies or the compiler have changed.
"""
# A line of LLD's map: address, load address and size of a section of an input; the symbols in it follow.
_SECTION = re.compile(r"\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s.*:\(\.text\.(?:unlikely\.)?([^)]+)\)$")
_INSTRUCTION = re.compile(r"0x([0-9a-f]+) ")


@dataclass(frozen=True)
class Section:
    """Where the code of a symbol is in a binary."""

    address: int
    size: int
    symbol: str


def layout(_arguments: argparse.Namespace) -> int:
    if shutil.which("valgrind") is None:
        raise Failure("valgrind not found", "install it: it sees which functions run")
    tools.install()
    shutil.rmtree(_OUTPUT, ignore_errors=True)
    maps, built, traces = (_OUTPUT / name for name in ("maps", "functions", "traces"))
    for folder in (maps, built, traces):
        folder.mkdir(parents=True)
    bench.build_functions(_PROFILE, built, environment={"SARDONYX_LINK_MAPS": str(maps)})
    # Uncompressed, each line that has a cost starts with the address of an instruction.
    trace = "--dump-instr=yes --compress-pos=no --callgrind-out-file={}/{}.%p"
    if code := instructions.run(built, _OUTPUT, lambda name: trace.format(traces, name)):
        return code
    with console.step("Finding what was run") as step:
        run = [_run(maps / f"{name}.map", sorted(traces.glob(f"{name}.*"))) for name in functions()]
        if missing := [name for name, symbols in zip(functions(), run) if not symbols]:
            what = f"nothing of {', '.join(missing)} was found in the maps of the linker"
            raise Failure(what, "a layout is for x86_64 and the linker that Rust brings along")
        step.note = ", ".join(f"{name} {len(symbols)}" for name, symbols in zip(functions(), run))
    _LAYOUT.write_text(_HEADER + "".join(f"{symbol}\n" for symbol in in_order(run)))
    say(f"\n{_LAYOUT.name}: the next build of the profile {_PROFILE} is laid out by it")
    return 0


def _run(link_map: Path, traces: list[Path]) -> list[str]:
    """The symbols of a binary that were run, in the order of their addresses."""
    with link_map.open(errors="replace") as lines:
        sections = read_map(lines)
    addresses: set[int] = set()
    for trace in traces:
        with trace.open() as lines:
            addresses |= read_trace(lines)
    return symbols_at(addresses, sections)


def read_map(lines: Iterable[str]) -> list[Section]:
    """The sections of code that bear the name of a symbol, by their addresses."""
    found = (_SECTION.match(line.rstrip("\n")) for line in lines)
    sections = (Section(int(match[1], 16), int(match[2], 16), match[3]) for match in found if match)
    return sorted(sections, key=lambda section: section.address)


def read_trace(lines: Iterable[str]) -> set[int]:
    """The addresses of the instructions in what callgrind has written."""
    found = (_INSTRUCTION.match(line) for line in lines)
    return {int(match[1], 16) for match in found if match}


def symbols_at(addresses: Iterable[int], sections: list[Section]) -> list[str]:
    """The symbols whose code has one of the addresses."""
    starts = [section.address for section in sections]
    found = set()
    for address in addresses:
        index = bisect.bisect_right(starts, address) - 1
        if index >= 0 and address < sections[index].address + sections[index].size:
            found.add(index)
    return [sections[index].symbol for index in sorted(found)]


def in_order(run: list[list[str]]) -> list[str]:
    """All symbols, those first that most binaries run: where one is not run, it lies in the way."""
    binaries = Counter(symbol for symbols in run for symbol in set(symbols))
    once = dict.fromkeys(symbol for symbols in run for symbol in symbols)
    return sorted(once, key=lambda symbol: -binaries[symbol])
