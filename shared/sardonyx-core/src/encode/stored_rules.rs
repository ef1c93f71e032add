use super::{Column, FeatureEncoder, MissingReason, Source};
use crate::feature_row::Stored;
use crate::manifest::{FeatureView, Manifest};
use crate::tensor::Datatype;

/// What a model asks of the values that a view stores, for whoever writes them: a value that no prediction could use as it is should not get
/// into the store.
#[derive(Clone, Debug)]
pub struct StoredRules {
    /// One for each feature of the view, in stored order. `None` where no input of the model takes it.
    columns: Vec<Option<Column>>,
}

impl StoredRules {
    /// The rules of a view of that manifest, which has been validated.
    pub fn new(manifest: &Manifest, view: &FeatureView) -> Self {
        let mut columns = vec![None; view.features.len()];
        for column in FeatureEncoder::new(manifest).columns {
            if let Source::View { view: index, feature } = column.source
                && manifest.feature_views[index].name == view.name
            {
                columns[feature] = Some(column);
            }
        }
        Self { columns }
    }

    /// Whether a row may hold this value, which is of the feature's type, for the feature at that position of the view.
    ///
    /// # Errors
    /// A value out of range or of an unknown category, which a prediction would replace or refuse; a null, a NaN or an absent value where
    /// the model's policy is to refuse. Where the policy stands in for missing values, they may be stored.
    pub fn check(&self, feature: usize, value: &Stored) -> Result<(), MissingReason> {
        let Some(column) = &self.columns[feature] else {
            return Ok(());
        };
        match column.encode(value, |_, _| {}) {
            Ok(()) => Ok(()),
            Err(reason @ (MissingReason::OutOfRange | MissingReason::UnknownCategory)) => Err(reason),
            Err(reason) if column.fallback.is_none() => Err(reason),
            Err(_) => Ok(()),
        }
    }

    /// What the model takes for the feature at that position, in words, such as `a number from 0 to 10`. `None` where no input of the
    /// model takes it.
    pub fn expectation(&self, feature: usize) -> Option<String> {
        let column = self.columns[feature].as_ref()?;
        Some(match (&column.categories, column.datatype) {
            (Some(categories), _) => format!("one of {}", categories.join(", ")),
            (None, Datatype::Fp64 | Datatype::Bytes) => column.expectation(),
            (None, datatype) => format!("{} that {datatype} holds", column.expectation()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::models;
    use crate::value::FeatureValue;
    use serde_json::json;

    /// Rules of the view `user`, whose `user_age` is required and whose `user_score` has a default, and is 10 at most.
    fn rules() -> StoredRules {
        let manifest = models::manifest();
        StoredRules::new(&manifest, &manifest.feature_views[1])
    }

    #[test]
    fn what_the_policy_stands_in_for_may_be_missing() {
        let rules = rules();
        let not_a_number = Stored::Value(FeatureValue::Float64(f64::NAN));
        for (feature, value, expected) in [
            (0, Stored::Absent, Err(MissingReason::Absent)),
            (0, Stored::Null, Err(MissingReason::Null)),
            (0, Stored::Value(FeatureValue::Int64(0)), Ok(())),
            (1, Stored::Absent, Ok(())),
            (1, Stored::Null, Ok(())),
            (1, not_a_number, Ok(())),
            (1, Stored::Value(FeatureValue::Float64(10.0)), Ok(())),
            (
                1,
                Stored::Value(FeatureValue::Float64(10.5)),
                Err(MissingReason::OutOfRange),
            ),
        ] {
            assert_eq!(rules.check(feature, &value), expected, "feature {feature}, {value:?}");
        }
    }

    #[test]
    fn what_a_model_does_not_read_is_free() {
        let mut json = models::manifest_json();
        json["feature_views"][1]["features"]
            .as_array_mut()
            .expect("is a list")
            .push(json!({"name": "user_note", "type": "string"}));
        let manifest = Manifest::from_json(json.to_string().as_bytes()).expect("is valid");
        let rules = StoredRules::new(&manifest, &manifest.feature_views[1]);
        assert_eq!(rules.check(2, &Stored::Null), Ok(()));
        assert_eq!(rules.expectation(2), None);
    }

    #[test]
    fn a_category_must_be_known_even_where_it_has_a_default() {
        let mut json = models::manifest_json();
        json["feature_views"][1]["features"][1]["type"] = json!("string");
        json["inputs"][0]["features"][4] = json!({"name": "user_score", "source": "user", "categories": ["a", "b"],
            "missing": {"default": "a"}});
        json["golden"]["rows"][0]["features"]["user_score"] = json!("a");
        let manifest = Manifest::from_json(json.to_string().as_bytes()).expect("is valid");
        let rules = StoredRules::new(&manifest, &manifest.feature_views[1]);
        let value = |text: &str| Stored::Value(FeatureValue::String(text.into()));
        assert_eq!(rules.check(1, &value("b")), Ok(()));
        assert_eq!(rules.check(1, &value("c")), Err(MissingReason::UnknownCategory));
        assert_eq!(rules.expectation(1).as_deref(), Some("one of a, b"));
    }

    #[test]
    fn the_expectation_says_range_and_tensor() {
        let expectation = |feature| rules().expectation(feature).expect("is an input");
        assert_eq!(expectation(0), "an integer that FP32 holds");
        assert_eq!(expectation(1), "a number of at most 10 that FP32 holds");
    }
}
