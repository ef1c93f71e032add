//! Rows that come alone or in small batches, and any rows through trees that there is no program for.

use super::blocks::{Blocks, KEYS, Line, WALKS};
use super::lanes::Lanes;
use super::quantise::Quantiser;
use super::single::Single;
use crate::Scalar;
use crate::encode::Encoder;
use crate::ensemble::{Ensemble, Leaves};
use crate::instruction_set::InstructionSet;
use crate::scalar::Key;

/// How many columns a row may have.
pub(super) const COLUMNS: usize = 128;

/// An ensemble whose leaves have one weight each, in a form that needs no other rows.
#[derive(Clone, Debug)]
pub(crate) struct RowByRow<T: Scalar> {
    form: Form<T>,
    /// The target that all trees give to, where there is only one.
    only_target: Option<usize>,
}

#[derive(Clone, Debug)]
enum Form<T: Scalar> {
    Single(Quantiser<T>, Single<T>),
    Ranks(Quantiser<T>, Blocks<T, u8>),
    Keys(Encoder, Blocks<T, i32>),
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

/// Makes a form if the ensemble can have it; there is a quantiser if its features have few enough thresholds.
type Maker<T> = fn(&Ensemble<T>, Option<&Quantiser<T>>) -> Option<Form<T>>;

impl<T: Scalar> Form<T> {
    /// Those that an ensemble may have, the best one first.
    const OF_RANKS: [Maker<T>; 2] = [
        |ensemble, quantiser| {
            let quantiser = quantiser?;
            let trees = Single::new(ensemble, quantiser)?;
            Some(Self::Single(quantiser.clone(), trees))
        },
        |ensemble, quantiser| {
            let quantiser = quantiser?;
            let trees = Blocks::of_ranks(ensemble, quantiser)?;
            Some(Self::Ranks(quantiser.clone(), trees))
        },
    ];

    /// That for features of any number of thresholds. It takes wide registers to be faster than walking.
    const OF_KEYS: Maker<T> = |ensemble, _| Some(Self::Keys(ensemble.encoder.clone(), Blocks::of_keys(ensemble)?));
}

impl<T: Scalar> RowByRow<T> {
    /// The best one for an instruction set. `None` where there are too many columns or nodes of a tree, or thresholds of a feature that cannot be
    /// compared by keys.
    pub(crate) fn new(ensemble: &Ensemble<T>, instruction_set: InstructionSet) -> Option<Self> {
        Self::all(ensemble, instruction_set.has_wide_registers()).next()
    }

    /// All that the ensemble can have, the best one first, with or without that which compares keys.
    pub(crate) fn all(ensemble: &Ensemble<T>, with_keys: bool) -> impl Iterator<Item = Self> {
        let is_possible = matches!(ensemble.leaves, Leaves::Single) && ensemble.columns.len() < COLUMNS;
        let quantiser = is_possible.then(|| Quantiser::new(ensemble, false)).flatten();
        let makers = Form::OF_RANKS.into_iter().chain(with_keys.then_some(Form::OF_KEYS));
        let possible = makers.filter(move |_| is_possible);
        let forms = possible.filter_map(move |make| make(ensemble, quantiser.as_ref()));
        forms.map(|form| Self {
            form,
            only_target: ensemble.only_target(),
        })
    }

    #[cfg(test)]
    pub(crate) fn name(&self) -> &'static str {
        match self.form {
            Form::Single(..) => "single",
            Form::Ranks(..) => "ranks",
            Form::Keys(..) => "keys",
        }
    }

    /// Adds the leaves of the rows in the order of the trees to `sums`, `[rows, targets]`.
    pub(crate) fn sum(&self, instruction_set: InstructionSet, rows: &[T], width: usize, sums: &mut [T]) {
        match instruction_set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => super::avx512::sum_rows(self, rows, width, sums),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => super::avx2::sum_rows(self, rows, width, sums),
            _ => sum_with::<super::portable::Portable, T>(self, rows, width, sums),
        }
    }
}

/// [`RowByRow::sum`] with an instruction set.
#[inline(always)]
pub(super) fn sum_with<L: Lanes, T: Scalar>(form: &RowByRow<T>, rows: &[T], width: usize, sums: &mut [T]) {
    if rows.is_empty() {
        return;
    }
    let count = rows.len() / width;
    let targets = sums.len() / count;
    let only_target = form.only_target;
    let alone = rows.chunks_exact(width).zip(sums.chunks_exact_mut(targets));
    match &form.form {
        Form::Single(quantiser, single) => {
            for (row, sums) in alone {
                let mut ranks = Line([0; COLUMNS]);
                let columns = quantiser.columns();
                quantiser.quantise_row::<L>(row, &mut ranks.0);
                match only_target {
                    Some(target) => {
                        let mut sum = Only(sums[target]);
                        single.sum_with::<L>(&ranks.0, columns, &mut sum);
                        sums[target] = sum.0;
                    }
                    None => single.sum_with::<L>(&ranks.0, columns, &mut Each(sums)),
                }
            }
        }
        Form::Ranks(quantiser, trees) => {
            for (row, sums) in alone {
                let mut ranks = [Line([0; COLUMNS])];
                quantiser.quantise_row::<L>(row, &mut ranks[0].0);
                trees.sum_with::<L, false>(&ranks, quantiser.columns(), only_target, sums);
            }
        }
        Form::Keys(encoder, trees) => {
            let per_row = encoder.columns().div_ceil(KEYS);
            let mut keys = vec![Line([0; KEYS]); per_row * count.min(WALKS)];
            for (rows, sums) in rows.chunks(WALKS * width).zip(sums.chunks_mut(WALKS * targets)) {
                for (row, keys) in rows.chunks_exact(width).zip(keys.chunks_exact_mut(per_row)) {
                    let places = keys.iter_mut().flat_map(|keys| &mut keys.0);
                    for (place, key) in places.zip(encoder.keys(row)) {
                        *place = key.as_single().unwrap_or(i32::LEAST);
                    }
                }
                let keys = &keys[..rows.len() / width * per_row];
                trees.sum_with::<L, true>(keys, encoder.columns(), only_target, sums);
            }
        }
    }
}
