use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::{Symbol, ToDim};

use super::attributes::texts;
use super::operator::{Fact, Kernel, Operator, single};
use super::pattern::Pattern;
use crate::operators::Context;
use crate::proto::NodeProto;

/// The tokens before and after those of a text, where `mark` asks for them.
const START: &str = "\u{2}";
const END: &str = "\u{3}";

/// Splits texts into tokens, and fills up each list of them to the length of the longest.
///
/// Tokens are what a regular expression matches (`tokenexp`), or what is between separators, which are regular expressions too, and are
/// applied one after the other; or each letter alone (`tokenexp="."` or `separators=[""]`). Tokens of fewer letters than `mincharnum` are
/// left out.
///
/// # Shapes
/// X `[C]` or `[N, C]` of strings; the output has one dimension more, which is as long as the longest list, of this request.
///
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Tokenizer>
#[derive(Debug)]
struct Tokenizer {
    split: Split,
    least_letters: usize,
    mark: bool,
    padding: String,
    /// The length of the longest list.
    longest: Symbol,
}

#[derive(Debug)]
enum Split {
    Letters,
    Tokens(Pattern),
    Separators(Vec<Pattern>),
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let least_letters = node.required::<i64>("mincharnum")?;
    node.expect("mincharnum", least_letters > 0, "one letter or more")?;
    let separators = texts(node, "separators")?;
    let expression = node.optional::<&str>("tokenexp")?;
    let split = match (&separators[..], expression) {
        ([separator], _) if separator.is_empty() => Split::Letters,
        ([], Some(".")) => Split::Letters,
        ([], None | Some("")) => bail!("Tokenizer needs separators or tokenexp"),
        ([], Some(expression)) => Split::Tokens(pattern("tokenexp", expression)?),
        (separators, _) => {
            let patterns = separators.iter().map(|separator| pattern("separators", separator));
            Split::Separators(patterns.collect::<Result<_>>()?)
        }
    };
    if matches!(split, Split::Letters) {
        node.expect("mincharnum", least_letters == 1, "1, since each token is one letter")?;
    }
    Ok(Arc::new(Tokenizer {
        split,
        least_letters: usize::try_from(least_letters)?,
        mark: node.required::<i64>("mark")? != 0,
        padding: node.required("pad_value")?,
        longest: context.symbols.new_with_prefix("tokens"),
    }))
}

fn pattern(attribute: &str, expression: &str) -> Result<Pattern> {
    Pattern::new(expression).with_context(|| format!("the attribute {attribute} of Tokenizer"))
}

impl Operator for Tokenizer {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Tokenizer", inputs)?;
        ensure!(
            input.datatype == Datatype::Bytes && matches!(input.shape.len(), 1 | 2),
            "Tokenizer takes strings, [C] or [N, C], not {} of {} dimensions",
            input.datatype,
            input.shape.len()
        );
        let mut shape = input.shape.clone();
        shape.push(self.longest.to_dim());
        Ok(vec![Fact::new(Datatype::Bytes, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Tokenizer {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("Tokenizer", inputs)?;
        let TensorData::Bytes(texts) = input.data() else {
            bail!("Tokenizer takes strings")
        };
        let lists: Vec<Vec<&str>> = texts.iter().map(|text| self.tokens(text)).collect();
        let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
        // Marks alone are no tokens.
        let length = if longest > 0 && self.mark { longest + 2 } else { longest };
        let mut tokens = Vec::with_capacity(lists.len() * length);
        if length > 0 {
            for list in lists {
                let end = tokens.len() + length;
                tokens.extend(self.mark.then(|| START.to_owned()));
                tokens.extend(list.into_iter().map(str::to_owned));
                tokens.extend(self.mark.then(|| END.to_owned()));
                tokens.resize(end, self.padding.clone());
            }
        }
        let mut shape = input.shape().to_vec();
        shape.push(length);
        Ok(vec![Tensor::new(shape, TensorData::Bytes(tokens))?])
    }
}

impl Tokenizer {
    fn tokens<'a>(&self, text: &'a str) -> Vec<&'a str> {
        match &self.split {
            Split::Letters => split_letters(text),
            Split::Tokens(pattern) => self.matches(pattern, text),
            Split::Separators(patterns) => patterns.iter().fold(vec![text], |tokens, separator| {
                let split = tokens.into_iter().map(|token| self.between(separator, token));
                split.flatten().collect()
            }),
        }
    }

    /// What the pattern matches. From a match that is too short, the search goes on one letter further.
    fn matches<'a>(&self, pattern: &Pattern, text: &'a str) -> Vec<&'a str> {
        let mut tokens = Vec::new();
        let mut from = 0;
        while let Some(found) = pattern.find(text, from) {
            let token = &text[found.clone()];
            if self.is_long_enough(token) {
                tokens.push(token);
                from = found.end;
            } else if let Some(next) = after_letter(text, found.start) {
                from = next;
            } else {
                break;
            }
        }
        tokens
    }

    /// What is between the separators. A separator that matches nothing takes the letter where it does so.
    fn between<'a>(&self, separator: &Pattern, text: &'a str) -> Vec<&'a str> {
        let mut tokens = Vec::new();
        let mut from = 0;
        while let Some(found) = separator.find(text, from) {
            tokens.push(&text[from..found.start]);
            if !found.is_empty() {
                from = found.end;
            } else if let Some(next) = after_letter(text, found.start) {
                from = next;
            } else {
                from = text.len();
                break;
            }
        }
        tokens.push(&text[from..]);
        tokens.retain(|token| self.is_long_enough(token));
        tokens
    }

    fn is_long_enough(&self, token: &str) -> bool {
        token.chars().take(self.least_letters).count() == self.least_letters
    }
}

fn split_letters(text: &str) -> Vec<&str> {
    let letters = text.char_indices();
    letters.map(|(at, letter)| &text[at..at + letter.len_utf8()]).collect()
}

/// Where the letter ends that begins at this byte.
fn after_letter(text: &str, at: usize) -> Option<usize> {
    let letter = text[at..].chars().next()?;
    Some(at + letter.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, node, parse_error, run, run_error, texts};
    use super::*;

    fn tokenizer() -> Node {
        node("com.microsoft", "Tokenizer")
            .with("mark", 0)
            .with("pad_value", "#")
            .with("mincharnum", 1)
    }

    fn by_tokens(expression: &str) -> Node {
        tokenizer().with("tokenexp", expression)
    }

    fn by_separators<const LEN: usize>(separators: [&str; LEN]) -> Node {
        tokenizer().with("separators", separators.to_vec())
    }

    #[test]
    fn lists_are_filled_up_and_marked() {
        let output = run(&by_tokens("[a-z]+"), vec![texts([2], ["ab cd", "x"])]);
        assert_eq!(output, texts([2, 2], ["ab", "cd", "x", "#"]));
        let marked = by_tokens("[a-z]+").with("mark", 1);
        let output = run(&marked, vec![texts([2, 1], ["ab cd", "x"])]);
        assert_eq!(output, texts([2, 1, 4], [START, "ab", "cd", END, START, "x", END, "#"]));
        let output = run(&marked, vec![texts([2, 1], ["", "1"])]);
        assert_eq!(output, texts([2, 1, 0], []));
    }

    #[test]
    fn short_matches_are_left_out() {
        let node = by_tokens(r"\pL+").with("mincharnum", 3);
        assert_eq!(
            run(&node, vec![texts([1], ["ab cde éé ééé"])]),
            texts([1, 2], ["cde", "ééé"])
        );
        assert_eq!(
            run(&by_tokens("[0-9]*"), vec![texts([2], ["", "ab1cd"])]),
            texts([2, 1], ["#", "1"])
        );
    }

    #[test]
    fn each_letter_is_a_token() {
        let output = run(&by_tokens("."), vec![texts([1], ["aé\nb"])]);
        assert_eq!(output, texts([1, 4], ["a", "é", "\n", "b"]));
        let output = run(&by_separators([""]).with("mark", 1), vec![texts([2], ["aé", ""])]);
        assert_eq!(output, texts([2, 4], [START, "a", "é", END, START, END, "#", "#"]));
    }

    #[test]
    fn separators_are_expressions_applied_in_turn() {
        let output = run(&by_separators([",", ";", " "]), vec![texts([2], ["a,b;c d", ",;"])]);
        assert_eq!(output, texts([2, 4], ["a", "b", "c", "d", "#", "#", "#", "#"]));
        assert_eq!(
            run(&by_separators(["1|b"]), vec![texts([1], ["a1b22c"])]),
            texts([1, 2], ["a", "22c"])
        );
        assert_eq!(
            run(&by_separators(["a|ab"]), vec![texts([1], ["abab"])]),
            texts([1, 0], [])
        );
        let node = by_separators([","]).with("mincharnum", 2);
        assert_eq!(run(&node, vec![texts([1], ["aa,b,éé,é"])]), texts([1, 2], ["aa", "éé"]));
    }

    #[test]
    fn a_separator_that_matches_nothing_eats_letters() {
        let node = by_separators(["[0-9]*"]);
        assert_eq!(run(&node, vec![texts([2], ["a1b", "ab1cd2"])]), texts([2, 0], []));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = parse_error(&tokenizer());
        assert!(error.contains("separators or tokenexp"), "{error}");
        let error = parse_error(&by_tokens("a").with("mincharnum", 0));
        assert!(error.contains("mincharnum"), "{error}");
        let error = parse_error(&by_tokens(".").with("mincharnum", 2));
        assert!(error.contains("each token is one letter"), "{error}");
        let error = parse_error(&by_tokens("("));
        assert!(
            error.contains("tokenexp") && error.contains("cannot be read"),
            "{error}"
        );
        let error = run_error(&by_tokens("a"), vec![texts([1, 1, 1], ["a"])]);
        assert_eq!(
            error,
            "Tokenizer takes strings, [C] or [N, C], not BYTES of 3 dimensions"
        );
    }
}
