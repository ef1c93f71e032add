//! Rows of numbers as the keys that trees compare.

use super::Scalar;
use super::canonicalise::Column;
use super::lockstep::LANES;
use super::scalar::Key;

/// Which columns to make of which features.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    columns: Vec<Column>,
    features: usize,
}

impl Encoder {
    pub(super) fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            features: columns
                .iter()
                .map(|column| column.feature as usize + 1)
                .max()
                .unwrap_or(0),
        }
    }

    pub(super) fn features(&self) -> usize {
        self.features
    }

    /// How many keys a row has.
    pub(super) fn columns(&self) -> usize {
        self.columns.len() + 1
    }

    /// The keys of one row; column 0 comes first.
    #[inline(always)]
    pub(super) fn keys<T: Scalar>(&self, row: &[T]) -> impl Iterator<Item = T::Key> {
        let columns = self.columns.iter();
        std::iter::once(T::Key::LEAST).chain(columns.map(|column| encode(row[column.feature as usize], *column)))
    }

    /// [`Encoder::keys`] in place of what was there.
    pub(super) fn encode_row<T: Scalar>(&self, row: &[T], keys: &mut Vec<T::Key>) {
        keys.clear();
        keys.extend(self.keys(row));
    }

    /// The keys of groups of [`LANES`] rows, column by column within a group.
    pub(super) fn encode_groups<T: Scalar>(&self, rows: &[T], width: usize, groups: &mut Vec<[T::Key; LANES]>) {
        groups.clear();
        for group in rows.chunks_exact(LANES * width) {
            groups.push([T::Key::LEAST; LANES]);
            groups.extend(self.columns.iter().map(|column| {
                std::array::from_fn(|lane| encode(group[lane * width + column.feature as usize], *column))
            }));
        }
    }
}

#[inline(always)]
fn encode<T: Scalar>(value: T, column: Column) -> T::Key {
    if !value.is_nan() {
        value.key()
    } else if column.missing_holds {
        T::Key::LEAST
    } else {
        T::Key::GREATEST
    }
}
