//! Whether the artifact is what its manifest says.

use sardonyx_core::artifact::ModelFile;
use sardonyx_core::manifest::{InputSpec, Manifest};
use sardonyx_core::ports::Model;
use sardonyx_core::tensor::TensorSpec;
use serde_json::Value as Json;

use crate::error::LoadError;
use crate::graph::{BATCH, Dimension, File, Graph, InputDeclaration, OutputDeclaration};
use crate::model::OnnxModel;
use crate::packed::is_packed;

/// A file that is the manifest's, or one that will be checked as it is opened.
pub(crate) fn check_file<'a>(model: &str, manifest: &Manifest, file: &'a ModelFile) -> Result<File<'a>, LoadError> {
    let corrupt = |problem: String| LoadError::Corrupt {
        model: model.to_owned(),
        problem,
        source: None,
    };
    let artifact = match file {
        ModelFile::Packed(file) if is_packed(file.bytes()) => return Ok(File::Checksummed(file)),
        ModelFile::Packed(_) => return Err(corrupt("what is in the bundle is not a packed model".into())),
        ModelFile::Named(artifact) => artifact,
    };
    let expected = &manifest.artifact;
    let size = artifact.bytes().len();
    if expected.size_bytes != size as u64 {
        return Err(corrupt(format!(
            "it has {size} bytes, but the manifest says {}",
            expected.size_bytes
        )));
    }
    let sha256 = artifact.sha256();
    if sha256 != expected.sha256 {
        return Err(corrupt(format!(
            "its SHA-256 is {sha256}, but the manifest says {}; the file is damaged, or the manifest belongs to another one",
            expected.sha256
        )));
    }
    Ok(File::Shared(artifact.bytes()))
}

/// The graph's inputs in the order and with the shapes of the manifest, which knows dimensions that exporters leave open.
pub(crate) fn inputs(model: &str, manifest: &Manifest, graph: &Graph) -> Result<Vec<InputDeclaration>, LoadError> {
    if let Some(unknown) = graph
        .inputs
        .iter()
        .find(|input| !manifest.inputs.iter().any(|spec| spec.name == input.name))
    {
        let problem = format!("the graph has an input {:?} that the manifest lacks", unknown.name);
        return Err(contradiction(model, problem));
    }
    let declaration = |spec: &InputSpec| {
        let name = &spec.name;
        let Some(declared) = graph.inputs.iter().find(|input| input.name == *name) else {
            let names: Vec<_> = graph.inputs.iter().map(|input| input.name.as_str()).collect();
            let problem = format!("the graph has no input {name:?}; it has {}", names.join(", "));
            return Err(contradiction(model, problem));
        };
        if declared.datatype != spec.datatype {
            let problem = format!(
                "the input {name:?} is {} in the graph, not {}",
                declared.datatype, spec.datatype
            );
            return Err(contradiction(model, problem));
        }
        let declared_spec = declared.spec();
        if !fits(&declared_spec, &spec.shape) {
            let problem = format!(
                "the input {name:?} is {} in the graph, not {:?}",
                shape_text(&declared_spec),
                spec.shape
            );
            return Err(contradiction(model, problem));
        }
        if let Some(vocabulary) = graph.vocabularies.get(name) {
            check_vocabulary(model, spec, vocabulary)?;
        }
        let dimension = |size: &i64| match usize::try_from(*size) {
            Ok(size) => Dimension::Fixed(size),
            Err(_) => Dimension::Named(BATCH.into()),
        };
        Ok(InputDeclaration {
            name: name.clone(),
            datatype: spec.datatype,
            shape: Some(spec.shape.iter().map(dimension).collect()),
        })
    };
    manifest.inputs.iter().map(declaration).collect()
}

/// The columns of an input that was a dictionary have names, which must be the features'.
fn check_vocabulary(model: &str, spec: &InputSpec, vocabulary: &[Json]) -> Result<(), LoadError> {
    let names = vocabulary
        .iter()
        .map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned));
    let expected: Vec<String> = names.collect();
    if spec.features.iter().map(|feature| &feature.name).eq(&expected) {
        return Ok(());
    }
    let problem = format!(
        "the features of {:?} must be the entries of its dictionary in the graph, in this order: {}",
        spec.name,
        expected.join(", ")
    );
    Err(contradiction(model, problem))
}

/// The manifest's outputs as the graph declares them. The manifest may leave out outputs of the graph; they are not computed then.
pub(crate) fn outputs(model: &str, manifest: &Manifest, graph: &Graph) -> Result<Vec<OutputDeclaration>, LoadError> {
    let outputs = manifest.outputs.iter();
    outputs
        .map(|spec| {
            if let (Some(classes), Some(expected)) = (graph.classes.get(&spec.name), &spec.classes)
                && classes != expected
            {
                let problem = format!(
                    "the classes of {:?} are {} in the graph, not {}",
                    spec.name,
                    Json::from(classes.clone()),
                    Json::from(expected.clone())
                );
                return Err(contradiction(model, problem));
            }
            let declared = graph.outputs.iter().find(|output| output.name == spec.name);
            declared.cloned().ok_or_else(|| {
                let names: Vec<_> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
                let problem = format!("the graph has no output {:?}; it has {}", spec.name, names.join(", "));
                contradiction(model, problem)
            })
        })
        .collect()
}

/// Compares the outputs of the compiled model with the manifest's.
pub(crate) fn check_outputs(name: &str, manifest: &Manifest, model: &OnnxModel) -> Result<(), LoadError> {
    for (spec, output) in manifest.outputs.iter().zip(model.outputs()) {
        if output.datatype != spec.datatype {
            let problem = format!(
                "the output {:?} is {} in the graph, not {}",
                spec.name, output.datatype, spec.datatype
            );
            return Err(contradiction(name, problem));
        }
        if !fits(output, &spec.shape) {
            let problem = format!(
                "the output {:?} is {} in the graph, not {:?}",
                spec.name,
                shape_text(output),
                spec.shape
            );
            return Err(contradiction(name, problem));
        }
    }
    Ok(())
}

/// An open dimension of the graph may be anything; a batch of the manifest must be open in the graph.
fn fits(graph: &TensorSpec, manifest: &[i64]) -> bool {
    let Some(shape) = &graph.shape else { return true };
    shape.len() == manifest.len()
        && shape.iter().zip(manifest).all(|(size, expected)| match size {
            None => true,
            Some(size) => usize::try_from(*expected) == Ok(*size),
        })
}

fn shape_text(spec: &TensorSpec) -> String {
    let sizes = spec.shape.iter().flatten();
    let texts: Vec<_> = sizes
        .map(|size| size.map_or_else(|| "-1".to_owned(), |size| size.to_string()))
        .collect();
    format!("[{}]", texts.join(", "))
}

fn contradiction(model: &str, problem: String) -> LoadError {
    LoadError::Contradiction {
        model: model.to_owned(),
        problem,
    }
}
