"""The linear operators of ai.onnx.ml and its support vector machines."""

import itertools

import numpy as np

from graph import single

FEATURES = 3
POSTS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
TYPES = {"float": np.float32, "double": np.float64, "int64": np.int64, "int32": np.int32}
KERNELS = ["LINEAR", "POLY", "RBF", "SIGMOID"]
WORDS = ["no", "yes", "maybe", "never"]


def rows(kind="float", count=6):
    values = np.random.default_rng(count).normal(size=(count, FEATURES)) * 2
    values[0] = 0.0  # with no intercept each score is zero: a tie
    return (np.round(values) if kind.startswith("int") else values).astype(TYPES[kind])


def numbers(seed, *shape, scale=1.0):
    return [float(value) for value in (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32).ravel()]


def labelled(classes, words):
    return {"classlabels_strings": WORDS[:classes]} if words else {"classlabels_ints": [3, -1, 7, 0][:classes]}


def linear_classifiers():
    found = {}

    def add(name, scores, classes, words=False, kind="float", post="NONE", **more):
        given = {
            "coefficients": numbers(scores, scores, FEATURES), "intercepts": numbers(9, scores), "post_transform": post,
            **labelled(classes, words), **more,
        }
        found[f"linear-classifier-{name}"] = single("LinearClassifier", {"X": rows(kind)}, ["label", "scores"], **given)

    for post, words in itertools.product(POSTS, [False, True]):
        text = f"{post.lower().replace('_', '-')}{'-strings' if words else ''}"
        if post != "PROBIT":  # ONNX Runtime leaves the scores undefined
            add(f"one-score-{text}", 1, 2, words, post=post)
        add(f"binary-{text}", 2, 2, words, post=post)
        add(f"multiclass-{text}", 3, 3, words, post=post)
    for kind in ["double", "int64", "int32"]:
        add(f"multiclass-{kind}", 3, 3, kind=kind)
        add(f"one-score-{kind}", 1, 2, kind=kind, post="LOGISTIC")
    add("multi-class-1", 3, 3, multi_class=1)
    add("one-score-multi-class-1", 1, 2, multi_class=1, post="LOGISTIC")
    return found


def linear_regressors():
    found = {}
    for targets, post in itertools.product([1, 3], POSTS):
        given = {"coefficients": numbers(targets, targets, FEATURES), "targets": targets, "post_transform": post}
        name = f"linear-regressor-{targets}-{post.lower().replace('_', '-')}"
        found[name] = single("LinearRegressor", {"X": rows()}, ["Y"], intercepts=numbers(5, targets), **given)
        if post == "NONE":
            found[f"linear-regressor-{targets}-no-intercepts"] = single("LinearRegressor", {"X": rows()}, ["Y"], **given)
    found["linear-regressor-default-targets"] = single("LinearRegressor", {"X": rows()}, ["Y"], coefficients=numbers(1, FEATURES))
    return found


def kernel_attributes(kernel):
    return {"kernel_type": kernel, "kernel_params": [0.3, 0.5, 2.0]}


def svm_regressors():
    found = {}
    for kernel, one_class in itertools.product(KERNELS, [0, 1]):
        given = {
            "coefficients": numbers(4, 4), "support_vectors": numbers(3, 4, FEATURES), "n_supports": 4, "rho": [0.2],
            "one_class": one_class, **kernel_attributes(kernel),
        }
        found[f"svm-regressor-{kernel.lower()}{'-one-class' if one_class else ''}"] = single("SVMRegressor", {"X": rows()}, ["Y"], **given)
    for post in POSTS[1:]:
        given = {"coefficients": numbers(4, 4), "support_vectors": numbers(3, 4, FEATURES), "n_supports": 4, "rho": [0.2]}
        name = f"svm-regressor-{post.lower().replace('_', '-')}"
        found[name] = single("SVMRegressor", {"X": rows()}, ["Y"], post_transform=post, **given, **kernel_attributes("RBF"))
    flat = {"coefficients": numbers(4, FEATURES), "n_supports": 0, "rho": [0.2]}
    found["svm-regressor-no-vectors"] = single("SVMRegressor", {"X": rows()}, ["Y"], **flat, **kernel_attributes("LINEAR"))
    found["svm-regressor-no-vectors-rbf"] = single("SVMRegressor", {"X": rows()}, ["Y"], **flat, **kernel_attributes("RBF"))
    found["svm-regressor-no-vectors-one-class"] = single("SVMRegressor", {"X": rows()}, ["Y"], one_class=1, **flat, **kernel_attributes("LINEAR"))
    return found


def svm_classifiers():
    found = {}

    def add(name, classes, kernel="RBF", words=False, post="NONE", probabilities=False, kind="float", vectors=2, **more):
        pairs = classes * (classes - 1) // 2
        count = classes * vectors
        given = {
            "coefficients": numbers(2, classes - 1, count), "support_vectors": numbers(3, count, FEATURES), "rho": numbers(4, pairs, scale=0.1),
            "vectors_per_class": [vectors] * classes, "post_transform": post, **labelled(classes, words), **kernel_attributes(kernel), **more,
        }
        if probabilities:
            given.update(prob_a=[-abs(value) for value in numbers(5, pairs)], prob_b=numbers(6, pairs, scale=0.2))
        found[f"svm-classifier-{name}"] = single("SVMClassifier", {"X": rows(kind)}, ["label", "scores"], **given)

    for classes, kernel in itertools.product([2, 3], KERNELS):
        add(f"{kernel.lower()}-{classes}", classes, kernel)
    for classes, words, post in itertools.product([2, 3, 4], [False, True], POSTS):
        for probabilities in [False, True]:
            parts = [str(classes), post.lower().replace("_", "-"), *(["strings"] if words else []), *(["probabilities"] if probabilities else [])]
            if classes == 4 and (words or post != "NONE"):
                continue
            if classes == 2 and post == "PROBIT" and not probabilities:
                continue  # ONNX Runtime leaves the scores undefined
            add("-".join(["post", *parts]), classes, words=words, post=post, probabilities=probabilities)
    for kind in ["double", "int64", "int32"]:
        add(f"{kind}", 3, kind=kind)
    # Without support vectors it is a linear model; the coefficients are those of the classes.
    for classes, words, post in itertools.product([2, 3], [False, True], ["NONE", "LOGISTIC", "SOFTMAX"]):
        given = {"coefficients": numbers(7, classes, FEATURES), "rho": [0.1], "post_transform": post, **labelled(classes, words)}
        name = f"svm-classifier-linear-mode-{classes}-{post.lower()}{'-strings' if words else ''}"
        found[name] = single("SVMClassifier", {"X": rows()}, ["label", "scores"], **given, **kernel_attributes("LINEAR"))
    return found


CASES = {**linear_classifiers(), **linear_regressors(), **svm_regressors(), **svm_classifiers()}
