//! The JSON of the [Open Inference Protocol](https://github.com/kserve/open-inference-protocol) V2, and its tensors.
//!
//! JSON has no NaN and no infinity. In the data of floating-point tensors they are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`,
//! as in [protobuf's JSON mapping](https://protobuf.dev/programming-guides/json/), in requests and in responses.

mod data;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::error::InvalidInput;
use crate::tensor::{Datatype, Tensor, TensorSpec};

/// A request for inference.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct InferRequest {
    /// Given back in the response.
    #[serde(default)]
    pub id: Option<String>,
    /// The input tensors.
    pub inputs: Vec<RequestInput>,
    /// The outputs that are wanted; all of them when there are none.
    #[serde(default)]
    pub outputs: Vec<RequestedOutput>,
}

/// An input tensor of a request.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RequestInput {
    /// The tensor's name.
    pub name: String,
    /// The dimensions.
    pub shape: Vec<u64>,
    /// The element type.
    pub datatype: Datatype,
    /// Options of this tensor.
    #[serde(default)]
    pub parameters: Map<String, Json>,
    /// The elements, flat or nested, in row-major order.
    #[serde(default)]
    pub data: Option<Json>,
}

/// An output that is wanted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RequestedOutput {
    /// The tensor's name.
    pub name: String,
}

/// The answer to an [`InferRequest`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InferResponse {
    /// The model's name.
    pub model_name: String,
    /// The model's version, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_version: Option<String>,
    /// The id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The output tensors.
    pub outputs: Vec<ResponseOutput>,
}

/// An output tensor of a response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResponseOutput {
    /// The tensor's name.
    pub name: String,
    /// Options of this tensor.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Json>,
    /// The tensor.
    #[serde(flatten, serialize_with = "data::serialize_tensor")]
    pub tensor: Tensor,
}

/// What is known of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelMetadata {
    /// The model's name.
    pub name: String,
    /// The versions that can be asked for.
    pub versions: Vec<String>,
    /// The format and the runtime of the model.
    pub platform: &'static str,
    /// The inputs.
    pub inputs: Vec<TensorMetadata>,
    /// The outputs.
    pub outputs: Vec<TensorMetadata>,
}

/// What is known of an input or an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorMetadata {
    /// The tensor's name.
    pub name: String,
    /// The element type.
    pub datatype: Datatype,
    /// The dimensions; -1 is one that each request may choose.
    pub shape: Vec<i64>,
}

impl From<&TensorSpec> for TensorMetadata {
    fn from(spec: &TensorSpec) -> Self {
        let dimension = |dimension: &Option<usize>| dimension.and_then(|size| i64::try_from(size).ok()).unwrap_or(-1);
        Self {
            name: spec.name.clone(),
            datatype: spec.datatype,
            shape: spec.shape.iter().flatten().map(dimension).collect(),
        }
    }
}

/// What the metadata says of a model's platform.
pub const PLATFORM: &str = "sardonyx_onnx";

impl InferRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// Says where the JSON is not of the protocol's form.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidInput> {
        serde_json::from_slice(json).map_err(|error| InvalidInput::from_json_error("body", &error))
    }

    /// The tensors, in the order of the model's inputs.
    ///
    /// # Errors
    /// Names the tensor that is missing, unknown, given twice, of another datatype or shape than the model's, or whose data do not fit.
    pub fn tensors(&self, specs: &[TensorSpec]) -> Result<Vec<Tensor>, InvalidInput> {
        let names = || {
            specs
                .iter()
                .map(|spec| spec.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        for (index, input) in self.inputs.iter().enumerate() {
            let field = || format!("inputs[{index}].name");
            if !specs.iter().any(|spec| spec.name == input.name) {
                return Err(InvalidInput::unexpected(
                    field(),
                    &format!("one of {}", names()),
                    &Json::from(&*input.name),
                ));
            }
            if self.inputs[..index].iter().any(|earlier| earlier.name == input.name) {
                return Err(InvalidInput::new(field(), "is given twice"));
            }
        }
        let tensors = specs.iter().map(|spec| {
            let position = self.inputs.iter().position(|input| input.name == spec.name);
            let index = position.ok_or_else(|| {
                InvalidInput::new(
                    "inputs",
                    format!("lacks the tensor {}; the model takes {}", spec.name, names()),
                )
            })?;
            self.inputs[index].tensor(spec, &format!("inputs[{index}]"))
        });
        tensors.collect()
    }

    /// Checks that the model has the wanted outputs.
    ///
    /// # Errors
    /// Names an output that it does not have.
    pub fn check_outputs(&self, specs: &[TensorSpec]) -> Result<(), InvalidInput> {
        for (index, output) in self.outputs.iter().enumerate() {
            if !specs.iter().any(|spec| spec.name == output.name) {
                let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
                return Err(InvalidInput::unexpected(
                    format!("outputs[{index}].name"),
                    &format!("one of {}", names.join(", ")),
                    &Json::from(&*output.name),
                ));
            }
        }
        Ok(())
    }

    /// The wanted outputs, in the model's order, from all that the model gave.
    pub fn select_outputs(&self, specs: &[TensorSpec], tensors: Vec<Tensor>) -> Vec<ResponseOutput> {
        let is_wanted = |name: &str| self.outputs.is_empty() || self.outputs.iter().any(|output| output.name == name);
        let outputs = specs.iter().zip(tensors).filter(|(spec, _)| is_wanted(&spec.name));
        outputs
            .map(|(spec, tensor)| ResponseOutput {
                name: spec.name.clone(),
                parameters: Map::new(),
                tensor,
            })
            .collect()
    }
}

impl RequestInput {
    fn tensor(&self, spec: &TensorSpec, path: &str) -> Result<Tensor, InvalidInput> {
        if self.datatype != spec.datatype {
            return Err(InvalidInput::unexpected(
                format!("{path}.datatype"),
                &spec.datatype.to_string(),
                &Json::from(self.datatype.to_string()),
            ));
        }
        let shape: Option<Vec<usize>> = self
            .shape
            .iter()
            .map(|&dimension| usize::try_from(dimension).ok())
            .collect();
        let fits = |shape: &[usize]| {
            spec.shape.as_ref().is_none_or(|dimensions| {
                dimensions.len() == shape.len()
                    && dimensions
                        .iter()
                        .zip(shape)
                        .all(|(dimension, &size)| dimension.is_none_or(|fixed| fixed == size))
            })
        };
        let shape = shape.filter(|shape| fits(shape)).ok_or_else(|| {
            InvalidInput::unexpected(
                format!("{path}.shape"),
                &format!("{:?} (-1 is any size)", TensorMetadata::from(spec).shape),
                &Json::from(self.shape.clone()),
            )
        })?;
        if self.parameters.contains_key("binary_data_size") {
            return Err(InvalidInput::new(
                format!("{path}.parameters.binary_data_size"),
                "the binary data extension is not supported; give the elements in data",
            ));
        }
        let field = format!("{path}.data");
        let json = self
            .data
            .as_ref()
            .ok_or_else(|| InvalidInput::new(field.as_str(), "is missing"))?;
        let data = data::read(json, self.datatype, &field)?;
        let len = data.len();
        Tensor::new(shape, data).map_err(|_| {
            InvalidInput::new(
                field,
                format!("has {len} elements, which is not what the shape {:?} holds", self.shape),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(name: &str, datatype: Datatype, shape: &[Option<usize>]) -> TensorSpec {
        TensorSpec {
            name: name.into(),
            datatype,
            shape: Some(shape.to_vec()),
        }
    }

    fn tensors(request: &Json, specs: &[TensorSpec]) -> Result<Vec<Tensor>, String> {
        let request =
            InferRequest::from_json(request.to_string().as_bytes()).map_err(|error| error.public_message())?;
        request.tensors(specs).map_err(|error| error.public_message())
    }

    #[test]
    fn tensors_come_in_the_order_of_the_model() {
        let specs = [
            spec("a", Datatype::Fp32, &[None, Some(2)]),
            spec("b", Datatype::Bytes, &[None]),
        ];
        let request = json!({"inputs": [
            {"name": "b", "shape": [2], "datatype": "BYTES", "data": ["x", "y"]},
            {"name": "a", "shape": [2, 2], "datatype": "FP32", "data": [[1, "NaN"], [2.5, "-Infinity"]]},
        ]});
        let tensors = tensors(&request, &specs).expect("valid");
        assert_eq!(tensors[0].shape(), [2, 2]);
        assert!(tensors[0].data().number(1).is_some_and(f64::is_nan));
        assert_eq!(tensors[0].data().number(3), Some(f64::NEG_INFINITY));
        assert_eq!(tensors[1].datatype(), Datatype::Bytes);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let specs = [spec("a", Datatype::Fp32, &[None, Some(2)])];
        let input = |change: Json| {
            let mut input = json!({"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]});
            input
                .as_object_mut()
                .expect("object")
                .extend(change.as_object().expect("object").clone());
            json!({"inputs": [input]})
        };
        let message = |request: &Json| tensors(request, &specs).expect_err("invalid");
        assert_eq!(
            message(&input(json!({"name": "z"}))),
            r#"inputs[0].name: expected one of a, got "z""#
        );
        assert_eq!(
            message(&input(json!({"datatype": "INT64"}))),
            r#"inputs[0].datatype: expected FP32, got "INT64""#
        );
        assert_eq!(
            message(&input(json!({"shape": [2]}))),
            "inputs[0].shape: expected [-1, 2] (-1 is any size), got [2]"
        );
        assert_eq!(
            message(&input(json!({"data": [1]}))),
            "inputs[0].data: has 1 elements, which is not what the shape [1, 2] holds"
        );
        assert_eq!(
            message(&input(json!({"data": [1, "x"]}))),
            r#"inputs[0].data[1]: expected a number of FP32, got "x""#
        );
        assert_eq!(
            message(&json!({"inputs": []})),
            "inputs: lacks the tensor a; the model takes a"
        );
        assert!(message(&input(json!({"shape": [u64::MAX, 2]}))).starts_with("inputs[0].data: has 2 elements"));
    }

    #[test]
    fn responses_print_floats_with_their_own_digits() {
        let response = InferResponse {
            model_name: "m".into(),
            model_version: Some("1".into()),
            id: None,
            outputs: vec![ResponseOutput {
                name: "p".into(),
                parameters: Map::new(),
                tensor: Tensor::new(
                    vec![1, 3],
                    crate::tensor::TensorData::Fp32(vec![0.1, f32::NAN, f32::INFINITY]),
                )
                .expect("fits"),
            }],
        };
        assert_eq!(
            serde_json::to_string(&response).expect("serialises"),
            r#"{"model_name":"m","model_version":"1","outputs":[{"name":"p","datatype":"FP32","shape":[1,3],"data":[0.1,"NaN","Infinity"]}]}"#
        );
    }
}
