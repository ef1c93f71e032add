//! Rows that come alone or in small batches.

use super::blocks::Blocks;
use super::lanes::Lanes;
use super::quantise::Quantiser;
use super::single::Single;
use crate::Scalar;
use crate::ensemble::{Ensemble, Leaves};
use crate::instruction_set::InstructionSet;

/// How many columns a row may have.
pub(super) const COLUMNS: usize = 128;

/// An ensemble whose leaves have one weight each, in the form that suits one row.
#[derive(Clone, Debug)]
pub(crate) struct RowByRow<T: Scalar> {
    quantiser: Quantiser<T>,
    form: Form<T>,
    /// The target that all trees give to, where there is only one.
    only_target: Option<usize>,
}

#[derive(Clone, Debug)]
enum Form<T> {
    Single(Single<T>),
    Blocks(Blocks<T>),
}

/// What evaluates one row.
pub(super) trait RowKernel<T> {
    /// Adds the leaves of a row, whose ranks are given by column, in the order of the trees.
    fn sum_with<L: Lanes>(&self, ranks: &[u8; COLUMNS], sums: &mut impl Sums<T>);
}

/// Where the leaves of a row are added.
pub(super) trait Sums<T> {
    fn add(&mut self, target: u32, weight: T);
}

/// The sum of the only target, which stays in a register: in memory, each addition would wait until the one before is stored.
struct Only<T>(T);

impl<T: Scalar> Sums<T> for Only<T> {
    #[inline(always)]
    fn add(&mut self, _target: u32, weight: T) {
        self.0 += weight;
    }
}

/// A sum for each target.
struct Each<'a, T>(&'a mut [T]);

impl<T: Scalar> Sums<T> for Each<'_, T> {
    #[inline(always)]
    fn add(&mut self, target: u32, weight: T) {
        self.0[target as usize] += weight;
    }
}

impl<T: Scalar> RowByRow<T> {
    /// `None` where there are too many columns, thresholds of a feature, or nodes of a tree.
    pub(crate) fn new(ensemble: &Ensemble<T>) -> Option<Self> {
        let quantiser = quantiser(ensemble)?;
        let single = || Single::new(ensemble, &quantiser).map(Form::Single);
        let blocks = || Blocks::new(ensemble, &quantiser).map(Form::Blocks);
        Some(Self {
            form: single().or_else(blocks)?,
            quantiser,
            only_target: ensemble.only_target(),
        })
    }

    /// All forms that the ensemble has, with their names.
    #[cfg(test)]
    pub(crate) fn all(ensemble: &Ensemble<T>) -> Vec<(&'static str, Self)> {
        let Some(quantiser) = quantiser(ensemble) else {
            return vec![];
        };
        let forms = [
            ("single", Single::new(ensemble, &quantiser).map(Form::Single)),
            ("blocks", Blocks::new(ensemble, &quantiser).map(Form::Blocks)),
        ];
        let row_by_row = |form| Self {
            quantiser: quantiser.clone(),
            form,
            only_target: ensemble.only_target(),
        };
        let forms = forms.into_iter().filter_map(|(name, form)| Some((name, form?)));
        forms.map(|(name, form)| (name, row_by_row(form))).collect()
    }

    /// Adds the row's leaves in the order of the trees to `sums`, one for each target.
    pub(crate) fn sum(&self, instruction_set: InstructionSet, row: &[T], sums: &mut [T]) {
        match self.only_target {
            Some(target) => {
                let mut sum = Only(sums[target]);
                self.sum_into(instruction_set, row, &mut sum);
                sums[target] = sum.0;
            }
            None => self.sum_into(instruction_set, row, &mut Each(sums)),
        }
    }

    fn sum_into(&self, instruction_set: InstructionSet, row: &[T], sums: &mut impl Sums<T>) {
        match &self.form {
            Form::Single(single) => sum(instruction_set, &self.quantiser, single, row, sums),
            Form::Blocks(blocks) => sum(instruction_set, &self.quantiser, blocks, row, sums),
        }
    }
}

fn quantiser<T: Scalar>(ensemble: &Ensemble<T>) -> Option<Quantiser<T>> {
    let is_possible = matches!(ensemble.leaves, Leaves::Single) && ensemble.columns.len() < COLUMNS;
    is_possible.then(|| Quantiser::new(ensemble, false)).flatten()
}

fn sum<T: Scalar>(
    instruction_set: InstructionSet,
    quantiser: &Quantiser<T>,
    kernel: &impl RowKernel<T>,
    row: &[T],
    sums: &mut impl Sums<T>,
) {
    match instruction_set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => super::avx512::sum_row(quantiser, kernel, row, sums),
        _ => sum_with::<super::portable::Portable, T>(quantiser, kernel, row, sums),
    }
}

/// The row's ranks, and with them its leaves.
#[inline(always)]
pub(super) fn sum_with<L: Lanes, T: Scalar>(
    quantiser: &Quantiser<T>,
    kernel: &impl RowKernel<T>,
    row: &[T],
    sums: &mut impl Sums<T>,
) {
    let mut ranks = [0; COLUMNS];
    quantiser.quantise_row::<L>(row, &mut ranks);
    kernel.sum_with::<L>(&ranks, sums);
}
