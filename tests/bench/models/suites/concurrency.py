"""Functions that answer many requests at the same time."""

import pathlib

import functions


def cases(folder: pathlib.Path) -> list[dict]:
    return [functions.fraud()]
