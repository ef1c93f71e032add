//! Small models for tests of what lies around a model.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::manifest::Manifest;
use crate::ports::{Cause, Model, ModelError};
use crate::predict::{Instance, Postprocess, PredictContext};
use crate::tensor::{Datatype, Tensor, TensorData, TensorSpec};

/// A manifest with one feature of each policy from each source, for [`SumModel`].
///
/// The instance has `card_id` and `user_id`; `amount` is rejected when missing, `channel` defaults to `web`, `hour` to 12;
/// `card_count` becomes NaN, `user_score` defaults to 0.5 from a view that may be stale, and `user_age` from a view that may not is required.
pub fn manifest_json() -> Json {
    json!({
        "manifest_version": 1,
        "name": "sum",
        "version": "7",
        "artifact": {"file": "model.onnx", "sha256": "0".repeat(64), "size_bytes": 1},
        "feature_views": [
            {"name": "card", "join_keys": [{"name": "card_id", "type": "string"}],
             "features": [{"name": "card_count", "type": "int64"}], "max_age_seconds": 100, "stale": "serve"},
            {"name": "user", "join_keys": [{"name": "user_id", "type": "int64"}],
             "features": [{"name": "user_age", "type": "int64"}, {"name": "user_score", "type": "float64"}],
             "max_age_seconds": 100, "stale": "reject"}
        ],
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 6], "features": [
            {"name": "amount", "source": "request", "type": "float64", "range": {"min": 0, "max": 1000}, "missing": "reject"},
            {"name": "channel", "source": "request", "type": "string", "categories": ["pos", "web"], "missing": {"default": "web"}},
            {"name": "hour", "source": "request", "type": "int64", "missing": {"default": 12}},
            {"name": "card_count", "source": "card", "missing": "nan"},
            {"name": "user_score", "source": "user", "range": {"max": 10}, "missing": {"default": 0.5}},
            {"name": "user_age", "source": "user", "missing": "reject"}
        ]}],
        "outputs": [{"name": "sum", "role": "score", "datatype": "FP32", "shape": [-1, 1]}],
        "golden": {"tolerance": 1e-5, "rows": [{
            "features": {"amount": 1, "channel": "pos", "hour": 0, "card_count": 0, "user_score": 0, "user_age": 0},
            "outputs": {"sum": 1}
        }]},
        "baseline": {"rows": 0, "features": {}, "score": {"edges": [0], "counts": [], "missing": 0}},
        "training": {"library": "none", "seed": 0, "rows": 0, "metrics": {}},
        "card": {"description": "", "owner": "", "intended_use": "", "limitations": ""}
    })
}

/// [`manifest_json`] with a list of three for `user_score`, which Feast stores.
pub fn list_manifest_json() -> Json {
    let mut manifest = manifest_json();
    manifest["feature_views"][1]["layout"] = json!("feast");
    manifest["feature_views"][1]["table"] = json!("shop.user");
    manifest["feature_views"][1]["features"][1]["length"] = json!(3);
    manifest["inputs"][0]["shape"] = json!([-1, 8]);
    manifest["golden"]["rows"][0]["features"]["user_score"] = json!([0, 0, 0]);
    manifest
}

/// [`manifest_json`], validated.
pub fn manifest() -> Manifest {
    Manifest::from_json(manifest_json().to_string().as_bytes()).expect("is valid")
}

/// A tensor of single-precision rows.
pub(super) fn rows(name: &str, width: usize) -> TensorSpec {
    TensorSpec {
        name: name.into(),
        datatype: Datatype::Fp32,
        shape: Some(vec![None, Some(width)]),
    }
}

/// The instances of a request, with the ids `id-0` and so on.
pub fn instances(fields: &[Json]) -> Vec<Instance> {
    let instance = |(index, fields): (usize, &Json)| Instance {
        id: format!("id-{index}"),
        path: format!("instances[{index}]").into(),
        fields: serde_json::from_value(fields.clone()).expect("is an object"),
    };
    fields.iter().enumerate().map(instance).collect()
}

/// What a prediction at that time needs to know, measured by nobody.
pub fn context(now_ms: i64) -> PredictContext<'static> {
    PredictContext {
        now_ms,
        fetch_timeout: Duration::from_secs(1),
        stage_done: &|_| {},
    }
}

/// Adds up the features of each row, a NaN as 1000. Fails on a batch in which any row's first feature is [`SumModel::POISON`], and panics
/// where it is [`SumModel::PANIC`].
#[derive(Debug)]
pub struct SumModel {
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

impl SumModel {
    /// The amount on which the model fails.
    pub const POISON: f32 = 666.0;
    /// The amount on which the model panics.
    pub const PANIC: f32 = 667.0;
    /// The sum on which [`SumPostprocess`] panics.
    pub const PANIC_SUM: f32 = 711.0;
}

impl Default for SumModel {
    fn default() -> Self {
        Self {
            inputs: vec![rows("x", 6)],
            outputs: vec![rows("sum", 1)],
        }
    }
}

impl Model for SumModel {
    fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ModelError> {
        let [input] = inputs else { panic!("one input") };
        let TensorData::Fp32(values) = input.data() else {
            panic!("an FP32 input")
        };
        let rows: Vec<_> = values.chunks(6).collect();
        assert!(rows.iter().all(|row| row[0] != Self::PANIC), "told to panic");
        if rows.iter().any(|row| row[0] == Self::POISON) {
            return Err(ModelError::Failed("poisoned".into()));
        }
        let sums = rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|value| if value.is_nan() { 1000.0 } else { *value })
                    .sum()
            })
            .collect();
        Ok(vec![
            Tensor::new(vec![rows.len(), 1], TensorData::Fp32(sums)).expect("fits"),
        ])
    }
}

/// Gives the sum as the prediction.
#[derive(Debug)]
pub struct SumPostprocess;

/// The sum of the features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sum {
    /// The sum.
    pub sum: f32,
}

impl Postprocess for SumPostprocess {
    type Output = Sum;

    fn postprocess(&self, outputs: &[Tensor], row: usize) -> Result<Sum, Cause> {
        let sum = outputs[0].data().number(row).ok_or("there is no such row")?;
        assert!(sum as f32 != SumModel::PANIC_SUM, "told to panic");
        Ok(Sum { sum: sum as f32 })
    }
}
