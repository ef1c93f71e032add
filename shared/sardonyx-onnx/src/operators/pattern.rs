//! Regular expressions as RE2 reads them, which ONNX Runtime uses.

use std::iter::Peekable;
use std::ops::Range;
use std::str::Chars;

use anyhow::{Result, anyhow, bail};
use regex_automata::meta::{Builder, Config, Regex};
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Hir, HirKind};

/// The most memory that the automaton of one pattern may take. Patterns come with the model, from whoever made it.
const SIZE_LIMIT_BYTES: usize = 4 << 20;

/// A pattern that finds, of the matches that begin first, the longest.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Finds where a match begins.
    first: Regex,
    /// Finds where the longest match from there ends. `None` where the first match is always the longest.
    longest: Option<Regex>,
}

impl Pattern {
    /// Reads a pattern in the syntax of RE2.
    pub(super) fn new(pattern: &str) -> Result<Self> {
        let translated = translate(pattern)?;
        let hir = regex_syntax::ParserBuilder::new()
            .nest_limit(100)
            .build()
            .parse(&translated)
            .map_err(|error| anyhow!("the regular expression {pattern:?} cannot be read: {error}"))?;
        let build = |kind: MatchKind| {
            let config = Config::new().match_kind(kind).nfa_size_limit(Some(SIZE_LIMIT_BYTES));
            Builder::new()
                .configure(config)
                .build_from_hir(&hir)
                .map_err(|error| anyhow!("the regular expression {pattern:?} is too large: {error}"))
        };
        Ok(Self {
            first: build(MatchKind::LeftmostFirst)?,
            longest: if is_always_longest(&hir) {
                None
            } else {
                Some(build(MatchKind::All)?)
            },
        })
    }

    /// The next match that begins at this byte or after it.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let found = self.first.search(&Input::new(text).range(from..))?.range();
        let Some(longest) = &self.longest else {
            return Some(found);
        };
        let input = Input::new(text).range(found.start..).anchored(Anchored::Yes);
        let end = longest.search_half(&input)?.offset();
        Some(found.start..end)
    }
}

/// Whether there is no choice in what matches: one class of letters, or as many of them as there are.
fn is_always_longest(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => true,
        HirKind::Repetition(repetition) => repetition.greedy && matches!(repetition.sub.kind(), HirKind::Class(_)),
        _ => false,
    }
}

/// RE2's syntax to that of `regex-syntax`: the letters, digits and spaces of `\w`, `\d`, `\s` and `\b` are those of ASCII, there are no
/// operations between classes, and `\Q…\E` quotes.
fn translate(pattern: &str) -> Result<String> {
    let mut translated = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    let mut is_in_class = false;
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => {
                let Some(escaped) = rest.next() else {
                    bail!("the regular expression {pattern:?} ends with a backslash")
                };
                if escaped == 'Q' && !is_in_class {
                    quote(&mut rest, &mut translated);
                } else {
                    escape(escaped, pattern, &mut translated)?;
                }
            }
            '[' if !is_in_class => {
                is_in_class = true;
                translated.push('[');
                translated.extend(rest.next_if_eq(&'^'));
                if rest.next_if_eq(&']').is_some() {
                    translated.push_str("\\]");
                }
            }
            ']' => {
                is_in_class = false;
                translated.push(']');
            }
            '[' if rest.peek() == Some(&':') => {
                // A named class, as in `[[:alpha:]]`, which is the same in both.
                translated.push('[');
                for letter in rest.by_ref() {
                    translated.push(letter);
                    if letter == ']' {
                        break;
                    }
                }
            }
            '-' if is_in_class && rest.peek() == Some(&'-') => {
                bail!("the regular expression {pattern:?} has -- in a class; write \\- for the sign")
            }
            '[' | '&' | '~' if is_in_class => translated.extend(['\\', letter]),
            _ => translated.push(letter),
        }
    }
    Ok(translated)
}

fn quote(rest: &mut Peekable<Chars<'_>>, translated: &mut String) {
    while let Some(letter) = rest.next() {
        if letter == '\\' && rest.next_if_eq(&'E').is_some() {
            return;
        }
        translated.push_str(&regex_syntax::escape(letter.encode_utf8(&mut [0; 4])));
    }
}

fn escape(escaped: char, pattern: &str, translated: &mut String) -> Result<()> {
    translated.push_str(match escaped {
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => "[\\t\\n\\f\\r ]",
        'S' => "[^\\t\\n\\f\\r ]",
        'b' => "(?-u:\\b)",
        'B' => "(?-u:\\B)",
        'C' => bail!("the regular expression {pattern:?} has \\C, which splits letters into bytes"),
        '<' => "<",
        '>' => ">",
        other => {
            translated.extend(['\\', other]);
            return Ok(());
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All matches, each from where the last one ended.
    fn matches<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
        let pattern = Pattern::new(pattern).expect("a pattern");
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(range) = pattern.find(text, from) {
            from = range.end;
            found.push(&text[range]);
        }
        found
    }

    #[test]
    fn of_the_matches_that_begin_first_the_longest_is_found() {
        assert_eq!(matches("a|ab|abcd", "abc abcd"), ["ab", "abcd"]);
        assert_eq!(matches("ab??c??", "abc"), ["abc"]);
        assert_eq!(matches("(ab?)(bc)?", "abc"), ["abc"]);
        assert_eq!(matches("[a-z]+", "ab cd"), ["ab", "cd"]);
    }

    #[test]
    fn classes_by_one_letter_are_those_of_ascii() {
        assert_eq!(matches(r"\w+", "été a_1 Ünder"), ["t", "a_1", "nder"]);
        assert_eq!(matches(r"\b\w+\b", "été a_1"), ["t", "a_1"]);
        assert_eq!(matches(r"\pL+", "été a_1"), ["été", "a"]);
        assert_eq!(matches(r"[\w-]+", "a-b.c"), ["a-b", "c"]);
        assert_eq!(matches(r"[^\W]+", "a&b"), ["a", "b"]);
        assert_eq!(matches(r"\s", "a\u{b}b c"), [" "]);
        assert_eq!(matches("(?i)[aé]+", "aAé É"), ["aAé", "É"]);
    }

    #[test]
    fn there_are_no_operations_between_classes_and_quotes_are_literal() {
        assert_eq!(matches("[[]|[&~]+|[]]", "a[b&&c~~d]"), ["[", "&&", "~~", "]"]);
        assert_eq!(matches("[[:alpha:]]+", "aB1 c"), ["aB", "c"]);
        assert_eq!(matches(r"\Q.\E|\+|\<", "a.b+c<"), [".", "+", "<"]);
        assert_eq!(matches("[^]]", "a]b"), ["a", "b"]);
    }

    #[test]
    fn a_place_in_the_text_is_not_its_beginning() {
        let pattern = Pattern::new("^ab").expect("a pattern");
        assert_eq!(pattern.find("abab", 0), Some(0..2));
        assert_eq!(pattern.find("abab", 2), None);
    }

    #[test]
    fn what_cannot_be_read_or_is_too_large_is_refused() {
        for (pattern, reason) in [
            ("(", "cannot be read"),
            ("a\\", "backslash"),
            ("\\C", "bytes"),
            ("[+--]", "--"),
            (&"(".repeat(1000), "cannot be read"),
            ("((a{1000}){1000}){1000}", "too large"),
        ] {
            let error = Pattern::new(pattern).expect_err("refused").to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
