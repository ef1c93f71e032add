"""What a deployment package of a benchmark's peer holds."""

from __future__ import annotations

import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

import bench_peers


class Packages(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, *names: str) -> None:
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)

    def test_a_package_is_a_zip_of_its_files(self) -> None:
        self.write("built")
        peer = bench_peers.Peer("floor", [], self.folder, {"bootstrap": self.folder / "built"})
        with mock.patch.object(bench_peers, "_PACKAGES", self.folder / "packages"):
            size = peer.package()
        made = self.folder / "packages" / "floor.zip"
        self.assertEqual(size, made.stat().st_size)
        with zipfile.ZipFile(made) as package:
            self.assertEqual(package.namelist(), ["bootstrap"])
            self.assertEqual(package.read("bootstrap"), b"built")

    def test_what_installs_is_not_deployed(self) -> None:
        kept = ["numpy/core.so", "boto3-1.0.dist-info/METADATA", "six.py"]
        self.write(*kept, "pip/main.py", "setuptools-65.dist-info/METADATA", "numpy/__pycache__/a.pyc")
        deployed = dict(bench_peers._deployed(self.folder))
        self.assertEqual(sorted(deployed), sorted(kept))

    def test_of_node_the_bundle_and_the_libraries_of_one_platform_are_deployed(self) -> None:
        modules = "node_modules/onnxruntime-node"
        binaries = f"{modules}/bin/napi-v6"
        common = "node_modules/onnxruntime-common/index.js"
        self.write("dist/index.mjs", common, f"{modules}/dist/index.js", "node_modules/esbuild/bin/esbuild")
        self.write(f"{binaries}/linux/x64/lib.so", f"{binaries}/linux/arm64/lib.so", f"{binaries}/win32/x64/lib.dll")
        with mock.patch("platform.machine", return_value="x86_64"):
            deployed = dict(bench_peers._node_files(self.folder))
        expected = ["index.mjs", common, f"{binaries}/linux/x64/lib.so", f"{modules}/dist/index.js"]
        self.assertEqual(sorted(deployed), sorted(expected))
