"""What functions weigh, in packages and in dollars."""

import pathlib

import functions


def cases(folder: pathlib.Path) -> list[dict]:
    return [functions.logistic(folder), functions.fraud()]
