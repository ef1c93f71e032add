//! Puts feature views into a manifest file, and leaves every other byte of it as it is.

use std::io::{self, Write};
use std::path::Path;

use sardonyx_core::manifest::{FeatureView, Layout, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use serde_json::value::RawValue;

use crate::{CommandError, read_file};

/// The part of a manifest that is replaced.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    feature_views: &'a RawValue,
}

/// Puts each view in place of the one of its name, or behind those that are there, and writes the file if it is a valid manifest then.
pub(super) fn replace_views(path: &Path, views: Vec<FeatureView>) -> Result<String, CommandError> {
    let names: Vec<_> = views.iter().map(|view| view.name.clone()).collect();
    let text = String::from_utf8(read_file(path)?)?;
    let changed = with_views(&text, views).map_err(|problem| format!("{}: {problem}", path.display()))?;
    Manifest::from_json(changed.as_bytes()).map_err(|error| -> CommandError {
        Box::new(NotWritten {
            path: path.display().to_string(),
            error: error.into(),
        })
    })?;
    std::fs::write(path, changed).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!(
        "{}: has the feature views {}",
        path.display(),
        names.join(", ")
    ))
}

/// A manifest that would not be valid with the views.
#[derive(Debug)]
struct NotWritten {
    path: String,
    error: CommandError,
}

impl std::fmt::Display for NotWritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: was not changed, since it would not be valid with these views",
            self.path
        )
    }
}

impl std::error::Error for NotWritten {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.error)
    }
}

fn with_views(text: &str, views: Vec<FeatureView>) -> Result<String, String> {
    let outline: Outline<'_> = serde_json::from_str(text)
        .map_err(|error| format!("{error}; a manifest without views has \"feature_views\": []"))?;
    let old = outline.feature_views.get();
    let mut merged: Vec<FeatureView> = serde_json::from_str(old).map_err(|error| format!("feature_views: {error}"))?;
    for mut view in views {
        match merged.iter_mut().find(|there| there.name == view.name) {
            None => merged.push(view),
            Some(there) if there.layout == Layout::Feast => {
                // Feast has no such policy: it is the manifest's own.
                view.stale = there.stale;
                *there = view;
            }
            Some(_) => {
                return Err(format!(
                    "feature_views has {:?} in the native layout; give one of the two another name",
                    view.name
                ));
            }
        }
    }
    let new = pretty(&merged, 1).map_err(|error| error.to_string())?;
    // `old` is a part of `text`.
    let start = old.as_ptr() as usize - text.as_ptr() as usize;
    Ok([&text[..start], &new, &text[start + old.len()..]].concat())
}

/// Views as a manifest has them: each join key and each feature on a line of its own.
///
/// # Errors
/// When they cannot be serialised.
pub(super) fn pretty(views: &[FeatureView], indentation: usize) -> serde_json::Result<String> {
    let mut text = Vec::new();
    let layout = Lines { indentation, depth: 0 };
    views.serialize(&mut Serializer::with_formatter(&mut text, layout))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Breaks lines down to the members of a view's lists, and not inside of those.
struct Lines {
    indentation: usize,
    depth: usize,
}

impl Lines {
    /// The list of the views, a view, and a list in it.
    const BROKEN: usize = 3;

    fn open<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(bracket)
    }

    fn close<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        let is_broken = self.depth <= Self::BROKEN;
        self.depth -= 1;
        if is_broken {
            self.new_line(writer)?;
        }
        writer.write_all(bracket)
    }

    fn before_member<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        let is_broken = self.depth <= Self::BROKEN;
        match (first, is_broken) {
            (true, _) => {}
            (false, true) => writer.write_all(b",")?,
            (false, false) => writer.write_all(b", ")?,
        }
        if is_broken { self.new_line(writer) } else { Ok(()) }
    }

    fn new_line<W: Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.indentation + self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.before_member(writer, first)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.before_member(writer, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sardonyx_core::manifest::StalePolicy;
    use sardonyx_core::testing::models;

    fn feast_view(name: &str) -> FeatureView {
        let mut view = models::manifest().feature_views[1].clone();
        view.name = name.into();
        view.layout = Layout::Feast;
        view.table = Some("shop.user".into());
        view.stale = StalePolicy::Reject;
        view
    }

    #[test]
    fn only_the_views_change_and_their_policies_stay() {
        let text = models::manifest_json().to_string();
        let added = with_views(&text, vec![feast_view("new")]).expect("is a manifest");
        let manifest = Manifest::from_json(added.as_bytes()).expect("is valid");
        assert_eq!(manifest.feature_views.len(), 3);
        let served = added.replace("\"stale\": \"reject\"\n    }\n  ]", "\"stale\": \"serve\"\n    }\n  ]");
        assert_ne!(served, added);

        let mut changed = feast_view("new");
        changed.max_age_seconds = Some(7);
        let again = with_views(&served, vec![changed]).expect("is a manifest");
        let manifest = Manifest::from_json(again.as_bytes()).expect("is valid");
        let view = &manifest.feature_views[2];
        assert_eq!((view.max_age_seconds, view.stale), (Some(7), StalePolicy::Serve));
        let without = |text: &str| {
            serde_json::from_str::<Outline<'_>>(text)
                .map(|outline| text.replace(outline.feature_views.get(), ""))
                .expect("has views")
        };
        assert_eq!(without(&again), without(&text));
    }

    #[test]
    fn a_view_reads_as_a_table() {
        let text = pretty(&[feast_view("new")], 0).expect("serialises");
        let expected = r#"[
  {
    "name": "new",
    "join_keys": [
      {"name": "user_id", "type": "int64"}
    ],
    "layout": "feast",
    "table": "shop.user",
    "features": [
      {"name": "user_age", "type": "int64"},
      {"name": "user_score", "type": "float64"}
    ],
    "max_age_seconds": 100,
    "stale": "reject"
  }
]"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        let text = models::manifest_json().to_string();
        let error = with_views(&text, vec![feast_view("user")]).expect_err("is a native view");
        assert!(
            error.contains("feature_views has \"user\" in the native layout"),
            "{error}"
        );
        let error = with_views("{}", vec![]).expect_err("has no views");
        assert!(error.contains("missing field `feature_views`"), "{error}");
    }
}
