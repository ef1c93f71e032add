//! Numbers as their ranks among the thresholds of a column.

use std::collections::BTreeMap;

use super::lanes::{Bytes, Lanes, MOST_SEARCH_LEVELS, ROWS, Search, Thresholds, count_below};
use super::row::COLUMNS;
use crate::Scalar;
use crate::ensemble::Ensemble;
use crate::lockstep::{Link, with_nodes};

/// The ranks of a column's thresholds are below this one, which a missing value has for which no test holds.
const MISSING: u8 = u8::MAX;

/// After how many keys of a column those that it has twice are left out.
const SOME_KEYS: usize = 2048;

#[derive(Clone, Debug)]
pub(super) struct Quantiser<T: Scalar> {
    features: Vec<Feature<T>>,
    /// Of the thresholds, by column; column 0 has none.
    keys: Vec<Vec<T::Key>>,
}

/// A feature and the columns that are made of it.
#[derive(Clone, Debug)]
struct Feature<T> {
    feature: usize,
    thresholds: Box<Thresholds<T>>,
    /// For the instruction sets that have [`Lanes::ranks`].
    search: Option<Box<Search<T>>>,
    /// Where missing values are below everything, and where they are above.
    columns: [Option<usize>; 2],
}

impl<T: Scalar> Feature<T> {
    /// How many thresholds the value is greater than; 0 for NaN.
    #[inline(always)]
    fn rank<L: Lanes>(&self, value: T) -> u8 {
        let stretch = below::<L, T>(value, &self.thresholds.last) & 15;
        let within = below::<L, T>(value, &self.thresholds.stretches[stretch]);
        (stretch * 16 + within) as u8
    }

    /// [`Feature::rank`] of each value.
    #[inline(always)]
    fn ranks<L: Lanes>(&self, values: &[T; ROWS]) -> Bytes {
        let together = self.search.as_ref().and_then(|search| {
            let (values, numbers) = (T::as_singles(values)?, T::as_singles(&search.numbers)?);
            L::ranks(values, numbers, search.levels)
        });
        together.unwrap_or_else(|| {
            let mut ranks = Bytes([0; ROWS]);
            for (rank, value) in ranks.0.iter_mut().zip(values) {
                *rank = self.rank::<L>(*value);
            }
            ranks
        })
    }
}

impl<T: Scalar> Quantiser<T> {
    /// `None` when a feature has more thresholds than fit into a byte.
    pub(super) fn new(ensemble: &Ensemble<T>, has_search: bool) -> Option<Self> {
        let mut by_column: Vec<Vec<T::Key>> = vec![Vec::new(); ensemble.columns.len() + 1];
        with_nodes!(&ensemble.nodes, nodes => {
            for node in nodes {
                let keys = &mut by_column[node.link.column()];
                keys.push(node.key);
                // Most forests with too many thresholds are known by a small part of them.
                if keys.len().is_multiple_of(SOME_KEYS) && node.link.column() != 0 {
                    keys.sort_unstable();
                    keys.dedup();
                    if keys.len() > usize::from(MISSING) {
                        return None;
                    }
                }
            }
        });
        by_column[0].clear();
        let mut features: BTreeMap<u32, [Option<usize>; 2]> = BTreeMap::new();
        for (index, column) in ensemble.columns.iter().enumerate() {
            let kind = usize::from(!column.missing_holds);
            features.entry(column.feature).or_default()[kind] = Some(index + 1);
        }
        let mut keys = vec![Vec::new(); by_column.len()];
        let features = features.into_iter().map(|(feature, columns)| {
            let mut of_feature: Vec<T::Key> = columns
                .iter()
                .flatten()
                .flat_map(|at| by_column[*at].iter().copied())
                .collect();
            of_feature.sort_unstable();
            of_feature.dedup();
            if of_feature.len() > usize::from(MISSING) {
                return None;
            }
            let numbers: Vec<T> = of_feature.iter().copied().map(T::from_key).collect();
            let is_numbers = |(number, key): (&T, &T::Key)| !number.is_nan() && number.key() == *key;
            if !numbers.iter().zip(&of_feature).all(is_numbers) {
                // No number is below negative infinity, and none between -0 and 0: a test of that has no rank.
                return None;
            }
            for column in columns.into_iter().flatten() {
                keys[column].clone_from(&of_feature);
            }
            Some(Feature {
                feature: feature as usize,
                thresholds: Box::new(thresholds(&numbers)),
                search: has_search.then(|| Box::new(search(&numbers))),
                columns,
            })
        });
        Some(Self {
            features: features.collect::<Option<_>>()?,
            keys,
        })
    }

    /// How many columns there are, the first of which stays unused.
    pub(super) fn columns(&self) -> usize {
        self.keys.len()
    }

    /// The rank up to which the test of a node holds.
    pub(super) fn rank(&self, column: usize, key: T::Key) -> Option<u8> {
        let rank = self.keys[column].binary_search(&key).ok()?;
        u8::try_from(rank).ok()
    }

    /// Gives the ranks of up to 64 rows for each column.
    #[inline(always)]
    pub(super) fn quantise<L: Lanes>(&self, rows: &[T], width: usize, mut write: impl FnMut(usize, Bytes)) {
        for feature in &self.features {
            let mut values = [T::ZERO; ROWS];
            for (value, row) in values.iter_mut().zip(rows.chunks_exact(width)) {
                *value = row[feature.feature];
            }
            let mut ranks = feature.ranks::<L>(&values);
            if let Some(column) = feature.columns[0] {
                write(column, ranks);
            }
            if let Some(column) = feature.columns[1] {
                for (rank, value) in ranks.0.iter_mut().zip(values) {
                    *rank |= if value.is_nan() { MISSING } else { 0 };
                }
                write(column, ranks);
            }
        }
    }

    /// The ranks of one row by column, of which there are few enough.
    #[inline(always)]
    pub(super) fn quantise_row<L: Lanes>(&self, row: &[T], ranks: &mut [u8; COLUMNS]) {
        for feature in &self.features {
            let value = row[feature.feature];
            let rank = feature.rank::<L>(value);
            let [holds, fails] = feature.columns;
            if let Some(column) = holds {
                ranks[column % COLUMNS] = rank;
            }
            if let Some(column) = fails {
                ranks[column % COLUMNS] = if value.is_nan() { MISSING } else { rank };
            }
        }
    }
}

#[inline(always)]
fn below<L: Lanes, T: Scalar>(value: T, numbers: &[T; 16]) -> usize {
    match (T::as_singles(&[value]), T::as_singles(numbers)) {
        (Some([value]), Some(numbers)) => L::count_below(*value, numbers),
        _ => count_below(value, numbers),
    }
}

fn thresholds<T: Scalar>(sorted: &[T]) -> Thresholds<T> {
    let mut thresholds = Thresholds {
        last: [T::NAN; 16],
        stretches: [[T::NAN; 16]; 16],
    };
    for (stretch, numbers) in thresholds.stretches.iter_mut().zip(sorted.chunks(16)) {
        stretch[..numbers.len()].copy_from_slice(numbers);
    }
    for (last, numbers) in thresholds.last.iter_mut().zip(sorted.chunks_exact(16)) {
        *last = numbers[15];
    }
    thresholds
}

/// No more levels than the thresholds take.
fn search<T: Scalar>(sorted: &[T]) -> Search<T> {
    let levels = (usize::BITS - sorted.len().leading_zeros()) as usize;
    let mut numbers = [T::NAN; 1 << MOST_SEARCH_LEVELS];
    for level in 0..levels {
        let step = 1 << (levels - level);
        let of_level = sorted.iter().skip(step / 2 - 1).step_by(step);
        for (number, threshold) in numbers[1 << level..].iter_mut().zip(of_level) {
            *number = *threshold;
        }
    }
    Search { levels, numbers }
}
