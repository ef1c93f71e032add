"""Functions from their start to the first answer."""

import pathlib

import functions

# In MB/s, for a connection: AWS's guide to S3's performance recommends one for each 85 to 90 that are wanted.
OF_S3 = 90


def cases(folder: pathlib.Path) -> list[dict]:
    dense = functions.dense(folder)
    as_from_s3 = dense | {"name": f"{dense['name']}-at-{OF_S3}-mb-s", "s3_megabytes_per_second": OF_S3}
    return [functions.logistic(folder), functions.fraud(), dense, as_from_s3]
