//! Puts feature views into a manifest file, and leaves every other byte of it as it is.

use std::path::Path;

use sardonyx_core::manifest::{FeatureView, Layout, Manifest};
use serde::Deserialize;
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
    let new = serde_json::to_string_pretty(&merged)
        .map_err(|error| error.to_string())?
        .replace('\n', "\n  ");
    // `old` is a part of `text`.
    let start = old.as_ptr() as usize - text.as_ptr() as usize;
    Ok([&text[..start], &new, &text[start + old.len()..]].concat())
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
