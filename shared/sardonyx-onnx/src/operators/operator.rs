//! What an operator is here: written once, run by the direct executor and by a fallback alike.

use std::fmt::Debug;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::{SymbolValues, TDim, TVec};

use crate::dense::Dense;
use crate::graph::MAX_ELEMENTS;
use crate::operators::{Constant, Context, TreeLists};
use crate::proto::NodeProto;

/// An operator of one node, with its attributes read and checked.
pub trait Operator: Debug + Send + Sync + 'static {
    /// What comes out for inputs of these types and shapes, the batch perhaps open.
    ///
    /// # Errors
    /// When the operator does not take such inputs.
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>>;

    /// What computes it for inputs of these types and shapes.
    ///
    /// # Errors
    /// When attributes and inputs do not fit each other.
    fn kernel(self: Arc<Self>, inputs: &[Fact]) -> Result<Arc<dyn Kernel>>;

    /// Whether the only output is the first input as it is, for inputs of these types and shapes.
    fn is_identity(&self, _inputs: &[Fact]) -> bool {
        false
    }

    /// Whether an element of the only output depends on nothing but the elements at its place, where each input has either one for every place or
    /// one for all of them.
    fn is_elementwise(&self) -> bool {
        false
    }

    /// Whether a small input may take long, so that it is not computed when the graph is loaded, even if it is the same in every run.
    fn takes_long(&self) -> bool {
        false
    }

    /// Whether inputs may be left out that have others behind them. They are neither among the facts nor among the operands.
    fn may_lack_inputs(&self) -> bool {
        false
    }

    /// Whether the only output is the sum of the inputs, added from the left.
    fn is_sum(&self) -> bool {
        false
    }

    /// The tree of an operator whose only output, `[N, 1]`, is the weight of the leaf that a row arrives at, one for each leaf.
    fn single_tree(&self, _inputs: &[Fact]) -> Option<Arc<TreeLists<f32>>> {
        None
    }
}

/// The computation of an operator, specialised to the types of its inputs.
pub trait Kernel: Debug + Send + Sync + 'static {
    /// Runs on inputs that have the types and fit the shapes that the kernel was made for.
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>>;

    /// How many of the inputs a run reads: constants after these are in the kernel already.
    fn operands(&self, inputs: usize) -> usize {
        inputs
    }

    /// What this does to its only input that is not constant, where it is something that the kernel before can do on the way.
    fn epilogue(&self, _inputs: &[Fact]) -> Option<Epilogue> {
        None
    }

    /// The same followed by the epilogue, where that is cheaper at once.
    fn with_epilogue(&self, _epilogue: &Epilogue) -> Option<Arc<dyn Kernel>> {
        None
    }

    /// The trees of a kernel in their flat form, which a packed model has in place of the attributes that list them.
    fn packed_trees(&self) -> Option<Vec<u8>> {
        None
    }
}

/// What can be done to each row of a tensor on the way.
#[derive(Clone, Debug)]
pub enum Epilogue {
    /// Adds a constant, which has as many elements as a row.
    Add(Arc<Tensor>),
    /// The next layer of a dense net.
    Layer(Arc<Dense>),
    /// Replaces what is below zero by zero.
    Relu,
}

/// A value that an operator does not take, in an input whose type and shape are right: another request may well run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnacceptableValue(pub(crate) String);

/// An operator of an operator set, by name, with what reads its attributes.
pub struct Registration {
    /// `ai.onnx.ml`, or `ai.onnx` for the default operator set.
    pub domain: &'static str,
    /// As in `TreeEnsembleClassifier`.
    pub name: &'static str,
    /// Reads the attributes of a node.
    pub parse: Parse,
}

pub(super) type Parse = fn(&Context, &NodeProto) -> Result<Arc<dyn Operator>>;

/// What is known of a tensor before there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its dimensions, which may depend on symbols.
    pub shape: TVec<TDim>,
    /// The tensor itself, where it is the same in every run.
    pub constant: Option<Arc<Constant>>,
    /// Its elements, where they are sizes of other tensors, which may depend on symbols, too.
    sizes: Option<TVec<TDim>>,
}

/// More than any tensor has dimensions.
pub(crate) const MAX_SIZES: usize = 64;

/// Whether a size is one that there may be: one that depends on the batch is made of few numbers and symbols, none of them large.
pub(crate) fn is_short(size: &TDim) -> bool {
    size.as_i64().is_some() || terms(size) <= MAX_SIZES && least(size) <= MAX_ELEMENTS as usize
}

/// A size when whatever it depends on is one.
pub(crate) fn least(size: &TDim) -> usize {
    match size {
        TDim::Val(size) => usize::try_from(*size).unwrap_or(0),
        TDim::Sym(_) => 1,
        size => {
            let mut ones = SymbolValues::default();
            for symbol in size.symbols() {
                ones.set(&symbol, 1);
            }
            let size = size.eval_to_i64(&ones);
            size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(0).max(1))
        }
    }
}

fn terms(size: &TDim) -> usize {
    match size {
        TDim::Add(parts) | TDim::Mul(parts) => parts.iter().map(terms).fold(1, usize::saturating_add),
        TDim::MulInt(_, part) | TDim::Div(part, _) => terms(part) + 1,
        _ => 1,
    }
}

impl Fact {
    /// Of a tensor that is another one in each run.
    pub fn new(datatype: Datatype, shape: impl IntoIterator<Item = TDim>) -> Self {
        Self {
            datatype,
            shape: shape.into_iter().collect(),
            constant: None,
            sizes: None,
        }
    }

    /// The same, whose elements are these, where they are known.
    #[must_use]
    pub(crate) fn with_sizes(self, sizes: Option<TVec<TDim>>) -> Self {
        let sizes = sizes.filter(|sizes| sizes.len() <= MAX_SIZES);
        Self { sizes, ..self }
    }

    /// Of a tensor that is the same in each run.
    pub fn of_constant(constant: Arc<Constant>) -> Self {
        Self {
            datatype: constant.datatype(),
            shape: constant.shape().iter().map(TDim::from).collect(),
            constant: Some(constant),
            sizes: None,
        }
    }

    /// Its elements, where they are known, and may be sizes.
    pub(crate) fn sizes(&self) -> Option<TVec<TDim>> {
        if self.shape.len() > 1 {
            return None;
        }
        match self.tensor().map(Tensor::data) {
            Some(TensorData::Int64(sizes)) if sizes.len() <= MAX_SIZES => Some(sizes.iter().map(TDim::from).collect()),
            _ => self.sizes.clone(),
        }
    }

    /// Its elements, which an operator cannot do without.
    pub(super) fn known_sizes(&self, operator: &str) -> Result<TVec<TDim>> {
        ensure!(
            self.datatype == Datatype::Int64 && self.shape.len() == 1,
            "{operator} takes sizes in a list of INT64, not {} of {} dimensions",
            self.datatype,
            self.shape.len()
        );
        self.sizes()
            .with_context(|| format!("{operator} takes here only sizes that follow from shapes"))
    }

    /// The tensor itself, where it is the same in every run.
    pub fn tensor(&self) -> Option<&Tensor> {
        self.constant.as_deref().map(Constant::tensor)
    }
}

/// The first input of an operator.
pub(super) fn first<'a, T>(operator: &str, inputs: &'a [T]) -> Result<&'a T> {
    inputs.first().with_context(|| format!("{operator} has no input"))
}

/// The two inputs of an operator.
pub(super) fn two<'a, T>(operator: &str, inputs: &'a [T]) -> Result<[&'a T; 2]> {
    match inputs {
        [first, second] => Ok([first, second]),
        _ => bail!("{operator} takes two inputs, not {}", inputs.len()),
    }
}

/// The only input of an operator.
pub(super) fn single<'a, T>(operator: &str, inputs: &'a [T]) -> Result<&'a T> {
    match inputs {
        [input] => Ok(input),
        _ => bail!("{operator} takes one input, not {}", inputs.len()),
    }
}

/// The rows and columns of an input `[N, C]`; `[C]` is one row.
pub(super) fn rows_and_columns(operator: &str, input: &Fact) -> Result<(TDim, TDim)> {
    ensure!(
        matches!(input.shape.len(), 1 | 2),
        "{operator} takes rows of columns, [N, C] or [C], not a tensor of {} dimensions",
        input.shape.len()
    );
    let rows = if input.shape.len() == 2 {
        input.shape[0].clone()
    } else {
        1.into()
    };
    Ok((rows, input.shape[input.shape.len() - 1].clone()))
}
