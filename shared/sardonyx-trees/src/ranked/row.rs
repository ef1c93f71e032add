//! Rows that come alone or in small batches.

use super::blocks::Blocks;
use super::lanes::Lanes;
use super::single::Single;
use crate::Scalar;
use crate::ensemble::Ensemble;
use crate::instruction_set::InstructionSet;

/// An ensemble whose leaves have one weight each, in the form that suits one row.
#[derive(Clone, Debug)]
pub(crate) struct RowByRow<T: Scalar> {
    form: Form<T>,
    /// The target that all trees give to, where there is only one.
    only_target: Option<usize>,
}

#[derive(Clone, Debug)]
enum Form<T: Scalar> {
    Single(Single<T>),
    Blocks(Blocks<T>),
}

/// What evaluates one row.
pub(super) trait RowKernel<T> {
    /// Adds the row's leaves in the order of the trees.
    fn sum_with<L: Lanes>(&self, row: &[T], sums: &mut impl Sums<T>);
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
    /// `None` where a tree, a row or a column's thresholds are too many, where walking it is.
    pub(crate) fn new(ensemble: &Ensemble<T>) -> Option<Self> {
        let single = || Single::new(ensemble).map(Form::Single);
        let blocks = || Blocks::new(ensemble).map(Form::Blocks);
        Some(Self {
            form: single().or_else(blocks)?,
            only_target: ensemble.only_target(),
        })
    }

    /// All forms that the ensemble has, with their names.
    #[cfg(test)]
    pub(crate) fn all(ensemble: &Ensemble<T>) -> Vec<(&'static str, Self)> {
        let forms = [
            ("single", Single::new(ensemble).map(Form::Single)),
            ("blocks", Blocks::new(ensemble).map(Form::Blocks)),
        ];
        let only_target = ensemble.only_target();
        let forms = forms.into_iter().filter_map(|(name, form)| Some((name, form?)));
        forms.map(|(name, form)| (name, Self { form, only_target })).collect()
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
            Form::Single(single) => sum(single, instruction_set, row, sums),
            Form::Blocks(blocks) => sum(blocks, instruction_set, row, sums),
        }
    }
}

fn sum<T: Scalar>(kernel: &impl RowKernel<T>, instruction_set: InstructionSet, row: &[T], sums: &mut impl Sums<T>) {
    match instruction_set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => super::avx512::sum_row(kernel, row, sums),
        _ => kernel.sum_with::<super::portable::Portable>(row, sums),
    }
}
