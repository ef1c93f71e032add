use sardonyx_core::artifact::ModelFile;
use sardonyx_core::manifest::Manifest;

use crate::error::LoadError;
use crate::fallback::Fallback;
use crate::graph::{File, Graph};
use crate::model::OnnxModel;
use crate::packed::{self, PackError};
use crate::{agreement, golden};

/// Makes models of files.
#[derive(Clone, Copy)]
pub struct Loader {
    fallback: Option<&'static dyn Fallback>,
}

/// Loads graphs all of whose operators are computed here.
pub const LOADER: Loader = Loader { fallback: None };

impl Loader {
    /// One that also loads graphs that only a fallback runs.
    pub const fn with_fallback(fallback: &'static dyn Fallback) -> Self {
        Self {
            fallback: Some(fallback),
        }
    }

    /// Loads an ONNX file by what its graph declares. The first dimension of an input is the batch, unless it is fixed.
    ///
    /// # Errors
    /// [`LoadError::Corrupt`], [`LoadError::Unsupported`] and [`LoadError::Compile`].
    pub fn from_bytes(self, bytes: &[u8]) -> Result<OnnxModel, LoadError> {
        let model = "the model";
        let graph = Graph::decode(model, File::Borrowed(bytes), self.fallback)?;
        let (inputs, outputs) = (graph.inputs.clone(), graph.outputs.clone());
        OnnxModel::compile(model, graph, &inputs, &outputs, self.fallback)
    }

    /// Loads the file of a manifest: checks that it is the very one, or for one from a bundle its checksum, that the graph is as the
    /// manifest says, and that the golden rows come out right, in one batch and alone.
    ///
    /// The inputs and outputs are the manifest's, in its order.
    ///
    /// # Errors
    /// Every [`LoadError`]; they name the model and its version.
    pub fn load(self, manifest: &Manifest, file: &ModelFile) -> Result<OnnxModel, LoadError> {
        let name = format!("{} version {}", manifest.name, manifest.version);
        let file = agreement::check_file(&name, manifest, file)?;
        let graph = Graph::decode(&name, file, self.fallback)?;
        let inputs = agreement::inputs(&name, manifest, &graph)?;
        let outputs = agreement::outputs(&name, manifest, &graph)?;
        let model = OnnxModel::compile(&name, graph, &inputs, &outputs, self.fallback)?;
        agreement::check_outputs(&name, manifest, &model)?;
        golden::check(&name, manifest, &model)?;
        Ok(model)
    }

    /// Packs an ONNX file: trees in the form in which they are evaluated, tensors as raw bytes, and nothing that is only for people.
    ///
    /// What comes out is the same for the same file. It answers like the original, to the bit: that is tried before it is given.
    ///
    /// # Errors
    /// [`PackError::Load`] for a model that cannot be run here.
    pub fn pack(self, onnx: &[u8]) -> Result<Vec<u8>, PackError> {
        packed::pack(self, onnx)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;
    use sardonyx_core::ports::Model;
    use sardonyx_core::tensor::{Tensor, TensorData};

    use super::*;
    use crate::proto::tensor_proto::DataType;
    use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};
    use crate::proto::{TensorShapeProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto};

    const FEATURES: usize = 300;
    const OUTPUTS: usize = 64;

    fn value(name: &str, columns: usize) -> ValueInfoProto {
        let dimension = |value| tensor_shape_proto::Dimension { value };
        let columns = tensor_shape_proto::dimension::Value::DimValue(columns as i64);
        ValueInfoProto {
            name: name.into(),
            r#type: Some(TypeProto {
                value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                    elem_type: DataType::Float as i32,
                    shape: Some(TensorShapeProto {
                        dim: vec![dimension(None), dimension(Some(columns))],
                    }),
                })),
            }),
        }
    }

    fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
        NodeProto {
            op_type: operator.into(),
            input: inputs.iter().map(|name| (*name).into()).collect(),
            output: vec![output.into()],
            ..Default::default()
        }
    }

    fn model(graph: GraphProto) -> Vec<u8> {
        let set = OperatorSetIdProto {
            domain: String::new(),
            version: 13,
        };
        let model = ModelProto {
            opset_import: vec![set],
            graph: Some(graph),
            ..Default::default()
        };
        model.encode_to_vec()
    }

    #[test]
    fn an_operator_that_is_not_there_is_in_the_way_only_of_what_needs_it() {
        let bytes = model(GraphProto {
            node: vec![node("Relu", &["x"], "y"), node("HardSigmoid", &["x"], "z")],
            input: vec![value("x", 2)],
            output: vec![value("y", 2), value("z", 2)],
            ..Default::default()
        });
        let compile = |wanted: &[&str]| {
            let graph = Graph::decode("two", File::Borrowed(&bytes), None).expect("decodes");
            let (inputs, mut outputs) = (graph.inputs.clone(), graph.outputs.clone());
            outputs.retain(|output| wanted.contains(&output.name.as_str()));
            OnnxModel::compile("two", graph, &inputs, &outputs, None)
        };
        assert!(compile(&["y"]).is_ok());
        for wanted in [&["z"][..], &["y", "z"]] {
            let Err(LoadError::Unsupported { operators, .. }) = compile(wanted) else {
                panic!("{wanted:?} needs HardSigmoid")
            };
            assert_eq!(operators.len(), 1);
            assert_eq!(operators[0].operator, "ai.onnx.HardSigmoid");
        }
    }

    /// A layer with weights that are large enough to stay in the file, which are an output, too.
    fn layer() -> Vec<u8> {
        let weights = (0..FEATURES * OUTPUTS).flat_map(|index| (index as f32 % 7.0 - 3.0).to_le_bytes());
        model(GraphProto {
            node: vec![node("MatMul", &["x", "w"], "y")],
            initializer: vec![TensorProto {
                name: "w".into(),
                data_type: DataType::Float as i32,
                dims: vec![FEATURES as i64, OUTPUTS as i64],
                raw_data: weights.collect(),
                ..Default::default()
            }],
            input: vec![value("x", FEATURES)],
            output: vec![value("y", OUTPUTS), value("w", OUTPUTS)],
            ..Default::default()
        })
    }

    #[test]
    fn weights_are_the_same_whether_or_not_they_are_shared_with_the_file() {
        let file = Bytes::from(layer());
        let [shared, read] = [File::Shared(&file), File::Borrowed(&file)].map(|source| {
            let is_shared = source.shared().is_some();
            let graph = Graph::decode("a layer", source, None).expect("decodes");
            assert_eq!(graph.source.weights.shared(0).is_some(), is_shared);
            let (inputs, outputs) = (graph.inputs.clone(), graph.outputs.clone());
            OnnxModel::compile("a layer", graph, &inputs, &outputs, None).expect("compiles")
        });
        assert!(file.is_unique(), "the file is let go");
        let x: Vec<f32> = (0..2 * FEATURES).map(|index| index as f32 % 5.0).collect();
        let x = Tensor::new(vec![2, FEATURES], TensorData::Fp32(x)).expect("fits");
        let [first, second] = [shared, read].map(|model| model.infer(std::slice::from_ref(&x)).expect("runs"));
        assert_eq!(first, second);
        let TensorData::Fp32(sums) = first[0].data() else {
            panic!("{:?}", first[0].datatype())
        };
        let TensorData::Fp32(x) = x.data() else {
            panic!("{:?}", x.datatype())
        };
        // Whole numbers, so that the order of the additions makes no difference.
        let weight = |feature: usize, output: usize| (feature * OUTPUTS + output) as f32 % 7.0 - 3.0;
        let expected = (0..FEATURES).map(|feature| x[FEATURES + feature] * weight(feature, 5));
        assert_eq!(sums[OUTPUTS + 5], expected.sum::<f32>());
    }

    /// The packed form of the layer, from a line of the cache on.
    fn packed_layer() -> Bytes {
        let packed = LOADER.pack(&layer()).expect("packs");
        let mut place = bytes::BytesMut::zeroed(packed.len() + 64);
        let start = place.as_ptr().align_offset(64);
        place[start..][..packed.len()].copy_from_slice(&packed);
        place.freeze().slice(start..start + packed.len())
    }

    #[test]
    fn the_weights_of_a_packed_layer_are_read_where_they_are() {
        let file = packed_layer();
        let x: Vec<f32> = (0..2 * FEATURES).map(|index| (index as f32).sin()).collect();
        let x = Tensor::new(vec![2, FEATURES], TensorData::Fp32(x)).expect("fits");
        let expected = LOADER
            .from_bytes(&layer())
            .expect("loads")
            .infer(std::slice::from_ref(&x));
        let expected = expected.expect("runs");
        let load = |file| {
            let graph = Graph::decode("a layer", file, None).expect("decodes");
            let (inputs, mut outputs) = (graph.inputs.clone(), graph.outputs.clone());
            outputs.retain(|output| output.name == "y");
            OnnxModel::compile("a layer", graph, &inputs, &outputs, None).expect("compiles")
        };
        let model = load(File::Shared(&file));
        assert!(!file.is_unique(), "the model reads the file");
        assert_eq!(model.infer(std::slice::from_ref(&x)).expect("runs"), expected[..1]);
        drop(model);
        assert!(file.is_unique());
        assert_eq!(load(File::Borrowed(&file)).infer(&[x]).expect("runs"), expected[..1]);
    }

    #[test]
    fn a_packed_matrix_must_have_panels_that_fit_it() {
        let file = packed_layer();
        let change = |change: fn(&mut TensorProto)| {
            let content = packed::open("a layer", File::Borrowed(&file)).expect("opens");
            let mut proto = ModelProto::decode(content.model).expect("decodes");
            change(&mut proto.graph.as_mut().expect("is there").initializer[0]);
            let changed = packed::close(&proto.encode_to_vec(), content.trees, content.panels);
            LOADER
                .from_bytes(&changed)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert_eq!(change(|_| ()), Ok(()));
        for broken in [
            change(|tensor| tensor.dims = vec![OUTPUTS as i64, FEATURES as i64]),
            change(|tensor| tensor.dims = vec![(FEATURES * OUTPUTS) as i64]),
            change(|tensor| tensor.dims[0] = -1),
            change(|tensor| tensor.data_type = DataType::Double as i32),
            change(|tensor| tensor.dims[0] += 1),
            change(|tensor| tensor.panels_by_output = Some(true)),
            change(|tensor| tensor.float_data = vec![1.0; FEATURES * OUTPUTS]),
            change(|tensor| tensor.raw_data = vec![0; 4 * FEATURES * OUTPUTS]),
        ] {
            let error = broken.expect_err("does not fit");
            assert!(error.contains("the tensor \"w\" has no panels that fit it"), "{error}");
        }
        for unread in [
            change(|tensor| tensor.dims[0] -= 1),
            change(|tensor| tensor.panels_by_output = None),
        ] {
            assert!(unread.expect_err("has more panels").contains("panels of no tensor"));
        }
        // Of a file that is not packed, nothing is in panels.
        let mut proto = ModelProto::decode(&*layer()).expect("decodes");
        proto.graph.as_mut().expect("is there").initializer[0].panels_by_output = Some(false);
        let error = LOADER.from_bytes(&proto.encode_to_vec()).err().expect("has no panels");
        assert!(error.to_string().contains("no panels"), "{error}");
        let graph = proto.graph.as_mut().expect("is there");
        graph.node[0].attribute.push(AttributeProto {
            t: graph.initializer[0]
                .panels_by_output
                .take()
                .map(|is_by_output| TensorProto {
                    panels_by_output: Some(is_by_output),
                    ..Default::default()
                }),
            ..Default::default()
        });
        let error = LOADER.from_bytes(&proto.encode_to_vec()).err().expect("has no panels");
        assert!(error.to_string().contains("no initializer of the model"), "{error}");
    }
}
