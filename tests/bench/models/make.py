"""Makes the models of a benchmark suite, and what their peers read: `python make.py FOLDER SUITE`.

Writes into FOLDER the ONNX files, the models in the peers' own formats, the input rows (raw, little-endian), `SUITE.json`, which lists the
cases, and `peers.json`, which says where the peers' libraries are. Weights and rows come from fixed seeds; nothing is downloaded.
"""

import importlib
import json
import pathlib
import sys
from importlib.metadata import distribution, version


def main(folder: pathlib.Path, suite: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cases = importlib.import_module(f"suites.{suite}").cases(folder)
    (folder / f"{suite}.json").write_text(json.dumps(cases, indent=2) + "\n")
    (folder / "peers.json").write_text(json.dumps(peers(), indent=2) + "\n")


def peers() -> dict:
    """The version of each peer, and its library in the wheel that is installed beside this Python."""
    found = {"tl2cgen": {"version": version("tl2cgen")}}
    for name, wheel, pattern in [
        ("onnxruntime", "onnxruntime", "onnxruntime/capi/libonnxruntime.so.*"),
        ("xgboost", "xgboost-cpu", "xgboost/lib/libxgboost.so"),
        ("lightgbm", "lightgbm", "lightgbm/lib/lib_lightgbm.so"),
    ]:
        library, = pathlib.Path(distribution(wheel).locate_file("")).glob(pattern)
        found[name] = {"version": version(wheel), "library": str(library)}
    return found


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2])
