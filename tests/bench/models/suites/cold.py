"""Functions from their start to the first answer."""

import pathlib

import functions

# What S3 gives to a connection, in MB/s, by its guide to performance ("85-90").
OF_S3 = 90


def cases(folder: pathlib.Path) -> list[dict]:
    dense = functions.dense(folder)
    as_from_s3 = dense | {"name": f"{dense['name']}-at-{OF_S3}-mb-s", "s3_megabytes_per_second": OF_S3}
    return [functions.logistic(folder), functions.fraud(), dense, as_from_s3]
