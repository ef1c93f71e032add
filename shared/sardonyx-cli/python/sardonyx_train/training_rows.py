"""Training rows for `sardonyx features check`."""

import pyarrow
import pyarrow.parquet

from .features import feature_types, raw_value

ARROW_TYPES = {"bool": pyarrow.bool_(), "int64": pyarrow.int64(), "float32": pyarrow.float32(),
               "float64": pyarrow.float64(), "string": pyarrow.string()}


def write_training_rows(path, views, features, columns, inputs, outputs):
    """Writes rows with what the training library saw and said of them, as Parquet; some hundred are enough.

    `columns` are the raw values of the features, by name. `inputs` and `outputs` are arrays [N] or [N, width] by the
    names of the graph's tensors: of each input the very matrix that the library learned from, of each output what the
    library makes of it. In the file, a feature is a column of its name and type, and of a tensor each column is one:
    `input.features.0`, `output.probabilities.1`.

    A missing raw value is null, save where a view stores a float: a NaN there is what a batch job writes for 0 / 0.
    """
    types = feature_types(views, features)
    stored = {feature["name"] for view in views for feature in view["features"]}
    arrays = {f["name"]: _raw_column(types[f["name"]], columns[f["name"]], f["name"] in stored) for f in features}
    for prefix, tensors in (("input", inputs), ("output", outputs)):
        for name, tensor in tensors.items():
            for i, column in enumerate(tensor.reshape(len(tensor), -1).T):
                arrays[f"{prefix}.{name}.{i}"] = pyarrow.array(column, from_pandas=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(arrays), path, compression="zstd")


def _raw_column(type_, values, is_stored):
    keeps_nan = is_stored and type_ in ("float32", "float64")
    raw = [value if keeps_nan and value != value else raw_value(type_, value) for value in values]
    return pyarrow.array(raw, ARROW_TYPES[type_], from_pandas=False)
