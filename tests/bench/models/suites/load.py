"""Models to load: a large forest, a usual one, and a small linear model."""

import pathlib

from suites import linear, trees


def cases(folder: pathlib.Path) -> list[dict]:
    return [trees.forest(folder), trees.boosted(folder, 500, 6, with_native=False), linear.logistic(folder)]
