use serde_json::{Map, Value as Json};

use super::catalogue::Eligibility;
use super::schema::CatalogueSchema;
use super::{FILTERS_FIELD, K_FIELD};
use crate::error::InvalidInput;
use crate::predict::Fields;

/// How many offers a request gets that does not say.
const DEFAULT_K: usize = 10;
/// The most that it may ask for.
const MOST_K: u64 = 100;

const FILTERS: [&str; 3] = ["category", "exclude", "region"];

/// What an instance asks for beside the features.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RankRequest {
    /// How many offers.
    pub(super) k: usize,
    pub(super) wanted: Eligibility,
}

impl RankRequest {
    /// Takes the fields that are no features out of an instance, which is at `path`.
    ///
    /// # Errors
    /// Names the field and what is expected there.
    pub(super) fn take(fields: &mut Fields, path: &str, schema: &CatalogueSchema) -> Result<Self, InvalidInput> {
        let k = match fields.remove(K_FIELD) {
            None => DEFAULT_K,
            Some(json) => json
                .as_u64()
                .filter(|k| (1..=MOST_K).contains(k))
                .and_then(|k| usize::try_from(k).ok())
                .ok_or_else(|| {
                    let expected = format!("an integer from 1 to {MOST_K}");
                    InvalidInput::unexpected(format!("{path}.{K_FIELD}"), &expected, &json)
                })?,
        };
        let path = format!("{path}.{FILTERS_FIELD}");
        let wanted = match fields.remove(FILTERS_FIELD) {
            None => Eligibility::default(),
            Some(Json::Object(filters)) => eligibility(&filters, &path, schema)?,
            Some(json) => return Err(InvalidInput::unexpected(path, "an object", &json)),
        };
        Ok(Self { k, wanted })
    }
}

fn eligibility(filters: &Map<String, Json>, path: &str, schema: &CatalogueSchema) -> Result<Eligibility, InvalidInput> {
    if let Some(unknown) = filters.keys().find(|name| !FILTERS.contains(&name.as_str())) {
        let problem = format!("has a filter that there is not; there are {}", FILTERS.join(", "));
        return Err(InvalidInput::unknown_name(path, problem, unknown));
    }
    let region = filters.get("region").map(|json| {
        let region = json.as_str().and_then(|name| schema.region(name));
        let expected = || format!("one of {}", schema.spec.regions.join(", "));
        region.ok_or_else(|| InvalidInput::unexpected(format!("{path}.region"), &expected(), json))
    });
    let categories = filters.get("category").map(|json| {
        let expected = format!("a list of some of {}", schema.spec.categories.join(", "));
        let named = each(json, &format!("{path}.category"), &expected, |name| {
            schema.category(name)
        })?;
        let mut categories = vec![false; schema.spec.categories.len()];
        named
            .into_iter()
            .for_each(|category| categories[usize::from(category)] = true);
        Ok(categories)
    });
    let excluded = filters.get("exclude").map(|json| {
        each(json, &format!("{path}.exclude"), "a list of ids of offers", |id| {
            Some(id.to_owned())
        })
    });
    Ok(Eligibility {
        region: region.transpose()?.unwrap_or(0),
        categories: categories.transpose()?,
        excluded: excluded.transpose()?.unwrap_or_default(),
    })
}

/// What becomes of each string of a list.
fn each<T>(json: &Json, path: &str, expected: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, InvalidInput> {
    let elements = json
        .as_array()
        .ok_or_else(|| InvalidInput::unexpected(path, expected, json))?;
    let read = |(index, element): (usize, &Json)| {
        let value = element.as_str().and_then(&read);
        value.ok_or_else(|| InvalidInput::unexpected(format!("{path}[{index}]"), expected, element))
    };
    elements.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::offers;
    use serde_json::json;

    fn take(instance: Json) -> Result<RankRequest, String> {
        let schema = CatalogueSchema::new(&offers::manifest()).expect("has a catalogue");
        let mut fields: Fields = serde_json::from_value(instance).expect("is an object");
        let request =
            RankRequest::take(&mut fields, "instances[0]", &schema).map_err(|error| error.public_message())?;
        let mut left = vec![];
        fields.into_each(|name, value| left.push((name.to_owned(), value)));
        assert_eq!(left, [("user_id".to_owned(), json!(1))], "the features stay");
        Ok(request)
    }

    #[test]
    fn what_is_left_out_asks_for_nothing() {
        let request = take(json!({"user_id": 1})).expect("is complete");
        assert_eq!(
            request,
            RankRequest {
                k: 10,
                wanted: Eligibility::default()
            }
        );
        let filters = json!({"region": "south", "category": ["travel"], "exclude": ["a", "nobody's"]});
        let request = take(json!({"user_id": 1, "k": 100, "filters": filters})).expect("is right");
        let wanted = Eligibility {
            region: 0b10,
            categories: Some(vec![false, true]),
            excluded: vec!["a".into(), "nobody's".into()],
        };
        assert_eq!(request, RankRequest { k: 100, wanted });
    }

    #[test]
    fn what_the_caller_must_change_is_named() {
        let region = r#"instances[0].filters.region: expected one of north, south, got "nrth""#;
        for (fields, message) in [
            (
                json!({"k": 0}),
                "instances[0].k: expected an integer from 1 to 100, got 0",
            ),
            (
                json!({"k": -1}),
                "instances[0].k: expected an integer from 1 to 100, got -1",
            ),
            (
                json!({"k": 101}),
                "instances[0].k: expected an integer from 1 to 100, got 101",
            ),
            (
                json!({"k": 2.5}),
                "instances[0].k: expected an integer from 1 to 100, got 2.5",
            ),
            (
                json!({"k": null}),
                "instances[0].k: expected an integer from 1 to 100, got null",
            ),
            (json!({"filters": 7}), "instances[0].filters: expected an object, got 7"),
            (
                json!({"filters": {"regoin": "north"}}),
                r#"instances[0].filters: has a filter that there is not; there are category, exclude, region, got "regoin""#,
            ),
            (json!({"filters": {"region": "nrth"}}), region),
            (
                json!({"filters": {"category": "food"}}),
                r#"instances[0].filters.category: expected a list of some of food, travel, got "food""#,
            ),
            (
                json!({"filters": {"category": ["food", "fod"]}}),
                r#"instances[0].filters.category[1]: expected a list of some of food, travel, got "fod""#,
            ),
            (
                json!({"filters": {"exclude": [1]}}),
                "instances[0].filters.exclude[0]: expected a list of ids of offers, got 1",
            ),
        ] {
            let mut instance = json!({"user_id": 1});
            instance
                .as_object_mut()
                .expect("is an object")
                .extend(fields.as_object().expect("is an object").clone());
            assert_eq!(take(instance), Err(message.to_owned()));
        }
    }
}
