//! What a manifest must satisfy that has a catalogue of offers.

use super::{CATALOGUE_SOURCE, Check, Manifest, ManifestError, SOURCE_NAME, features, is_source_name, require, unique};
use crate::manifest::{CatalogueSpec, REQUEST_SOURCE, RedeemedOffers};
use crate::rank::{FILTERS_FIELD, K_FIELD, OFFER_FIELDS};
use crate::tensor::Datatype;
use crate::value::ValueType;

/// A set of regions is a word of 64 bits.
const MOST_REGIONS: usize = 64;
/// A category is a number of 16 bits, the last of which stands for none.
const MOST_CATEGORIES: usize = u16::MAX as usize;

pub(super) fn validate(manifest: &Manifest) -> Check {
    let Some(catalogue) = &manifest.catalogue else {
        return Ok(());
    };
    require(
        is_source_name(&catalogue.name) && manifest.feature_view(&catalogue.name).is_none(),
        || "catalogue.name".into(),
        || format!("{SOURCE_NAME}, nor a feature view's"),
    )?;
    validate_features(catalogue)?;
    validate_vocabulary(&catalogue.regions, MOST_REGIONS, "catalogue.regions")?;
    validate_vocabulary(&catalogue.categories, MOST_CATEGORIES, "catalogue.categories")?;
    if let Some(redeemed) = &catalogue.redeemed {
        validate_redeemed(manifest, redeemed)?;
    }
    require(
        catalogue.max_age_seconds != Some(0),
        || "catalogue.max_age_seconds".into(),
        || "must be more than 0; leave it out when a catalogue never becomes stale".into(),
    )?;
    validate_use(manifest)
}

fn validate_features(catalogue: &CatalogueSpec) -> Check {
    unique(
        catalogue.features.iter().map(|feature| &feature.name),
        "catalogue.features",
    )?;
    for feature in &catalogue.features {
        let path = || format!("catalogue.features.{}", feature.name);
        require(feature.length.is_none(), path, || {
            "must have no length: an offer's feature is one value".into()
        })?;
        let is_category = feature.name == "category" && feature.value_type == ValueType::String;
        require(
            is_category || !OFFER_FIELDS.contains(&feature.name.as_str()),
            path,
            || "is a field that every offer has; rename it (only a string may be called category)".into(),
        )?;
    }
    Ok(())
}

fn validate_vocabulary(words: &[String], most: usize, path: &str) -> Check {
    unique(words.iter(), path)?;
    require(
        words.len() <= most,
        || path.into(),
        || format!("must be at most {most}"),
    )
}

fn validate_redeemed(manifest: &Manifest, redeemed: &RedeemedOffers) -> Check {
    let view = manifest.feature_view(&redeemed.view);
    let stored = view.and_then(|view| view.features.iter().find(|stored| stored.name == redeemed.feature));
    require(
        stored.is_some_and(|stored| stored.value_type == ValueType::String && stored.length.is_none()),
        || "catalogue.redeemed".into(),
        || "must name a feature view and a string of it".into(),
    )
}

/// The input is made of the catalogue's columns and of those of the user and the request, and an instance has fields of its own.
fn validate_use(manifest: &Manifest) -> Check {
    let [input] = manifest.inputs.as_slice() else {
        return Err(ManifestError::invalid(
            "inputs",
            "must be one where there is a catalogue",
        ));
    };
    require(
        input.datatype == Datatype::Fp32 && input.shape.len() == 2,
        || "inputs[0]".into(),
        || "must be FP32 of the shape [-1, columns] where there is a catalogue".into(),
    )?;
    require(
        features(manifest).any(|feature| feature.source == CATALOGUE_SOURCE),
        || "inputs[0].features".into(),
        || format!("must have one with the source {CATALOGUE_SOURCE:?}, or offers could not be told apart"),
    )?;
    let keys = manifest.feature_views.iter().flat_map(|view| &view.join_keys);
    let requested = features(manifest).filter(|feature| feature.source == REQUEST_SOURCE);
    let names = requested.map(|feature| &feature.name).chain(keys.map(|key| &key.name));
    for name in names {
        require(
            ![K_FIELD, FILTERS_FIELD].contains(&name.as_str()),
            || "inputs[0].features".into(),
            || format!("has {name:?}, which is what a request chooses offers by; rename it"),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::manifest::Manifest;
    use crate::testing::offers;
    use serde_json::{Value as Json, json};

    fn message(change: impl FnOnce(&mut Json)) -> String {
        let mut manifest = offers::manifest_json();
        change(&mut manifest);
        let error = Manifest::from_json(manifest.to_string().as_bytes()).expect_err("contradicts itself");
        error.to_string()
    }

    #[test]
    fn contradictions_are_named_by_their_place() {
        let not_a_name =
            "must be letters, digits, dots, hyphens and underscores, and neither \"request\" nor \"catalogue\"";
        for (pointer, value, expected) in [
            ("/catalogue/name", json!("user"), format!("catalogue.name {not_a_name}, nor a feature view's")),
            ("/catalogue/name", json!("request"), format!("catalogue.name {not_a_name}, nor a feature view's")),
            ("/feature_views/0/name", json!("catalogue"), format!("feature_views[0].name {not_a_name}")),
            (
                "/catalogue/features/1/name",
                json!("price"),
                r#"catalogue.features names "price" twice"#.into(),
            ),
            (
                "/catalogue/features/1/name",
                json!("valid_to"),
                "catalogue.features.valid_to is a field that every offer has; rename it (only a string may be called category)"
                    .into(),
            ),
            (
                "/catalogue/features/0/type",
                json!("int64"),
                "catalogue.features.category is a field that every offer has; rename it (only a string may be called category)"
                    .into(),
            ),
            ("/catalogue/regions", json!(vec!["r"; 2]), r#"catalogue.regions names "r" twice"#.into()),
            (
                "/catalogue/regions",
                (0..65).map(|region| region.to_string()).collect(),
                "catalogue.regions must be at most 64".into(),
            ),
            (
                "/catalogue/redeemed/feature",
                json!("user_age"),
                "catalogue.redeemed must name a feature view and a string of it".into(),
            ),
            (
                "/catalogue/max_age_seconds",
                json!(0),
                "catalogue.max_age_seconds must be more than 0; leave it out when a catalogue never becomes stale".into(),
            ),
            (
                "/inputs/0/datatype",
                json!("FP64"),
                "inputs[0] must be FP32 of the shape [-1, columns] where there is a catalogue".into(),
            ),
            (
                "/inputs/0/features/2/name",
                json!("rebate"),
                r#"inputs[0].features[2].name is "rebate", which the catalogue does not store"#.into(),
            ),
            (
                "/inputs/0/features/3/name",
                json!("filters"),
                r#"inputs[0].features has "filters", which is what a request chooses offers by; rename it"#.into(),
            ),
            (
                "/feature_views/0/join_keys/0/name",
                json!("k"),
                r#"inputs[0].features has "k", which is what a request chooses offers by; rename it"#.into(),
            ),
        ] {
            let found = message(|manifest| *manifest.pointer_mut(pointer).expect("is there") = value.clone());
            assert_eq!(found, format!("manifest: {expected}"), "{pointer} {value}");
        }
        let without = message(|manifest| {
            manifest.as_object_mut().expect("is an object").remove("catalogue");
        });
        assert!(
            without.contains(r#"inputs[0].features[1].source is "catalogue", which is neither"#),
            "{without}"
        );
        let unused = message(|manifest| {
            for feature in [1, 2, 4] {
                manifest["inputs"][0]["features"][feature]["source"] = json!("request");
                manifest["inputs"][0]["features"][feature]["type"] = if feature == 1 {
                    json!("string")
                } else {
                    json!("float64")
                };
            }
        });
        assert!(
            unused.contains("must have one with the source \"catalogue\""),
            "{unused}"
        );
    }
}
