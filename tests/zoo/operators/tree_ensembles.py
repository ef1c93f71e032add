"""TreeEnsemble, the one operator for trees of ai.onnx.ml 5: splits and leaves apart, modes by number, sets of values."""

import itertools

import numpy as np
from onnx import numpy_helper

from graph import single
from operators.tree_layouts import FEATURES, VALUES, rows

MODES = {"LEQ": 0, "LT": 1, "GTE": 2, "GT": 3, "EQ": 4, "NEQ": 5, "MEMBER": 6}
# ONNX Runtime takes whole numbers only.
MEMBERS = np.arange(-1, 8)
AGGREGATES = {"average": 0, "sum": 1, "min": 2, "max": 3}
POSTS = {"none": 0, "softmax": 1, "logistic": 2, "softmax-zero": 3, "probit": 4}


def attributes(seed, modes, targets=1, dtype=np.float32, count=3, depth=3, missing=False, positive=False, chain=False):
    """Random complete trees, or with `chain` trees with a leaf on one side of every node."""
    random = np.random.default_rng(seed)
    nodes = {key: [] for key in ["featureids", "truenodeids", "trueleafs", "falsenodeids", "falseleafs"]}
    splits, kinds, tracks, members, roots, ids, weights = [], [], [], [], [], [], []

    def leaf():
        ids.append(int(random.integers(targets)))
        weight = float(np.float32(random.normal()))
        weights.append(abs(weight) / (3 * count) if positive else weight)
        return len(ids) - 1, 1

    def grow(level):
        at = len(splits)
        kind = int(random.choice(modes))
        kinds.append(kind)
        splits.append(0.0 if kind == MODES["MEMBER"] else float(random.choice(VALUES)))
        if kind == MODES["MEMBER"]:
            members.extend([*(float(value) for value in random.choice(MEMBERS, size=random.integers(1, 5), replace=False)), float("nan")])
        tracks.append(int(missing and random.random() < 0.5))
        for key in nodes:
            nodes[key].append(0)
        nodes["featureids"][at] = int(random.integers(FEATURES))
        for branch, ends in [("true", level == 1), ("false", chain or level == 1)]:
            nodes[f"{branch}nodeids"][at], nodes[f"{branch}leafs"][at] = leaf() if ends else (grow(level - 1), 0)
        return at

    for _ in range(count):
        roots.append(grow(depth))
    given = {f"nodes_{key}": values for key, values in nodes.items()}
    given.update(
        nodes_splits=numpy_helper.from_array(np.array(splits, dtype=dtype), "splits"),
        nodes_modes=numpy_helper.from_array(np.array(kinds, dtype=np.uint8), "modes"),
        leaf_weights=numpy_helper.from_array(np.array(weights, dtype=dtype), "weights"),
        tree_roots=roots, leaf_targetids=ids, n_targets=targets,
    )
    if members:
        given["membership_values"] = numpy_helper.from_array(np.array(members, dtype=dtype), "members")
    if missing:
        given["nodes_missing_value_tracks_true"] = tracks
    return given


def ensemble(seed, modes=("LEQ",), dtype=np.float32, aggregate="sum", post="none", **shape):
    given = attributes(seed, [MODES[mode] for mode in modes], dtype=dtype, **shape)
    asked = {"X": rows(np.random.default_rng(seed), dtype)[:12]}
    if "MEMBER" in modes:
        asked["X"][2:9] = np.random.default_rng(seed).integers(-2, 9, size=(7, FEATURES))
    return single(
        "TreeEnsemble", asked, ["Y"], ml_opset=5, aggregate_function=AGGREGATES[aggregate], post_transform=POSTS[post], **given
    )


def single_leaf():
    """A tree that is one leaf is written as a node whose branches are the same leaf."""
    given = {
        "nodes_featureids": [0], "nodes_truenodeids": [0], "nodes_trueleafs": [1], "nodes_falsenodeids": [0], "nodes_falseleafs": [1],
        "nodes_splits": numpy_helper.from_array(np.zeros(1, np.float32), "splits"),
        "nodes_modes": numpy_helper.from_array(np.zeros(1, np.uint8), "modes"),
        "leaf_weights": numpy_helper.from_array(np.array([2.5], np.float32), "weights"),
        "tree_roots": [0], "leaf_targetids": [0], "n_targets": 1, "aggregate_function": 1, "post_transform": 0,
    }
    return single("TreeEnsemble", {"X": rows(np.random.default_rng(1))[:3]}, ["Y"], ml_opset=5, **given)


def cases():
    found = {"tree-ensemble-single-leaf": single_leaf()}
    seeds = itertools.count(500)
    for mode, missing, (kind, dtype) in itertools.product(MODES, [False, True], [("", np.float32), ("-double", np.float64)]):
        name = f"tree-ensemble-{mode.lower()}{'-missing' if missing else ''}{kind}"
        found[name] = ensemble(next(seeds), [mode], dtype, missing=missing)
    for targets, aggregate in itertools.product([1, 3], AGGREGATES):
        found[f"tree-ensemble-{aggregate}-{targets}"] = ensemble(next(seeds), aggregate=aggregate, targets=targets)
        found[f"tree-ensemble-{aggregate}-{targets}-double"] = ensemble(next(seeds), dtype=np.float64, aggregate=aggregate, targets=targets)
    for targets, post in itertools.product([1, 2, 4], POSTS):
        found[f"tree-ensemble-{post}-{targets}"] = ensemble(next(seeds), post=post, targets=targets, positive=post == "probit")
    found["tree-ensemble-all-modes"] = ensemble(next(seeds), list(MODES), missing=True, count=8, depth=4)
    found["tree-ensemble-all-modes-double"] = ensemble(next(seeds), list(MODES), np.float64, missing=True, count=8, depth=4)
    found["tree-ensemble-all-modes-targets"] = ensemble(next(seeds), list(MODES), missing=True, count=6, targets=3)
    found["tree-ensemble-chain"] = ensemble(next(seeds), depth=9, chain=True)
    found["tree-ensemble-stump"] = ensemble(next(seeds), count=1, depth=1)
    return found


CASES = cases()
