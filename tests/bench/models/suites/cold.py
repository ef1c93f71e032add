"""Functions from their start to the first answer."""

import pathlib

import functions


def cases(folder: pathlib.Path) -> list[dict]:
    return [functions.logistic(folder), functions.fraud(), functions.dense(folder)]
