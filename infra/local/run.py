"""The local AWS of Sardonyx, and the tests on it. `make help` lists what it does."""

import sys

if sys.version_info < (3, 11):  # before the imports, which an older Python cannot read
    sys.exit(f"error: Python 3.11 or later is needed, this is {sys.version.split()[0]}; try: make PYTHON=python3.11 …")

import argparse
import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bench
import build
import console
import demo
import develop
import fuzz
import layout
import local_aws
import miri
import process
import stack
import suite
import tools
from console import Failure, say
from local_aws import Server
from process import Terminated
from workspace import LOCAL, TARGET, cargo_environment, models


@contextmanager
def running_stack(directory: Path, port: int) -> Iterator[tuple[Server, dict]]:
    """The deployed application on a fresh local AWS, described in `state.json` while it is up."""
    state_file = directory / "state.json"
    with ExitStack() as up:
        up.enter_context(_owned(directory))
        with console.step("Starting MiniStack") as step:
            server = up.enter_context(local_aws.running(port, directory, step))
            step.note = server.endpoint
        state = stack.describe(server, stack.deploy(server, directory), models())
        stack.provision(server, state, models(), directory)
        state_file.write_text(json.dumps(state, indent=2) + "\n")
        up.callback(state_file.unlink, missing_ok=True)
        yield server, state


@contextmanager
def _owned(directory: Path) -> Iterator[None]:
    """Empties a stack's folder, after making sure that no other run lives in it."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = process.shown(directory)
            raise Failure(f"another run uses {what}", "end it first: Ctrl-C where it runs") from error
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        yield


def run(arguments: argparse.Namespace) -> int:
    """Deploys, demonstrates, and stays up until Ctrl-C."""
    local_aws.refuse_taken_port(arguments.port)  # now, and not after minutes of compiling
    _prepare()
    with running_stack(LOCAL, arguments.port) as (server, state):
        right = demo.demonstrate(server, state, models())
        if not right:
            console.report(Failure("not everything is right: see ✗ above", f"logs: {process.shown(LOCAL)}/*.log"))
        if not arguments.once:
            demo.suggest(server, state, models())
            _stay_up(server)
    return 0 if right else 1


def _stay_up(server: Server) -> None:
    say(f"\nThe local AWS is up at {server.endpoint}. Ctrl-C stops it.")
    try:
        while server.is_up():
            time.sleep(0.5)
    except Terminated as stop:
        say("\nStopping.")
        if stop.exit_code != Terminated.INTERRUPT:
            raise
    else:
        raise Failure("MiniStack ended", f"see {process.shown(LOCAL / 'ministack.log')}")


def execute(arguments: argparse.Namespace) -> int:
    """Runs a command beside a stack of its own, on a free port, and returns the command's exit code."""
    directory = TARGET / "local-exec"
    _prepare()
    with running_stack(directory, local_aws.free_port()) as (server, _state):
        environment = cargo_environment(server.environment())
        environment["SARDONYX_LOCAL_STATE"] = str(directory / "state.json")
        return process.foreground(arguments.command, environment)


def _prepare() -> None:
    tools.install()
    tools.enter()
    build.build()


def compile_only(_arguments: argparse.Namespace) -> int:
    tools.install()
    build.build()
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action, help_: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_)
        added.set_defaults(action=action)
        return added

    up = command("up", run, "deploy everything on a local AWS and try it")
    up.add_argument("--port", type=int, default=4566)
    up.add_argument("--once", action="store_true", help="end after the demonstration")
    command("exec", execute, "run a command beside a deployed stack").add_argument("command", nargs="+")
    command("build", compile_only, "build the functions and the sardonyx command")
    command("test", suite.main, "run every check and test")
    command("watch", develop.watch, "run a function, rebuilt on change").add_argument("model")
    invoke = command("invoke", develop.invoke, "send an event to a watched function")
    invoke.add_argument("model")
    invoke.add_argument("event", type=Path)
    command("train", develop.train, "train a model anew").add_argument("model")
    zoo = command("zoo", develop.zoo, "make the zoo of models and run it")
    zoo.add_argument("--networks", action="store_true", help="the nets too, with PyTorch")
    timed = command("bench", bench.bench, "time Sardonyx and its peers")
    timed.add_argument("--suite", help="instructions, or one of the folder tests/bench/models/suites; all of these by default")
    timed.add_argument("--profile", default="release", help="cargo's profile")
    timed.add_argument("--record", action="store_true", help="keep the results in tests/bench/results")
    timed.add_argument("options", nargs="*", help="after --: options of the benchmark program")
    command("layout", layout.layout, "find out which functions of a binary are to lie together")
    fuzzed = command("fuzz", fuzz.fuzz, "search for inputs that panic, hang or read what is not theirs")
    fuzzed.add_argument("--target", help="one of shared/sardonyx-onnx/fuzz/targets; all by default")
    fuzzed.add_argument("--seconds", type=int, default=60, help="for each target")
    command("miri", miri.miri, "run the tests of the tree engine under Miri")
    return parser.parse_args()


def main() -> int:
    process.unwind_on_signals()
    local_aws.isolate()
    arguments = parse()
    try:
        return arguments.action(arguments)
    except Failure as failure:
        console.report(failure)
        return 1
    except Terminated as stop:
        say(f"\nended by {stop}")
        return stop.exit_code


if __name__ == "__main__":
    sys.exit(main())
