"""What every `functions/<model>/train/train.py` needs to turn a trained model into an artifact.

A training script describes its model in the manifest's own words and hands it over:

    VIEWS    = the manifest's `feature_views`: what the online store holds, by join key
    FEATURES = the `features` of the manifest's one input: THE order of the model's columns

    encode(FEATURES, columns)      raw values -> the float32 tensor that the service will build
    verify_onnx(...)               ONNX Runtime on the exported file == the training library
    golden_rows, baseline, quality the manifest's `golden`, `baseline` and `training.metrics`
    write_artifact(...)            model/model.onnx and model/manifest.json
    write_jsonl(...)               samples/<view>.jsonl and samples/requests.jsonl

Raw values travel as *columns*: a dict of feature name to a sequence of raw values. `None` is a
missing value and NaN a number that is not one; strings may stand for the numbers that JSON lacks
("NaN", "Infinity", "-Infinity"), as in the manifest and the samples.

# The manifest

    name, version, artifact   the model's identity; file name, sha256 and size of model.onnx
    feature_views[]           name, join_keys[{name, type}], layout, features[{name, type}] in stored order,
                              max_age_seconds and what to do beyond it (`stale`: "serve" or "reject")
    inputs[].features[]       name; source ("request" or a view's name); type (request only: a view has its own);
                              optional range {min, max} and categories (a string feature is encoded as the index
                              of its category); missing: "reject", "nan" or {"default": raw value}
    outputs[]                 name in the ONNX graph, role, datatype, shape, classes
    parameters                numbers for the model crate's post-processing, such as thresholds
    golden                    rows by feature name with the training library's outputs: checked at every cold start
    baseline                  counts per bin of every feature and of the score, on rows held out from training
    training, card            where the model comes from, how good it is, and for whom it is meant

Types are bool, int64, float32, float64 and string. The format's definition is
`shared/sardonyx-core/schema/manifest.schema.json`.
"""

from .artifact import verify_onnx, write_artifact, write_jsonl
from .evaluation import baseline, golden_rows, print_report, quality, short_float
from .features import columns_of, encode, feature_types, take_rows

__all__ = [
    "baseline", "columns_of", "encode", "feature_types", "golden_rows",
    "print_report", "quality", "short_float", "take_rows", "verify_onnx", "write_artifact", "write_jsonl",
]
