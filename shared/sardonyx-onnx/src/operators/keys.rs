//! Keys, and at which position each of them stands: what encoders and mappers look values up in.

use std::collections::HashMap;
use std::hash::Hash;

use anyhow::{Result, bail};
use foldhash::fast::RandomState;
use sardonyx_core::tensor::{Datatype, TensorData};

/// A table from keys of one type to their positions, built once. What is looked up comes from callers and is never added, so that
/// nobody can make the table slow; the hash can be a fast one.
#[derive(Debug)]
pub(super) struct Keys {
    table: Table,
    len: usize,
}

#[derive(Debug)]
enum Table {
    Integers(HashMap<i64, usize, RandomState>),
    Singles(HashMap<u64, usize, RandomState>),
    Doubles(HashMap<u64, usize, RandomState>),
    Texts(HashMap<String, usize, RandomState>),
}

/// Which of several equal keys is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duplicates {
    First,
    Last,
}

impl Keys {
    pub(super) fn integers(keys: &[i64], duplicates: Duplicates) -> Self {
        Self {
            len: keys.len(),
            table: Table::Integers(table(keys.iter().copied(), duplicates)),
        }
    }

    pub(super) fn texts(keys: &[String], duplicates: Duplicates) -> Self {
        Self {
            len: keys.len(),
            table: Table::Texts(table(keys.iter().cloned(), duplicates)),
        }
    }

    /// Keys of single precision. All NaNs are one key, where `nan` says that they can be found at all; so are both zeros.
    pub(super) fn singles(keys: &[f32], duplicates: Duplicates, nan: bool) -> Self {
        Self {
            len: keys.len(),
            table: Table::Singles(float_table(keys.iter().copied().map(f64::from), duplicates, nan)),
        }
    }

    /// Keys of double precision, as those of [`Keys::singles`].
    pub(super) fn doubles(keys: &[f64], duplicates: Duplicates, nan: bool) -> Self {
        Self {
            len: keys.len(),
            table: Table::Doubles(float_table(keys.iter().copied(), duplicates, nan)),
        }
    }

    /// How many keys were given, equal ones counted each.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The type of the keys.
    pub(super) fn datatype(&self) -> Datatype {
        match &self.table {
            Table::Integers(_) => Datatype::Int64,
            Table::Singles(_) => Datatype::Fp32,
            Table::Doubles(_) => Datatype::Fp64,
            Table::Texts(_) => Datatype::Bytes,
        }
    }

    /// The position of each element, which is [`Keys::len`] for what is no key.
    ///
    /// # Errors
    /// When the elements are not of the type of the keys.
    pub(super) fn positions(&self, data: &TensorData) -> Result<Vec<usize>> {
        let missing = self.len;
        Ok(match (&self.table, data) {
            (Table::Integers(table), TensorData::Int64(values)) => positions(table, values, missing, i64::clone),
            (Table::Singles(table), TensorData::Fp32(values)) => {
                positions(table, values, missing, |value| float_key(f64::from(*value)))
            }
            (Table::Doubles(table), TensorData::Fp64(values)) => {
                positions(table, values, missing, |value| float_key(*value))
            }
            (Table::Texts(table), TensorData::Bytes(values)) => values
                .iter()
                .map(|value| table.get(value).copied().unwrap_or(missing))
                .collect(),
            (_, data) => bail!("{} cannot be looked up in keys of {}", data.datatype(), self.datatype()),
        })
    }
}

fn positions<T, K: Eq + Hash>(
    table: &HashMap<K, usize, RandomState>,
    values: &[T],
    missing: usize,
    key: impl Fn(&T) -> K,
) -> Vec<usize> {
    let position = |value: &T| table.get(&key(value)).copied().unwrap_or(missing);
    values.iter().map(position).collect()
}

fn table<K: Eq + Hash>(keys: impl Iterator<Item = K>, duplicates: Duplicates) -> HashMap<K, usize, RandomState> {
    let mut table = HashMap::default();
    for (position, key) in keys.enumerate() {
        let found = table.entry(key).or_insert(position);
        if duplicates == Duplicates::Last {
            *found = position;
        }
    }
    table
}

fn float_table(keys: impl Iterator<Item = f64>, duplicates: Duplicates, nan: bool) -> HashMap<u64, usize, RandomState> {
    let mut table = table(keys.map(float_key), duplicates);
    if !nan {
        table.remove(&float_key(f64::NAN));
    }
    table
}

/// The same bits for what is the same key.
fn float_key(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        // Adding a positive zero makes one of both zeros.
        (value + 0.0).to_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_keys_the_first_or_the_last_is_found() {
        let texts = ["a", "b", "a"].map(str::to_owned);
        let look_up = TensorData::Bytes(["a", "b", "c"].map(str::to_owned).to_vec());
        let found = |duplicates| Keys::texts(&texts, duplicates).positions(&look_up).expect("texts");
        assert_eq!(found(Duplicates::First), [0, 1, 3]);
        assert_eq!(found(Duplicates::Last), [2, 1, 3]);
    }

    #[test]
    fn zeros_are_one_key_and_a_nan_is_one_where_it_may_be() {
        let keys = [0.0, f64::NAN, f64::MIN_POSITIVE];
        let look_up = TensorData::Fp64(vec![-0.0, -f64::NAN, f64::MIN_POSITIVE, -f64::MIN_POSITIVE]);
        let found = |nan| {
            Keys::doubles(&keys, Duplicates::First, nan)
                .positions(&look_up)
                .expect("doubles")
        };
        assert_eq!(found(true), [0, 1, 2, 3]);
        assert_eq!(found(false), [0, 3, 2, 3]);
    }

    #[test]
    fn elements_of_another_type_are_an_error() {
        let error = Keys::integers(&[1], Duplicates::First).positions(&TensorData::Fp32(vec![1.0]));
        assert_eq!(
            error.expect_err("refused").to_string(),
            "FP32 cannot be looked up in keys of INT64"
        );
    }
}
