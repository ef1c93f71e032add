use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use foldhash::fast::RandomState;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::{Symbol, ToDim};

use super::attributes::{parse_or_default, texts};
use super::operator::{Fact, Kernel, Operator, single};
use crate::operators::Context;
use crate::proto::NodeProto;

/// Takes stop words out of a list of strings, and makes the rest upper or lower case.
///
/// Case is changed letter by letter, as ONNX Runtime does it: `ß` stays `ß` in upper case. Words are compared in lower case where
/// `is_case_sensitive` is 0.
///
/// # Shapes
/// X `[C]` or `[1, C]` of strings; the output has the same shape, less the stop words. When nothing is left it is one empty string.
///
/// <https://onnx.ai/onnx/operators/onnx__StringNormalizer.html>
#[derive(Debug)]
struct StringNormalizer {
    case: CaseChange,
    is_case_sensitive: bool,
    /// In lower case, unless it is significant.
    stop_words: HashSet<String, RandomState>,
    /// How many strings are left.
    left: Symbol,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CaseChange {
    #[default]
    None,
    Lower,
    Upper,
}

impl FromStr for CaseChange {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "NONE" => Ok(Self::None),
            "LOWER" => Ok(Self::Lower),
            "UPPER" => Ok(Self::Upper),
            other => Err(format!("is {other:?}; it can be NONE, LOWER or UPPER")),
        }
    }
}

/// Languages with letters of their own for `i`, by the beginning of their locales.
const TURKIC_LOCALES: [&str; 5] = ["tr", "az", "ku", "crh", "tt"];

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let is_case_sensitive = node.optional::<i64>("is_case_sensitive")?.unwrap_or(0) != 0;
    let case = parse_or_default(node, "case_change_action")?;
    let locale = node.optional::<String>("locale")?.unwrap_or_default();
    let language = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
    node.expect(
        "locale",
        !TURKIC_LOCALES.contains(&language),
        "a language whose letters change case like those of English",
    )?;
    let stop_words = texts(node, "stopwords")?.into_iter();
    Ok(Arc::new(StringNormalizer {
        case,
        is_case_sensitive,
        stop_words: if is_case_sensitive {
            stop_words.collect()
        } else {
            stop_words.map(|word| lower(&word)).collect()
        },
        left: context.symbols.new_with_prefix("strings"),
    }))
}

impl Operator for StringNormalizer {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("StringNormalizer", inputs)?;
        ensure!(
            input.datatype == Datatype::Bytes,
            "StringNormalizer takes strings, not {}",
            input.datatype
        );
        let mut shape = input.shape.clone();
        let is_row = shape.len() == 2 && (shape[0] == 1.to_dim() || shape[0].to_i64().is_err());
        ensure!(
            shape.len() == 1 || is_row,
            "StringNormalizer takes a list of strings, [C] or [1, C], not {shape:?}; reshape it to [-1] before"
        );
        if shape.len() == 2 {
            shape[0] = 1.to_dim();
        }
        if let (Some(last), false) = (shape.last_mut(), self.stop_words.is_empty()) {
            *last = self.left.to_dim();
        }
        Ok(vec![Fact::new(Datatype::Bytes, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for StringNormalizer {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("StringNormalizer", inputs)?;
        let TensorData::Bytes(texts) = input.data() else {
            bail!("StringNormalizer takes strings")
        };
        let mut shape = input.shape().to_vec();
        ensure!(
            shape.len() == 1 || shape.len() == 2 && shape[0] == 1,
            "StringNormalizer takes a list of strings, [C] or [1, C], not {shape:?}"
        );
        let kept = texts.iter().filter(|text| !self.is_stop_word(text));
        let mut changed: Vec<String> = kept
            .map(|text| match self.case {
                CaseChange::None => text.clone(),
                CaseChange::Lower => lower(text),
                CaseChange::Upper => upper(text),
            })
            .collect();
        if changed.is_empty() && !texts.is_empty() {
            changed.push(String::new());
        }
        if let Some(last) = shape.last_mut() {
            *last = changed.len();
        }
        Ok(vec![Tensor::new(shape, TensorData::Bytes(changed))?])
    }
}

impl StringNormalizer {
    fn is_stop_word(&self, text: &str) -> bool {
        if self.stop_words.is_empty() {
            return false;
        }
        if self.is_case_sensitive {
            self.stop_words.contains(text)
        } else {
            self.stop_words.contains(&lower(text))
        }
    }
}

fn lower(text: &str) -> String {
    let lower = |letter: char| match letter {
        'İ' => 'i',
        _ => alone(letter.to_lowercase()).unwrap_or(letter),
    };
    text.chars().map(lower).collect()
}

fn upper(text: &str) -> String {
    let upper = |letter: char| match letter {
        // Greek letters with a small iota below have one capital letter, though a text in capitals writes two.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => shifted(letter, 8),
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => shifted(letter, 9),
        _ => alone(letter.to_uppercase()).unwrap_or(letter),
    };
    text.chars().map(upper).collect()
}

fn shifted(letter: char, by: u32) -> char {
    char::from_u32(letter as u32 + by).unwrap_or(letter)
}

/// The only one of these letters.
fn alone(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next();
    first.filter(|_| letters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, node, parse_error, run, run_error, texts};
    use super::*;

    fn normalizer() -> Node {
        node("", "StringNormalizer")
    }

    #[test]
    fn case_is_changed_letter_by_letter() {
        let lower = normalizer().with("case_change_action", "LOWER");
        assert_eq!(
            run(&lower, vec![texts([4], ["ÉCOLE", "İI", "ΑΣ", "ß"])]),
            texts([4], ["école", "ii", "ασ", "ß"])
        );
        let upper = normalizer().with("case_change_action", "UPPER");
        let input = texts([1, 4], ["straße", "ǆ", "\u{1fb3}\u{1f80}", "ŉ"]);
        assert_eq!(
            run(&upper, vec![input]),
            texts([1, 4], ["STRAßE", "Ǆ", "\u{1fbc}\u{1f88}", "ŉ"])
        );
    }

    #[test]
    fn stop_words_are_compared_in_lower_case_and_the_others_keep_theirs() {
        let stop = || normalizer().with("stopwords", vec!["THE", "s", "s"]);
        let input = || vec![texts([5], ["Ab", "the", "ſ", "S", "The"])];
        assert_eq!(run(&stop(), input()), texts([2], ["Ab", "ſ"]));
        assert_eq!(
            run(&stop().with("case_change_action", "UPPER"), input()),
            texts([2], ["AB", "S"])
        );
        let sensitive = stop().with("is_case_sensitive", 1);
        assert_eq!(
            run(&sensitive, vec![texts([3], ["the", "THE", "S"])]),
            texts([2], ["the", "S"])
        );
    }

    #[test]
    fn one_empty_string_stands_for_nothing_left() {
        let node = normalizer().with("stopwords", vec!["the"]);
        assert_eq!(run(&node, vec![texts([2], ["the", "THE"])]), texts([1], [""]));
        assert_eq!(run(&node, vec![texts([1, 2], ["the", "THE"])]), texts([1, 1], [""]));
    }

    #[test]
    fn tables_numbers_and_strange_attributes_are_refused() {
        let error = run_error(&normalizer(), vec![texts([2, 1], ["a", "b"])]);
        assert!(error.contains("[C] or [1, C]") && error.contains("reshape"), "{error}");
        let number = Tensor::new(vec![1], TensorData::Int64(vec![1])).expect("fits");
        assert_eq!(
            run_error(&normalizer(), vec![number]),
            "StringNormalizer takes strings, not INT64"
        );
        let error = parse_error(&normalizer().with("case_change_action", "Lower"));
        assert!(error.contains("NONE, LOWER or UPPER"), "{error}");
        let error = parse_error(&normalizer().with("locale", "tr_TR.UTF-8"));
        assert!(error.contains("locale") && error.contains("English"), "{error}");
    }
}
