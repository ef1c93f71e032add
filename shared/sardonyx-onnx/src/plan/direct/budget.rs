//! How much of what a graph makes when it is loaded: a small file must not make large tensors, or many times over.

use anyhow::{Result, ensure};
use tract_data::internal::TDim;

use crate::graph::MAX_ELEMENTS;
use crate::operators::{Fact, MAX_SIZES, is_short};

/// How many elements of constants may be computed, and read by nodes, which may keep them in a form of their own.
#[derive(Debug)]
pub(super) struct Budget(usize);

/// Nothing that exporters write comes near it.
const OF_A_MODEL: usize = 1 << 24;
/// There may be many bodies.
const OF_A_BODY: usize = 1 << 10;
/// More often than this no graph reads all of its weights.
const READERS: usize = 64;

impl Budget {
    pub(super) fn of_model() -> Self {
        Self(OF_A_MODEL)
    }

    pub(super) fn of_body() -> Self {
        Self(OF_A_BODY)
    }

    /// What is in the file may be read in proportion to it.
    pub(super) fn add_initializer(&mut self, elements: usize) {
        self.0 = self.0.saturating_add(elements.saturating_mul(READERS));
    }

    /// Whether there are as many elements left, which are gone then.
    pub(super) fn spend(&mut self, elements: usize) -> bool {
        let left = self.0.checked_sub(elements);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// How many elements a tensor has at least, unless it has none at all.
pub(super) fn known_elements(fact: &Fact) -> usize {
    let known = fact.shape.iter().filter_map(TDim::as_i64);
    let mut known = known.map(|size| usize::try_from(size).unwrap_or(0));
    if fact.shape.iter().any(|size| size.as_i64() == Some(0)) {
        return 0;
    }
    known.try_fold(1usize, usize::checked_mul).unwrap_or(usize::MAX)
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
