//! That the factors of every sum of products have as many terms.
//!
//! tract takes a dimension that it does not know, or that is 1, to fit whatever it is multiplied with. Its matrix kernels, though, are told by one
//! factor how many terms there are and read as many of the other, so that an input with too few columns would be read beyond its end.

use std::collections::HashMap;

use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::logic::IfThenElse;
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_hir::internal::*;

type Sizes = HashMap<Symbol, TDim>;

/// Gives the open dimensions that are summed over the size that the other factor has.
///
/// # Errors
/// When factors do not fit, or nobody can tell.
pub(super) fn settle(mut model: TypedModel) -> TractResult<TypedModel> {
    let mut settled = Sizes::new();
    loop {
        let mut sizes = Sizes::new();
        collect(&model, &mut sizes)?;
        if sizes.is_empty() {
            return Ok(model);
        }
        for (symbol, size) in &sizes {
            ensure!(
                settled.insert(symbol.clone(), size.clone()).is_none(),
                "the dimension {symbol} has to be {size}, but stays open"
            );
        }
        model = model.set_symbols(&sizes)?;
    }
}

/// Finds the sizes that open dimensions must have.
fn collect(model: &TypedModel, sizes: &mut Sizes) -> TractResult<()> {
    for node in model.nodes() {
        if let Some(product) = node.op_as::<EinSum>() {
            let factors = model.node_input_facts(node.id)?;
            product.axes.iter_all_axes().try_for_each(|axis| {
                let of_factor = |(axes, fact): (&TVec<usize>, &&TypedFact)| -> Vec<TDim> {
                    axes.iter().map(|axis| fact.shape[*axis].clone()).collect()
                };
                let mut terms: Vec<TDim> = axis.inputs.iter().zip(&factors).flat_map(of_factor).collect();
                let is_summed = axis.outputs.iter().all(|axes| axes.is_empty());
                if !is_summed {
                    terms.retain(|size| !size.is_one());
                }
                terms.windows(2).try_for_each(|pair| match (&pair[0], &pair[1]) {
                    (one, other) if one == other => Ok(()),
                    (TDim::Sym(symbol), size @ TDim::Val(_)) | (size @ TDim::Val(_), TDim::Sym(symbol))
                        if is_summed =>
                    {
                        let known = sizes.entry(symbol.clone()).or_insert_with(|| size.clone());
                        ensure!(
                            known == size,
                            "the dimension {symbol} would have to be {known} and {size}"
                        );
                        Ok(())
                    }
                    (one, other) => bail!("the node {:?} multiplies {one} by {other} elements", node.name),
                })
            })?;
        } else if let Some(scan) = node.op_as::<Scan>() {
            collect(&scan.body, sizes)?;
        } else if let Some(branches) = node.op_as::<IfThenElse>() {
            collect(&branches.then_body, sizes)?;
            collect(&branches.else_body, sizes)?;
        }
    }
    Ok(())
}
