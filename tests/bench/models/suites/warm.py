"""Functions that answer one request after the other."""

import pathlib

import functions


def cases(folder: pathlib.Path) -> list[dict]:
    return [functions.logistic(folder), functions.fraud()]
