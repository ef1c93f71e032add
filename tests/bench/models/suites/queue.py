"""Functions that score batches of queue messages."""

import pathlib

import functions


def cases(folder: pathlib.Path) -> list[dict]:
    return [functions.fraud_batches(folder)]
