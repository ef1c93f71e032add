//! Dimensions that calls choose, as symbols in the shapes of a graph.

use sardonyx_core::tensor::Tensor;
use tract_data::prelude::{SymbolScope, SymbolValues, TDim};

use crate::graph::{Dimension, InputDeclaration};

/// The shape of an input, its open dimensions as symbols. `None` when not even the number of dimensions is declared.
pub fn symbolic_shape(input: &InputDeclaration, symbols: &SymbolScope) -> Option<Vec<TDim>> {
    let dimensions = input.shape.as_ref()?.iter();
    Some(
        dimensions
            .map(|dimension| match dimension {
                Dimension::Fixed(size) => TDim::from(*size),
                Dimension::Named(name) => TDim::from(symbols.sym(&symbol_name(name))),
            })
            .collect(),
    )
}

/// The sizes that the dimensions of these inputs give to the symbols.
pub fn symbol_values(declarations: &[InputDeclaration], symbols: &SymbolScope, inputs: &[Tensor]) -> SymbolValues {
    let mut values = SymbolValues::default();
    for (declaration, input) in declarations.iter().zip(inputs) {
        for (dimension, size) in declaration.shape.iter().flatten().zip(input.shape()) {
            if let Dimension::Named(name) = dimension {
                values.set(&symbols.sym(&symbol_name(name)), *size as i64);
            }
        }
    }
    values
}

/// The sizes of a shape when the symbols have these values; 0 for what they do not say.
pub fn sizes<'a>(shape: impl IntoIterator<Item = &'a TDim>, values: &SymbolValues) -> Vec<usize> {
    let size = |dimension: &TDim| dimension.eval_to_i64(values).ok();
    let sizes = shape.into_iter().map(size);
    sizes
        .map(|size| size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0))
        .collect()
}

/// The symbol of a named dimension, of each name another one, which dimension expressions do not misread.
pub fn symbol_name(name: &str) -> String {
    let mut symbol = String::from("d_");
    for c in name.chars() {
        match c {
            '_' => symbol.push_str("__"),
            c if c.is_ascii_alphanumeric() => symbol.push(c),
            c => symbol.push_str(&format!("_{:x}_", u32::from(c))),
        }
    }
    symbol
}
