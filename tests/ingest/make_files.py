"""Writes the same rows into files of every format, as pandas, pyarrow and the standard library write them.

usage: make_files.py                            (with requirements.txt installed; writes into files/ beside it)
       make_files.py --large FOLDER [ROWS]      (rows of 20 features for the example `throughput` of shared/sardonyx-ingest)

`rows.*` have a NaN, an infinity and a null where pandas would make one thing of them, so that no pandas is involved; `pandas.*` have nulls
for NaNs. The tests of shared/sardonyx-ingest read them all and expect the same rows.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import sys
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

FILES = Path(__file__).parent / "files"
NAN, INF = math.nan, math.inf
TIME = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)

NAMES = ["user_id", "region", "event_time", "flag", "count", "single", "double", "note"]
ROWS = [
    [1, "eu", TIME, True, 0, 0.0, 0.0, "plain"],
    [2, "eu", TIME, False, 2**63 - 1, 0.5, 0.1, ""],
    [2, "us", TIME, None, -(2**63), None, None, None],
    [3, "us", TIME, True, 2**53 + 1, NAN, NAN, "NaN"],
    [4, "eu", TIME, True, None, INF, -INF, "null"],
    [5, "eu", TIME, False, -1, -0.0, -0.0, 'a "quoted" word, a comma'],
    [6, "Ελλάδα", TIME, False, 7, 1.5, 1e308, "line one\nline two\r\nline three"],
    [-7, " eu ", TIME, True, 1, 16777216.0, 5e-324, "żółw 🐢 \u0000 \ufeff"],
    [2**63 - 1, "1", TIME, True, 10, -1.5, 123456789.125, "\\N"],
]

SCHEMA = pa.schema([
    ("user_id", pa.int64()),
    ("region", pa.string()),
    ("event_time", pa.timestamp("ms", tz="UTC")),
    ("flag", pa.bool_()),
    ("count", pa.int64()),
    ("single", pa.float32()),
    ("double", pa.float64()),
    ("note", pa.string()),
])


def json_value(value):
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def write_text() -> None:
    lines = [json.dumps(dict(zip(NAMES, map(json_value, row)))) + "\n" for row in ROWS]
    (FILES / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    (FILES / "rows.jsonl.gz").write_bytes(gzip.compress("".join(lines).encode(), mtime=0))

    def cell(value) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return '"' + value.replace('"', '""') + '"'
        return str(value)

    records = [",".join(NAMES), *(",".join(map(cell, row)) for row in ROWS)]
    (FILES / "rows.csv").write_text("\n".join(records) + "\n", encoding="utf-8", newline="")
    # What Excel makes of it: a byte order mark, carriage returns, and nothing behind the last record.
    (FILES / "excel.csv").write_text("\ufeff" + "\r\n".join(records), encoding="utf-8", newline="")
    (FILES / "rows.csv.gz").write_bytes(gzip.compress(("\n".join(records) + "\n").encode(), mtime=0))
    # Python's own writer, which has no quotes where they are not needed: an empty string is a null then.
    with (FILES / "python.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([NAMES, *ROWS])


def write_parquet() -> None:
    table = pa.Table.from_arrays([pa.array(column, type=field.type) for column, field in zip(zip(*ROWS), SCHEMA)], schema=SCHEMA)

    def write(name: str, table: pa.Table = table, **options) -> None:
        parquet.write_table(table, FILES / f"{name}.parquet", **{"row_group_size": 4, **options})

    for compression in ["none", "snappy", "gzip", "zstd", "lz4"]:
        write(compression, compression=compression)
    write("brotli", compression="brotli")
    write("one_group", row_group_size=100)
    write("pages_v2", data_page_version="2.0", use_dictionary=False)
    write("checksums", write_page_checksum=True)
    write("no_dictionary", use_dictionary=False)
    write("version_1", version="1.0")
    write("delta", use_dictionary=False, column_encoding={
        "user_id": "DELTA_BINARY_PACKED", "count": "DELTA_BINARY_PACKED", "region": "DELTA_BYTE_ARRAY",
        "note": "DELTA_LENGTH_BYTE_ARRAY", "single": "BYTE_STREAM_SPLIT", "double": "BYTE_STREAM_SPLIT"})
    write("int96", use_deprecated_int96_timestamps=True)
    # One page for each row, so that positions are between pages, too.
    write("small_pages", data_page_size=1, write_batch_size=1, row_group_size=100)
    cast = lambda name, kind: table.set_column(NAMES.index(name), name, table[name].cast(kind))
    write("microseconds", cast("event_time", pa.timestamp("us", tz="UTC")))
    write("nanoseconds", cast("event_time", pa.timestamp("ns")))
    write("large_strings", cast("note", pa.large_string()))
    times = pa.array([json_value(TIME)] * len(ROWS))
    write("time_as_text", table.set_column(NAMES.index("event_time"), "event_time", times))
    write("empty", table.slice(0, 0))
    write("no_column", table.drop_columns(["double", "note"]))

    # Numbers in other types, each of which holds these exactly.
    small = pa.table({
        "user_id": pa.array([1, 2, 3], pa.int16()), "region": ["a", "b", "c"],
        "event_time": pa.array([TIME] * 3, pa.timestamp("ms", tz="UTC")),
        "count": pa.array([0, 255, None], pa.uint8()), "single": pa.array([-3, 16777216, None], pa.int32()),
        "double": pa.array([0.5, None, NAN], pa.float32()), "flag": pa.nulls(3),
    })
    write("small_types", small)
    # And some that they do not hold, so that their rows are rejected.
    write("inexact", pa.table({
        "user_id": pa.array([1, 2, 3, 4], pa.uint64()), "region": ["a"] * 4,
        "event_time": pa.array([TIME] * 4, pa.timestamp("ms", tz="UTC")),
        "count": pa.array([0.5, 2.0**53, NAN, 2.0**53 - 1]), "single": pa.array([2**24 + 1, 0, 2**24 + 2, 1], pa.int64()),
        "double": pa.array([2**53 + 1, 2**63 + 2**11, 2**64 - 1, 2**53], pa.uint64()),
    }))
    # Every type that is none of the fields'.
    write("wrong_types", pa.table({
        "user_id": pa.array([1.0]), "region": pa.array([b"a"]), "event_time": pa.array([1767323045678]), "flag": pa.array([1]),
        "count": pa.array(["1"]), "single": pa.array([0.5]), "double": pa.array([[0.5]]), "note": pa.array([TIME.date()]),
        "extra": pa.array([1]),
    }))


def write_pandas() -> None:
    types = ["int64", "string", "datetime64[ms, UTC]", "boolean", "Int64", "float32", "float64", "string"]
    # By column, so that no integer is ever a float.
    frame = pd.DataFrame({name: pd.array(column, dtype=kind) for name, kind, column in zip(NAMES, types, zip(*ROWS))})
    frame.to_parquet(FILES / "pandas.parquet", index=False)
    frame.to_parquet(FILES / "pandas_index.parquet", index=True)
    frame.set_index("user_id").to_parquet(FILES / "pandas_named_index.parquet")
    frame.to_csv(FILES / "pandas.csv", index=False)
    frame.to_csv(FILES / "pandas_index.csv")
    frame.to_json(FILES / "pandas.jsonl", orient="records", lines=True, date_format="iso", double_precision=15)

    # Without nullable types, integers beside nulls become doubles, and booleans objects.
    plain = pd.DataFrame({
        "user_id": [1, 2, 3], "region": ["a", "b", "c"], "event_time": pd.to_datetime([TIME] * 3, utc=True),
        "flag": [True, None, False], "count": [5, None, -7], "double": [1, 2, 3],
    })
    assert str(plain["count"].dtype) == "float64"
    plain.to_parquet(FILES / "plain.parquet", index=False)
    plain.to_csv(FILES / "plain.csv", index=False)
    plain.to_json(FILES / "plain.jsonl", orient="records", lines=True, date_format="iso")


def write_large(folder: Path, rows: int) -> None:
    random = np.random.default_rng(4)
    makers = [
        lambda: random.integers(-(10**6), 10**6, rows),
        lambda: random.normal(size=rows).astype(np.float32),
        lambda: random.normal(size=rows) * 1000,
        lambda: random.random(rows) < 0.5,
        lambda: np.array([f"category {number}" for number in range(1000)])[random.integers(0, 1000, rows)],
    ]
    columns = {f"feature_{index}": makers[index % len(makers)]() for index in range(20)}
    frame = pd.DataFrame({"user_id": random.permutation(rows), "event_time": pd.Timestamp(TIME), **columns})
    # One row group: pyarrow's own have a million rows, too.
    frame.to_parquet(folder / "large.parquet", index=False, row_group_size=rows)
    frame.to_csv(folder / "large.csv", index=False)
    frame.to_json(folder / "large.jsonl", orient="records", lines=True, date_format="iso", double_precision=15)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--large"]:
        write_large(Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000)
        sys.exit()
    FILES.mkdir(exist_ok=True)
    for old in FILES.iterdir():
        old.unlink()
    write_text()
    write_parquet()
    write_pandas()
