"""Tree ensembles from XGBoost, LightGBM and scikit-learn, on 30 features."""

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

FOREST_ROWS = 13_500  # what makes a forest of 24 MB

# tl2cgen writes a C program for each model. A compiler takes minutes to hours for the larger ones.
COMPILED_NODES = 70_000


def cases(folder: pathlib.Path) -> list[dict]:
    training, labels, rows = simulated(FEATURES)
    inputs = [written(folder, "rows-30.bin", rows)]
    made = []

    def case(name: str, onnx_model, native: dict[str, str]) -> None:
        (folder / f"{name}.onnx").write_bytes(onnx_model.SerializeToString())
        made.append({"name": name, "model": f"{name}.onnx", "inputs": inputs, "batches": BATCHES, "native": native})

    for trees, depth in (100, 6), (500, 6), (1000, 8):
        name = f"xgb-{trees}x{depth}"
        model = xgboost.XGBClassifier(
            n_estimators=trees, max_depth=depth, learning_rate=0.05, tree_method="hist", random_state=0
        ).fit(training, labels)
        model.save_model(folder / f"{name}.ubj")
        native = {"xgboost": f"{name}.ubj"}
        native |= compiled(folder, name, treelite.frontend.from_xgboost(model.get_booster()))
        case(name, convert_xgboost(model, initial_types=INPUT, target_opset=15), native)

    for leaves in 31, 255:
        name = f"lgbm-500-leaves-{leaves}"
        model = lightgbm.LGBMClassifier(
            n_estimators=500, num_leaves=leaves, learning_rate=0.05, random_state=0, verbose=-1
        ).fit(training, labels)
        model.booster_.save_model(folder / f"{name}.txt")
        native = {"lightgbm": f"{name}.txt"}
        native |= compiled(folder, name, treelite.frontend.from_lightgbm(model.booster_))
        case(name, convert_lightgbm(model, initial_types=INPUT, zipmap=False, target_opset=15), native)

    few = slice(FOREST_ROWS)
    forest = RandomForestClassifier(200, random_state=0, n_jobs=-1).fit(training[few], labels[few])
    case("random-forest-200", to_onnx(forest, training[:1], options={"zipmap": False}, target_opset=OPSET), {})
    isolation = IsolationForest(random_state=0).fit(training)
    case("isolation-forest-100", to_onnx(isolation, training[:1], target_opset=OPSET), {})
    return made


def compiled(folder: pathlib.Path, name: str, model: treelite.Model) -> dict[str, str]:
    """The model as machine code, by tl2cgen and the C compiler, where that is a matter of seconds."""
    nodes = sum(len(tree["nodes"]) for tree in json.loads(model.dump_as_json())["trees"])
    if nodes > COMPILED_NODES:
        return {}
    source = folder / f"{name}.tl2cgen"
    tl2cgen.generate_c_code(model, dirpath=source, params={"parallel_comp": 16})
    units = sorted(source.glob("*.c"))
    library = f"lib{name}.so"
    subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", "-o", folder / library, *units, "-lm"], check=True)
    return {"tl2cgen": library}
