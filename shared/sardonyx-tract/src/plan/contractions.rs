//! That the factors of every sum of products have as many terms.
//!
//! tract takes a dimension that it does not know to fit whatever it is multiplied with. Its matrix kernels, though, are told by one factor how many
//! terms there are and read as many of the other, so that an input with too few columns would be read beyond its end.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_hir::internal::*;

use super::compile::bodies;

/// Gives the open dimensions of inputs that are summed over the size that the other factor has.
///
/// # Errors
/// When factors do not fit, or nobody can tell before they are computed.
pub(super) fn settle(mut model: TypedModel) -> TractResult<TypedModel> {
    loop {
        let mut found = Found {
            declared: declared(&model)?,
            ..Found::default()
        };
        found.look_into(&model, false)?;
        match found.misfit {
            // What does not fit yet may do so with the sizes that have been found.
            _ if !found.sizes.is_empty() => model = model.set_symbols(&found.sizes)?,
            Some(misfit) => return Err(misfit),
            None => return Ok(model),
        }
    }
}

/// The open dimensions of the inputs. The others come about in a run, where nothing holds them to a size.
fn declared(model: &TypedModel) -> TractResult<HashSet<Symbol>> {
    let mut symbols = HashSet::new();
    for outlet in model.input_outlets()? {
        symbols.extend(model.outlet_fact(*outlet)?.shape.iter().flat_map(TDim::symbols));
    }
    Ok(symbols)
}

#[derive(Default)]
struct Found {
    declared: HashSet<Symbol>,
    sizes: HashMap<Symbol, TDim>,
    misfit: Option<TractError>,
}

impl Found {
    fn look_into(&mut self, model: &TypedModel, is_body: bool) -> TractResult<()> {
        for node in model.nodes() {
            if let Some(product) = node.op_as::<EinSum>() {
                let facts = model.node_input_facts(node.id)?;
                let shapes = product.actual_input_shapes_from_facts(&facts)?;
                // The others are scales and zero points.
                let factors = if product.q_params.is_some() { 2 } else { shapes.len() };
                self.look_at(&node.name, product, &shapes[..factors], is_body);
            }
            for body in bodies(node) {
                self.look_into(body, true)?;
            }
        }
        Ok(())
    }

    fn look_at(&mut self, node: &str, product: &EinSum, factors: &[Cow<'_, [TDim]>], is_body: bool) {
        let mut symbols = factors.iter().flat_map(|shape| shape.iter()).flat_map(TDim::symbols);
        if is_body && let Some(symbol) = symbols.find(|symbol| !self.declared.contains(symbol)) {
            // A loop keeps the size of its first turn.
            self.fail(anyhow!(
                "the node {node:?} multiplies in a loop or a branch, where {symbol} may change"
            ));
        }
        for axis in product.axes.iter_all_axes() {
            let of_factor = |(axes, shape): (&TVec<usize>, &Cow<'_, [TDim]>)| -> Vec<TDim> {
                axes.iter().map(|axis| shape[*axis].clone()).collect()
            };
            let mut terms: Vec<TDim> = axis.inputs.iter().zip(factors).flat_map(of_factor).collect();
            let is_summed = axis.outputs.iter().all(|axes| axes.is_empty());
            if !is_summed {
                terms.retain(|size| !size.is_one());
            }
            for pair in terms.windows(2) {
                let (one, other) = (&pair[0], &pair[1]);
                if one != other && !(is_summed && (self.settle_as(one, other) || self.settle_as(other, one))) {
                    self.fail(anyhow!("the node {node:?} multiplies {one} by {other} elements"));
                }
            }
        }
    }

    /// Notes that a dimension of an input has to be of this size, if it can be.
    fn settle_as(&mut self, dimension: &TDim, size: &TDim) -> bool {
        let is_input = |size: &TDim| matches!(size, TDim::Sym(symbol) if self.declared.contains(symbol));
        let is_size = is_input(size) || matches!(size, TDim::Val(_));
        let TDim::Sym(symbol) = dimension else {
            return false;
        };
        if !self.declared.contains(symbol) || !is_size {
            return false;
        }
        // One thing at a time: the rest is seen again when that holds.
        let mut known = self
            .sizes
            .iter()
            .flat_map(|(symbol, size)| [TDim::Sym(symbol.clone()), size.clone()]);
        let is_taken = known.any(|known| known == *dimension || is_input(size) && known == *size);
        if !is_taken {
            self.sizes.insert(symbol.clone(), size.clone());
        }
        true
    }

    fn fail(&mut self, misfit: TractError) {
        self.misfit.get_or_insert(misfit);
    }
}
