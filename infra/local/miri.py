"""Miri: the tests of the tree engine, interpreted, which sees what a compiled test can get away with."""

from __future__ import annotations

import argparse

import process
import tools
from workspace import TARGET, cargo_environment


def miri(_arguments: argparse.Namespace) -> int:
    """Runs the tests with the instruction sets that the interpreter has: the portable one, at the least."""
    command = ["cargo", tools.nightly("miri", "rust-src"), "miri", "test", "--locked", "--package", "sardonyx-trees", "--lib"]
    return process.foreground(command, cargo_environment() | {"CARGO_TARGET_DIR": str(TARGET / "miri")})
