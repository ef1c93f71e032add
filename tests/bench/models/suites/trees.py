"""Tree ensembles from XGBoost, LightGBM and scikit-learn, on 30 features."""

import functools
import json
import pathlib
import subprocess

import lightgbm
import tl2cgen
import treelite
import xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.ensemble import IsolationForest, RandomForestClassifier

from rows import simulated, written

FEATURES = 30
BATCHES = [1, 8, 32, 256, 4096]
OPSET = {"": 15, "ai.onnx.ml": 3}
INPUT = [("input", FloatTensorType([None, FEATURES]))]
# To run Sardonyx with besides the best one that the machine has.
INSTRUCTION_SETS = ["portable", *({"avx2"} & set(pathlib.Path("/proc/cpuinfo").read_text().split()))]
FOREST_ROWS = 13_500  # what makes a forest of 24 MB

# tl2cgen writes a C program for each model. A compiler takes minutes to hours for the larger ones.
COMPILED_NODES = 70_000

data = functools.cache(lambda: simulated(FEATURES))


def cases(folder: pathlib.Path) -> list[dict]:
    return [
        boosted(folder, 100, 6),
        boosted(folder, 500, 6),
        boosted(folder, 1000, 8),
        leaf_wise(folder, 31),
        leaf_wise(folder, 255),
        forest(folder),
        isolation_forest(folder),
    ]


def boosted(folder: pathlib.Path, trees: int, depth: int, with_native: bool = True) -> dict:
    name = f"xgb-{trees}x{depth}"
    training, labels, _ = data()
    model = xgboost.XGBClassifier(
        n_estimators=trees, max_depth=depth, learning_rate=0.05, tree_method="hist", random_state=0
    ).fit(training, labels)
    native = {}
    if with_native:
        model.save_model(folder / f"{name}.ubj")
        native = {"xgboost": f"{name}.ubj"}
        native |= compiled(folder, name, treelite.frontend.from_xgboost(model.get_booster()))
    return case(folder, name, convert_xgboost(model, initial_types=INPUT, target_opset=15), native)


def leaf_wise(folder: pathlib.Path, leaves: int) -> dict:
    name = f"lgbm-500-leaves-{leaves}"
    training, labels, _ = data()
    model = lightgbm.LGBMClassifier(
        n_estimators=500, num_leaves=leaves, learning_rate=0.05, random_state=0, verbose=-1
    ).fit(training, labels)
    model.booster_.save_model(folder / f"{name}.txt")
    native = {"lightgbm": f"{name}.txt"}
    native |= compiled(folder, name, treelite.frontend.from_lightgbm(model.booster_))
    return case(folder, name, convert_lightgbm(model, initial_types=INPUT, zipmap=False, target_opset=15), native)


def forest(folder: pathlib.Path) -> dict:
    training, labels, _ = data()
    few = slice(FOREST_ROWS)
    model = RandomForestClassifier(200, random_state=0).fit(training[few], labels[few])
    onnx_model = to_onnx(model, training[:1], options={"zipmap": False}, target_opset=OPSET)
    return case(folder, "random-forest-200", onnx_model, {})


def isolation_forest(folder: pathlib.Path) -> dict:
    training, _, _ = data()
    model = IsolationForest(random_state=0).fit(training)
    return case(folder, "isolation-forest-100", to_onnx(model, training[:1], target_opset=OPSET), {})


def case(folder: pathlib.Path, name: str, onnx_model, native: dict[str, str]) -> dict:
    _, _, rows = data()
    (folder / f"{name}.onnx").write_bytes(onnx_model.SerializeToString())
    return {
        "name": name,
        "model": f"{name}.onnx",
        "inputs": [written(folder, "rows-30.bin", rows)],
        "batches": BATCHES,
        "native": native,
        "variants": {name: {"SARDONYX_TREES_ISA": name} for name in INSTRUCTION_SETS},
    }


def compiled(folder: pathlib.Path, name: str, model: treelite.Model) -> dict[str, str]:
    """The model as machine code, by tl2cgen and the C compiler, where that is a matter of seconds."""
    nodes = sum(len(tree["nodes"]) for tree in json.loads(model.dump_as_json())["trees"])
    if nodes > COMPILED_NODES:
        return {}
    source = folder / f"{name}.tl2cgen"
    tl2cgen.generate_c_code(model, dirpath=source, params={"parallel_comp": 16})
    units = sorted(source.glob("*.c"))
    library = f"lib{name}.so"
    command = ["cc", "-O3", "-march=native", "-shared", "-fPIC", "-o", folder / library, *units, "-lm"]
    subprocess.run(command, check=True)
    return {"tl2cgen": library}
