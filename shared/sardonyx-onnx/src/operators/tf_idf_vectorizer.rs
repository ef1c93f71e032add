use std::collections::HashMap;
use std::iter;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use foldhash::fast::RandomState;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::attributes::{floats, integers, texts};
use super::keys::{Duplicates, Keys};
use super::operator::{Fact, Kernel, Operator, single};
use crate::operators::Context;
use crate::proto::NodeProto;

/// The most columns of the output. A model that asks for more is a mistake, or wants to exhaust the memory.
const MOST_COLUMNS: usize = 1 << 22;

/// Counts the n-grams of each row that are in a pool, and weights the counts.
///
/// As in ONNX Runtime, a weight belongs to a column of the output (the specification says: to an n-gram), and single items are counted once,
/// whatever may be skipped.
///
/// # Shapes
/// X `[C]` or `[B, C]` of `i64` or `i32` (with `pool_int64s`) or of strings (with `pool_strings`); the output is `f32` `[K]` or `[B, K]`,
/// where K is one more than the greatest of `ngram_indexes`.
///
/// <https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html>
#[derive(Debug)]
struct TfIdfVectorizer {
    /// The items of the pool. The position of an item is its number.
    items: Keys,
    /// From a node of the tree of n-grams and the number of an item to the next node. The root is node 0.
    children: HashMap<(u32, u32), u32, RandomState>,
    /// What each node counts for, where an n-gram ends there.
    grams: Vec<Option<Gram>>,
    lengths: std::ops::RangeInclusive<usize>,
    most_skipped: usize,
    mode: Mode,
    output_columns: usize,
}

/// An n-gram of the pool.
#[derive(Clone, Copy, Debug)]
struct Gram {
    column: u32,
    weight: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// How often.
    Tf,
    /// The weight, where there is one at all.
    Idf,
    /// How often, times the weight.
    TfIdf,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "TF" => Ok(Self::Tf),
            "IDF" => Ok(Self::Idf),
            "TFIDF" => Ok(Self::TfIdf),
            other => Err(format!("is {other:?}; it can be TF, IDF or TFIDF")),
        }
    }
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let mode = node.required::<&str>("mode")?.parse();
    let mode = mode.or_else(|problem: String| node.refuse("mode", &problem))?;
    let shortest: usize = node.required("min_gram_length")?;
    let longest: usize = node.required("max_gram_length")?;
    let starts = integers(node, "ngram_counts")?;
    node.expect("min_gram_length", shortest > 0, "one item or more")?;
    node.expect(
        "max_gram_length",
        (shortest..=starts.len()).contains(&longest),
        "at least min_gram_length, and at most as many as there are ngram_counts",
    )?;
    let (items, numbers) = pool(node)?;
    let columns = output_columns(node)?;
    let output_columns = columns.iter().max().map_or(0, |greatest| *greatest as usize + 1);
    let weights = floats(node, "weights")?;
    node.expect(
        "weights",
        weights.is_empty() || weights.len() == columns.len(),
        "one for each of ngram_indexes",
    )?;
    let mut vectorizer = TfIdfVectorizer {
        items,
        children: HashMap::default(),
        grams: vec![None],
        lengths: shortest..=longest,
        most_skipped: node.required("max_skip_count")?,
        mode,
        output_columns,
    };
    let weights = weights.into_iter().chain(iter::repeat(1.0));
    let grams = iter::zip(columns, weights).map(|(column, weight)| Gram { column, weight });
    vectorizer.plant(node, &starts, &numbers, grams)?;
    Ok(Arc::new(vectorizer))
}

/// The items of the pool, and the number of each of them, in order.
fn pool(node: &NodeProto) -> Result<(Keys, Vec<usize>)> {
    let texts = texts(node, "pool_strings")?;
    let integers = integers(node, "pool_int64s")?;
    let (items, data) = match (texts.is_empty(), integers.is_empty()) {
        (false, true) => (Keys::texts(&texts, Duplicates::First), TensorData::Bytes(texts)),
        (true, false) => (
            Keys::integers(&integers, Duplicates::First),
            TensorData::Int64(integers),
        ),
        (true, true) => bail!("TfIdfVectorizer needs a pool: pool_strings or pool_int64s"),
        (false, false) => bail!("TfIdfVectorizer takes one of pool_strings and pool_int64s, not both"),
    };
    ensure!(
        u32::try_from(data.len()).is_ok(),
        "TfIdfVectorizer takes a pool of at most {} items",
        u32::MAX
    );
    let numbers = items.positions(&data)?;
    Ok((items, numbers))
}

fn output_columns(node: &NodeProto) -> Result<Vec<u32>> {
    let indexes = integers(node, "ngram_indexes")?;
    node.expect("ngram_indexes", !indexes.is_empty(), "at least one column")?;
    let column = |index: &i64| {
        u32::try_from(*index)
            .ok()
            .filter(|index| (*index as usize) < MOST_COLUMNS)
    };
    match indexes.iter().map(column).collect() {
        Some(columns) => Ok(columns),
        None => node.refuse(
            "ngram_indexes",
            format!("has columns that are negative or beyond {MOST_COLUMNS}"),
        ),
    }
}

impl TfIdfVectorizer {
    /// Makes the tree of the n-grams of the pool: first all of one item, then all of two, and so on, from where `ngram_counts` says.
    fn plant(
        &mut self,
        node: &NodeProto,
        starts: &[i64],
        numbers: &[usize],
        mut grams: impl Iterator<Item = Gram>,
    ) -> Result<()> {
        for (index, start) in starts.iter().enumerate() {
            let length = index + 1;
            let end = starts.get(length).copied().unwrap_or(numbers.len() as i64);
            let part = usize::try_from(*start).ok().zip(usize::try_from(end).ok());
            let Some(part) = part.and_then(|(start, end)| numbers.get(start..end)) else {
                return node.refuse("ngram_counts", "is no ascending list of places in the pool");
            };
            let parts = part.chunks_exact(length);
            node.expect(
                "ngram_counts",
                parts.remainder().is_empty(),
                format_args!("to leave whole n-grams of {length} items"),
            )?;
            for items in parts {
                let Some(gram) = grams.next() else {
                    return node.refuse("ngram_indexes", "has fewer columns than there are n-grams");
                };
                if self.lengths.contains(&length) {
                    self.plant_one(items, gram)?;
                }
            }
        }
        Ok(())
    }

    fn plant_one(&mut self, items: &[usize], gram: Gram) -> Result<()> {
        let mut at = 0;
        for &number in items {
            let next = u32::try_from(self.grams.len())?;
            let found = *self.children.entry((at, number as u32)).or_insert(next);
            if found == next {
                self.grams.push(None);
            }
            at = found;
        }
        let known = self.grams[at as usize].replace(gram);
        ensure!(
            known.is_none(),
            "TfIdfVectorizer has an n-gram of {} items twice in its pool",
            items.len()
        );
        Ok(())
    }

    fn count_row(&self, row: &[usize], counts: &mut [f32]) {
        let mut shortest = *self.lengths.start();
        let longest = *self.lengths.end();
        for distance in 1..=self.most_skipped.saturating_add(1) {
            let span = distance.saturating_mul(shortest - 1);
            if span >= row.len() {
                break;
            }
            for start in 0..row.len() - span {
                let mut node = 0;
                let gram = row[start..].iter().step_by(distance).take(longest);
                for (index, &number) in gram.enumerate() {
                    // Numbers fit, since there are no more items than that.
                    let Some(&next) = self.children.get(&(node, number as u32)) else {
                        break;
                    };
                    node = next;
                    if let Some(gram) = self.grams[node as usize]
                        && index + 1 >= shortest
                    {
                        self.count(gram, counts);
                    }
                }
            }
            // Single items are what they are, whatever the distance.
            if shortest == 1 {
                shortest = 2;
                if shortest > longest {
                    break;
                }
            }
        }
    }

    fn count(&self, gram: Gram, counts: &mut [f32]) {
        let count = &mut counts[gram.column as usize];
        match self.mode {
            Mode::Tf => *count += 1.0,
            Mode::TfIdf => *count += gram.weight,
            Mode::Idf => *count = gram.weight,
        }
    }
}

impl Operator for TfIdfVectorizer {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("TfIdfVectorizer", inputs)?;
        let items = self.items.datatype();
        let fits = input.datatype == items || items == Datatype::Int64 && input.datatype == Datatype::Int32;
        ensure!(
            fits,
            "TfIdfVectorizer has a pool of {items}, but its input is {}",
            input.datatype
        );
        let rank = input.shape.len();
        ensure!(rank <= 2, "TfIdfVectorizer takes [C] or [B, C], not {rank} dimensions");
        let rows = input.shape.first().filter(|_| rank == 2).cloned();
        Ok(vec![Fact::new(
            Datatype::Fp32,
            rows.into_iter().chain([self.output_columns.to_dim()]),
        )])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for TfIdfVectorizer {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("TfIdfVectorizer", inputs)?;
        let numbers = match input.data() {
            TensorData::Int32(values) => {
                let values = values.iter().map(|&value| value.into());
                self.items.positions(&TensorData::Int64(values.collect()))?
            }
            data => self.items.positions(data)?,
        };
        let (rows, row_len, mut shape) = match input.shape() {
            [rows, columns] => (*rows, *columns, vec![*rows]),
            _ => (1, numbers.len(), vec![]),
        };
        shape.push(self.output_columns);
        let mut counts = vec![0f32; rows * self.output_columns];
        if row_len > 0 {
            let rows = numbers.chunks_exact(row_len);
            for (row, counts) in rows.zip(counts.chunks_exact_mut(self.output_columns)) {
                self.count_row(row, counts);
            }
        }
        Ok(vec![Tensor::new(shape, TensorData::Fp32(counts))?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, node, parse_error, run, run_error, texts};
    use super::*;

    fn vectorizer(mode: &str, lengths: [i64; 2], skipped: i64) -> Node {
        node("", "TfIdfVectorizer")
            .with("mode", mode)
            .with("min_gram_length", lengths[0])
            .with("max_gram_length", lengths[1])
            .with("max_skip_count", skipped)
    }

    /// The pool of the examples in the specification.
    fn example(mode: &str, lengths: [i64; 2], skipped: i64) -> Node {
        vectorizer(mode, lengths, skipped)
            .with("ngram_counts", vec![0, 4])
            .with("ngram_indexes", vec![0, 1, 2, 3, 4, 5, 6])
            .with("pool_int64s", vec![2, 3, 5, 4, 5, 6, 7, 8, 6, 7])
    }

    fn rows() -> Tensor {
        let rows = vec![1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8];
        Tensor::new(vec![2, 6], TensorData::Int64(rows)).expect("fits")
    }

    fn counts(node: &Node, input: Tensor) -> Vec<f32> {
        match run(node, vec![input]).into_data() {
            TensorData::Fp32(counts) => counts,
            other => panic!("{}", other.datatype()),
        }
    }

    #[test]
    fn n_grams_may_skip_items_but_single_items_count_once() {
        let zeros = [0.0; 7];
        let threes = [0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        for (lengths, skipped, expected) in [
            ([1, 2], 0, [threes, [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]]),
            ([1, 2], 5, [threes, [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0]]),
            ([2, 2], 1, [zeros, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0]]),
            ([2, 2], i64::MAX, [zeros, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]),
        ] {
            let node = example("TF", lengths, skipped);
            assert_eq!(counts(&node, rows()), expected.concat(), "{lengths:?} {skipped}");
        }
    }

    #[test]
    fn integers_of_32_bits_are_the_same() {
        let TensorData::Int64(values) = rows().into_data() else {
            unreachable!()
        };
        let values = values.into_iter().map(|value| value as i32).collect();
        let narrow = Tensor::new(vec![2, 6], TensorData::Int32(values)).expect("fits");
        let node = example("TF", [1, 2], 5);
        assert_eq!(counts(&node, narrow), counts(&node, rows()));
    }

    #[test]
    fn weights_belong_to_the_n_grams_of_the_pool() {
        let weighted = |mode| {
            example(mode, [1, 2], 5)
                .with("ngram_indexes", vec![6, 5, 4, 3, 2, 1, 0])
                .with("weights", vec![0.1f32, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
        };
        let first = |weight: f32| [0.0, 0.0, 0.0, 0.0, 0.0, weight, 0.0];
        let second = [0.7, 0.6, 0.5, 0.0, 0.3, 0.0, 0.0];
        let expected = |first: [f32; 7], second: [f32; 7]| [first, second].concat();
        assert_eq!(
            counts(&weighted("TF"), rows()),
            expected(first(3.0), second.map(|weight| f32::from(weight > 0.0)))
        );
        assert_eq!(counts(&weighted("IDF"), rows()), expected(first(0.2), second));
        let thrice = 0.2f32 + 0.2 + 0.2;
        assert_eq!(counts(&weighted("TFIDF"), rows()), expected(first(thrice), second));
    }

    #[test]
    fn strings_in_one_row_give_one_row() {
        let node = vectorizer("TF", [1, 3], 1)
            .with("ngram_counts", vec![0, 1, 3])
            .with("ngram_indexes", vec![0, 1, 2])
            .with("pool_strings", vec!["a", "b", "c", "a", "b", "c"]);
        let output = run(&node, vec![texts([6], ["a", "b", "c", "a", "b", "c"])]);
        assert_eq!(
            output,
            Tensor::new(vec![3], TensorData::Fp32(vec![2.0, 2.0, 2.0])).expect("fits")
        );
        let output = run(&node, vec![texts([2, 0], [])]);
        assert_eq!(
            output,
            Tensor::new(vec![2, 3], TensorData::Fp32(vec![0.0; 6])).expect("fits")
        );
    }

    #[test]
    fn attributes_that_contradict_each_other_are_refused() {
        let good = || example("TF", [1, 2], 0);
        for (node, reason) in [
            (good().with("mode", "tf"), "TF, IDF or TFIDF"),
            (good().with("min_gram_length", 0), "min_gram_length"),
            (good().with("max_gram_length", 3), "max_gram_length"),
            (good().with("max_skip_count", -1), "max_skip_count"),
            (good().with("ngram_counts", vec![0, 11]), "ngram_counts"),
            (good().with("ngram_counts", vec![0, 3]), "whole n-grams"),
            (good().with("ngram_counts", vec![0, -4]), "ngram_counts"),
            (good().with("ngram_indexes", vec![0, 1, 2]), "fewer columns"),
            (good().with("ngram_indexes", vec![0, 1, 2, 3, 4, 5, i64::MAX]), "beyond"),
            (good().with("ngram_indexes", vec![-1; 7]), "negative"),
            (good().with("weights", vec![1.0f32]), "weights"),
            (good().with("pool_int64s", vec![2, 2, 5, 4, 5, 6, 7, 8, 6, 7]), "twice"),
            (good().with("pool_strings", vec!["a"]), "not both"),
            (good().with("pool_int64s", Vec::<i64>::new()), "needs a pool"),
        ] {
            let error = parse_error(&node);
            assert!(error.contains(reason), "{reason}: {error}");
        }
        let error = run_error(&good(), vec![texts([1], ["a"])]);
        assert_eq!(error, "TfIdfVectorizer has a pool of INT64, but its input is BYTES");
    }
}
