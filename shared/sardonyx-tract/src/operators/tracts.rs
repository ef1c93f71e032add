//! tract's own readers of the operators that are wrapped here.

use std::sync::OnceLock;

use tract_onnx::Onnx;
use tract_onnx::model::{OnnxOpRegister, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

static READERS: OnceLock<OnnxOpRegister> = OnceLock::new();

/// Keeps the readers of a registry in which nothing is replaced yet.
pub(super) fn keep(onnx: &Onnx) {
    READERS.get_or_init(|| onnx.op_register.clone());
}

/// What tract makes of a node, with the names of what the graphs inside of it read.
pub(super) fn read(context: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let name = &node.op_type;
    let read = READERS.get().and_then(|readers| readers.0.get(name));
    let read = read.ok_or_else(|| anyhow!("tract has no {name}"))?;
    read(context, node)
}

/// The operator, if it is one of those that can be wrapped.
pub(super) fn as_expansion(operator: &dyn InferenceOp) -> Option<Box<dyn Expansion>> {
    operator.as_op().downcast_ref::<Box<dyn Expansion>>().cloned()
}
