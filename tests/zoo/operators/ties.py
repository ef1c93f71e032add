"""Scores that are equal, and scores on the threshold: which label wins."""

import numpy as np
from onnx import helper

from graph import single

# Every row gets the same scores: what differs between the models is who ties.
ROWS = np.array([[0.0], [1.0], [-1.0]], dtype=np.float32)
LABELS = {"ints": {"classlabels_int64s": [7, 3, 5]}, "strings": {"classlabels_strings": ["c", "a", "b"]}}


def leaves(*weights, labels, post="NONE", base=None):
    """One tree of one leaf that gives each class its weight; None gives nothing."""
    given = {index: weight for index, weight in enumerate(weights) if weight is not None}
    count = len(given)
    attributes = {
        "nodes_treeids": [0], "nodes_nodeids": [0], "nodes_featureids": [0], "nodes_modes": ["LEAF"], "nodes_values": [0.0],
        "nodes_truenodeids": [0], "nodes_falsenodeids": [0], "class_treeids": [0] * count, "class_nodeids": [0] * count,
        "class_ids": list(given), "class_weights": list(given.values()), "post_transform": post,
        **{key: names[: max(2, len(weights))] for key, names in labels.items()},
    }
    if base is not None:
        attributes["base_values"] = base
    return single("TreeEnsembleClassifier", {"X": ROWS}, ["label", "scores"], **attributes)


def linear(coefficients, intercepts, post="NONE", strings=False):
    count = max(2, len(intercepts))
    labels = {"classlabels_strings": ["c", "a", "b"][:count]} if strings else {"classlabels_ints": [7, 3, 5][:count]}
    return single(
        "LinearClassifier", {"X": ROWS}, ["label", "scores"], coefficients=coefficients, intercepts=intercepts, post_transform=post, **labels
    )


def cases():
    found = {}
    for kind, labels in LABELS.items():
        found[f"ties-trees-all-{kind}"] = leaves(0.25, 0.25, 0.25, labels=labels)
        found[f"ties-trees-last-two-{kind}"] = leaves(0.1, 0.4, 0.4, labels=labels)
        found[f"ties-trees-none-given-{kind}"] = leaves(-0.5, None, None, labels=labels)
        found[f"ties-trees-two-classes-{kind}"] = leaves(0.5, 0.5, labels=labels)
        for post in ["NONE", "LOGISTIC", "SOFTMAX"]:
            for name, weight in {"zero": 0.0, "half": 0.5, "below-half": 0.25}.items():
                found[f"ties-trees-one-score-{name}-{post.lower()}-{kind}"] = leaves(weight, labels=labels, post=post)
        found[f"ties-linear-all-{kind}"] = linear([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], strings=kind == "strings")
        found[f"ties-linear-some-{kind}"] = linear([1.0, 1.0, 0.0], [0.0, 0.0, 0.0], strings=kind == "strings")
        for post in ["NONE", "LOGISTIC", "SOFTMAX"]:
            found[f"ties-linear-one-score-{post.lower()}-{kind}"] = linear([1.0], [0.0], post, kind == "strings")
    svm = {
        "coefficients": [1.0, -1.0, 1.0, 1.0, -1.0, -1.0], "support_vectors": [1.0, 1.0, 1.0], "vectors_per_class": [1, 1, 1],
        "kernel_type": "LINEAR", "kernel_params": [1.0, 0.0, 1.0], "classlabels_ints": [7, 3, 5],
    }
    found["ties-svm-votes"] = single("SVMClassifier", {"X": ROWS}, ["label", "scores"], rho=[0.0, 0.0, 0.0], **svm)
    found["ties-svm-votes-shifted"] = single("SVMClassifier", {"X": ROWS}, ["label", "scores"], rho=[0.5, -0.5, 0.5], **svm)
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0], [np.nan, 1.0, np.nan]], dtype=np.float32)
    for name in ["ArgMax", "ArgMin"]:
        for last in [0, 1]:
            key = f"ties-{name.lower()}{'-last' if last else ''}"
            found[key] = single(name, {"X": scores}, ["Y"], domain="", axis=1, select_last_index=last)
    top = [helper.make_tensor("k", 7, [1], [2])]
    found["ties-top-k"] = single("TopK", {"X": scores[:2]}, ["values", "indices"], domain="", constants=top, axis=1)
    return found


CASES = cases()
