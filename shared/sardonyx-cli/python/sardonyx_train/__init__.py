"""What every `functions/<model>/train/train.py` needs to turn a trained model into an artifact.

A training script describes its model in the manifest's own words and hands it over:

    VIEWS     the manifest's `feature_views`: what the online store holds, by join key
    FEATURES  the `features` of the manifest's one input: THE order of the model's columns
    predict   float32 tensor [N, F] -> {output name: array [N, ...]}, by the TRAINING LIBRARY

    encode                                  raw values -> the tensor that the service will build
    verify_onnx                             the exported graph gives what `predict` gives
    golden_rows, baseline, quality          the manifest's `golden`, `baseline` and `training.metrics`
    bands, print_report                     rows by decision, for golden rows, samples and the report
    write_artifact, write_jsonl             model/{model.onnx,manifest.json} and samples/*.jsonl
    write_training_rows                     samples/training_rows.parquet, for `sardonyx features check`

Raw values travel as *columns*: a dict of feature name to a sequence of raw values. `None` and NaN are missing
values; the strings "NaN", "Infinity" and "-Infinity" stand for the numbers that JSON lacks, as in the manifest.

# The manifest

    name, version, artifact   the model's identity; file name, sha256 and size of model.onnx
    feature_views[]           name, join_keys[{name, type}], layout ("native", or "feast" with its table: written by
                              `sardonyx features import-feast`), features[{name, type}] in stored order,
                              max_age_seconds and what to do beyond it (`stale`: "serve" or "reject")
    catalogue                 of a model that ranks offers: features[{name, type}] of an offer, regions, categories,
                              `redeemed` (the stored string that lists a user's redeemed offers), max_age_seconds, stale
    inputs[].features[]       name; source ("request", "catalogue" or a view's name); type (a stored feature has its
                              view's, an offer's the catalogue's); optional range {min, max}; categories (a string is
                              encoded as the index of its category); missing: "reject", "nan" or {"default": raw value}
    outputs[]                 name in the ONNX graph, role, datatype, shape, classes
    parameters                numbers for the model crate's post-processing, such as thresholds
    golden                    raw rows with the training library's outputs, checked at every cold start
    baseline                  counts per bin of every feature and of the score, on rows held out from training
    training, card            where the model comes from, how good it is, and for what it is meant

Types are bool, int64, float32, float64 and string. `shared/sardonyx-core/schema/manifest.schema.json` defines the format.
"""

from .artifact import classifier_outputs, verify_onnx, write_artifact, write_jsonl
from .evaluation import bands, baseline, golden_rows, print_report, quality
from .features import columns_of, encode, feature_types, short_float, take_rows
from .training_rows import write_training_rows

__all__ = [
    "bands", "baseline", "classifier_outputs", "columns_of", "encode", "feature_types", "golden_rows",
    "print_report", "quality", "short_float", "take_rows", "verify_onnx", "write_artifact", "write_jsonl",
    "write_training_rows",
]
