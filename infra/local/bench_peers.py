"""The peers of the benchmarks of the prediction path: installed, built, and packaged as one would deploy them."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import console
import process
import tools
from workspace import ROOT, TARGET, TOOLS, functions

_SOURCE = ROOT / "tests" / "bench" / "peers"
_INSTALLED = TOOLS / "peers"
_PACKAGES = TARGET / "bench" / "packages"
_LOG = TARGET / "tool-logs" / "bench-peers.log"
RUST_PACKAGE = "sardonyx-bench-peers"
_NODE_FILES = (".npmrc", "package.json", "package-lock.json", "index.mjs", "runtime.mjs")
_SMALLEST = 9
_TAKE_MESSAGES = {"python", "node", "rust-ort", "sardonyx"}
_TAKE_SEVERAL = {"rust-ort", "sardonyx"}
_SERVE_NO_MODELS = {"noop"}
# What a virtual environment has and a deployment package has not: what installs, and what Python compiles again.
_NOT_DEPLOYED = {"pip", "setuptools", "pkg_resources", "_distutils_hack", "__pycache__"}


@dataclass(frozen=True)
class Peer:
    """A function that takes part, ready to be started."""

    name: str
    command: list[str | Path]
    directory: Path
    # What its deployment package holds, by the name in there.
    files: dict[str, Path]
    environment: dict[str, str] = field(default_factory=dict)
    # The only function that it is, where not all are one package.
    function: str | None = None
    # What it is made of that has one.
    version: str | None = None

    def package(self) -> int:
        """Makes the deployment package, as small as a zip gets, and returns its bytes."""
        _PACKAGES.mkdir(parents=True, exist_ok=True)
        path = _PACKAGES / f"{self.function or self.name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_SMALLEST) as package:
            for name, file in sorted(self.files.items()):
                package.write(file, name)
        return path.stat().st_size


def ours(folder: Path) -> list[Peer]:
    """Our own functions that are compared, as `cargo lambda` has built them into the folder."""
    built = {name: folder / name / "bootstrap" for name in functions()}
    return [Peer("sardonyx", [path], ROOT, {"bootstrap": path}, function=name) for name, path in built.items()]


def write_list(packages: list[Peer], path: Path, *, packaged: bool = True) -> None:
    """Writes down how functions are started, for the program that does, and how large their packages are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    described = [_described(function) | {"zip_bytes": function.package() if packaged else 0} for function in packages]
    path.write_text(json.dumps({"packages": described}, indent=2) + "\n")


def _described(function: Peer) -> dict:
    program, *arguments = map(str, function.command)
    return {
        "name": function.name,
        "function": function.function,
        "version": function.version,
        # Functions find nothing but what Lambda puts into their environment.
        "command": [shutil.which(program), *arguments],
        "directory": str(function.directory),
        "environment": function.environment,
        "takes_messages": function.name in _TAKE_MESSAGES,
        "takes_several": function.name in _TAKE_SEVERAL,
        "serves_models": function.name not in _SERVE_NO_MODELS,
    }


def peers(profile: str) -> list[Peer]:
    """All peers. Those in Rust, `RUST_PACKAGE`, have been built with that profile of cargo."""
    python = _python()
    return [python, _node(), *_rust(profile, python)]


def _python() -> Peer:
    source = _SOURCE / "python"
    interpreter = tools.python_environment(
        _INSTALLED / "python", source / "requirements.txt", "the benchmarks' peer in Python", resolve=False
    )
    # Python writes what it compiles beside the source.
    directory = _INSTALLED / "python-function"
    directory.mkdir(exist_ok=True)
    shutil.copy2(source / "handler.py", directory)
    files = dict(_deployed(_site_packages(interpreter))) | {"handler.py": directory / "handler.py"}
    pins = dict(line.split("==") for line in (source / "requirements.txt").read_text().splitlines() if "==" in line)
    version = f"{platform.python_version()} with ONNX Runtime {pins['onnxruntime']}"
    command = [interpreter, "-m", "awslambdaric", "handler.handler"]
    return Peer("python", command, directory, files, version=version)


def _node() -> Peer:
    directory = _INSTALLED / "node"
    directory.mkdir(parents=True, exist_ok=True)
    for name in _NODE_FILES:
        shutil.copy2(_SOURCE / "node" / name, directory)
    tools.node_modules(directory, "the benchmarks' peer in Node")
    with console.step("Bundling the benchmarks' peer in Node") as step:
        process.run(["npm", "run", "build"], log=_LOG, step=step, directory=directory)
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip().removeprefix("v")
    packages = json.loads((directory / "package.json").read_text())["dependencies"]
    version = f"{node} with ONNX Runtime {packages['onnxruntime-node']}"
    return Peer("node", ["node", "index.mjs"], directory / "dist", dict(_node_files(directory)), version=version)


def _node_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """The bundle, and of the packages that are not in it those that run. ONNX Runtime comes for all platforms."""
    yield "index.mjs", directory / "dist" / "index.mjs"
    architecture = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
    binaries = Path("onnxruntime-node", "bin")
    modules = directory / "node_modules"
    for package in ("onnxruntime-node", "onnxruntime-common"):
        for file in _files(modules / package):
            name = file.relative_to(modules)
            if not name.is_relative_to(binaries) or name.parts[3:5] == ("linux", architecture):
                yield f"node_modules/{name}", file


def _rust(profile: str, python: Peer) -> list[Peer]:
    onnxruntime = _onnxruntime(python)
    # The environment that cargo had says where its output is, too.
    output = TARGET / ("debug" if profile == "dev" else profile)
    ort, noop, floor = (output / name for name in ("ort", "noop", "floor"))
    files = {"bootstrap": ort, f"lib/{onnxruntime.name}": onnxruntime}
    return [
        Peer("rust-ort", [ort], ROOT, files, {"ORT_DYLIB_PATH": str(onnxruntime)}, version="with Python's ONNX Runtime"),
        Peer("noop", [noop], ROOT, {"bootstrap": noop}),
        Peer("floor", [floor], ROOT, {"bootstrap": floor}),
    ]


def _onnxruntime(python: Peer) -> Path:
    """The library of ONNX Runtime, which comes with the Python package: Rust runs the same release as Python."""
    (library,) = (path for name, path in python.files.items() if name.startswith("onnxruntime/capi/libonnxruntime.so"))
    return library


def _site_packages(interpreter: Path) -> Path:
    (found,) = (interpreter.parents[1] / "lib").glob("python3.*/site-packages")
    return found


def _deployed(site_packages: Path) -> Iterator[tuple[str, Path]]:
    for file in _files(site_packages):
        name = file.relative_to(site_packages)
        if not any(part.split("-")[0] in _NOT_DEPLOYED for part in name.parts):
            yield str(name), file


def _files(directory: Path) -> Iterator[Path]:
    return (Path(folder, file) for folder, _, files in os.walk(directory) for file in files)
