//! How much of what a graph makes when it is loaded: a small file must not make large tensors, or many times over.

use anyhow::{Result, ensure};
use tract_data::internal::TDim;

use crate::graph::MAX_ELEMENTS;
use crate::operators::{Fact, MAX_SIZES, is_short, least};

/// How many elements of constants there may still be.
#[derive(Debug)]
pub(super) struct Budget {
    /// Computed, and read to do so.
    computed: usize,
    /// In kernels, in a form of their own.
    kept: usize,
}

/// Nothing that exporters write comes near it.
const OF_A_MODEL: usize = 1 << 24;
/// There may be many bodies.
const OF_A_BODY: usize = 1 << 10;
/// How often all that is in the file may be computed with, and kept: a net that is unrolled has each matrix in each of its steps.
const COMPUTED: usize = 4;
const KEPT: usize = 256;

impl Budget {
    pub(super) fn of_model() -> Self {
        Self {
            computed: OF_A_MODEL,
            kept: OF_A_MODEL,
        }
    }

    pub(super) fn of_body() -> Self {
        Self {
            computed: OF_A_BODY,
            kept: OF_A_BODY,
        }
    }

    /// A constant that is in the file.
    pub(super) fn add_initializer(&mut self, elements: usize) {
        self.computed = self.computed.saturating_add(elements.saturating_mul(COMPUTED));
        self.kept = self.kept.saturating_add(elements.saturating_mul(KEPT));
    }

    /// Whether there are as many elements left to compute, which are gone then.
    pub(super) fn compute(&mut self, elements: usize) -> bool {
        spend(&mut self.computed, elements)
    }

    /// Whether there are as many elements left to keep, which are gone then.
    pub(super) fn keep(&mut self, elements: usize) -> bool {
        spend(&mut self.kept, elements)
    }
}

fn spend(budget: &mut usize, elements: usize) -> bool {
    let left = budget.checked_sub(elements);
    *budget = left.unwrap_or(*budget);
    left.is_some()
}

/// How many elements a tensor has when whatever depends on the batch is one.
pub(super) fn known_elements(fact: &Fact) -> usize {
    let mut sizes = fact.shape.iter().map(least);
    if fact.shape.iter().any(|size| least(size) == 0) {
        return 0;
    }
    sizes.try_fold(1usize, usize::checked_mul).unwrap_or(usize::MAX)
}

/// # Errors
/// When a tensor has more dimensions, or more elements whatever the batch, than any has.
pub(super) fn check(fact: &Fact) -> Result<()> {
    let is_size = |size: &TDim| match size.as_i64() {
        Some(size) => size >= 0,
        // What is too large for a number stays a product of numbers.
        None => is_short(size) && !size.symbols().is_empty(),
    };
    ensure!(
        fact.shape.len() <= MAX_SIZES && fact.shape.iter().all(is_size),
        "it makes a tensor of a shape that none has"
    );
    ensure!(
        known_elements(fact) <= MAX_ELEMENTS as usize,
        "it makes a tensor of more elements than any has: {:?}",
        fact.shape
    );
    Ok(())
}
