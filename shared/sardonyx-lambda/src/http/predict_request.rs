use std::fmt;

use sardonyx_core::predict::Fields;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The body of a predict request, `{"instances": [{...}, ...]}`, read in one pass. No more instances are kept than a request may have, so that
/// a body of many small ones does not take many times its size.
pub(super) struct PredictRequest {
    most: usize,
    /// The first ones, no more than there may be.
    pub(super) instances: Vec<Fields>,
    /// How many there are.
    pub(super) given: usize,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Instances,
    #[serde(other)]
    Unknown,
}

impl PredictRequest {
    pub(super) fn up_to(most: usize) -> Self {
        Self {
            most,
            instances: vec![],
            given: 0,
        }
    }

    /// Reads a body. After an error, the instances are there that come before the place of the error.
    ///
    /// # Errors
    /// When the body is not JSON, or not of this form.
    pub(super) fn read(&mut self, body: &[u8]) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        deserializer.deserialize_map(&mut *self)?;
        deserializer.end()
    }
}

impl<'de> Visitor<'de> for &mut PredictRequest {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with instances")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut is_there = false;
        while let Some(member) = members.next_key()? {
            match member {
                Member::Instances if is_there => return Err(A::Error::duplicate_field("instances")),
                Member::Instances => {
                    is_there = true;
                    members.next_value_seed(Instances(self))?;
                }
                Member::Unknown => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        if is_there {
            Ok(())
        } else {
            Err(A::Error::missing_field("instances"))
        }
    }
}

/// The list of the instances.
struct Instances<'a>(&'a mut PredictRequest);

impl<'de> DeserializeSeed<'de> for Instances<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Instances<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of instances")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let request = self.0;
        while request.instances.len() < request.most {
            let Some(fields) = elements.next_element()? else {
                break;
            };
            request.instances.push(fields);
        }
        request.given = request.instances.len();
        while elements.next_element::<IgnoredAny>()?.is_some() {
            request.given += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &str) -> (PredictRequest, serde_json::Result<()>) {
        let mut request = PredictRequest::up_to(2);
        let result = request.read(body.as_bytes());
        (request, result)
    }

    #[test]
    fn instances_are_read_wherever_they_are_and_others_are_ignored() {
        let (request, result) = read(r#" {"a": [{}], "instances": [{"k": 1}, {}], "signature_name": "x"} "#);
        result.expect("is read");
        let expected = [json!({"k": 1}), json!({})].map(|json| serde_json::from_value(json).expect("is an object"));
        assert_eq!((request.given, &request.instances[..]), (2, &expected[..]));
    }

    #[test]
    fn what_is_too_many_is_counted_and_not_kept() {
        let (request, result) = read(r#"{"instances": [{"k": 1}, {}, {"l": 1}, 7]}"#);
        result.expect("is read");
        assert_eq!((request.given, request.instances.len()), (4, 2));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_was_read() {
        for (body, instances, expected) in [
            ("[]", 0, "invalid type: sequence, expected an object with instances"),
            ("{}", 0, "missing field `instances`"),
            (
                r#"{"instances": 7}"#,
                0,
                "invalid type: integer `7`, expected a list of instances",
            ),
            (
                r#"{"instances": null}"#,
                0,
                "invalid type: null, expected a list of instances",
            ),
            (
                r#"{"instances": [{}], "instances": []}"#,
                1,
                "duplicate field `instances`",
            ),
            (
                r#"{"instances": [{}, [{}]]}"#,
                1,
                "invalid type: sequence, expected an object",
            ),
            (r#"{"instances": [{}, {}, ]}"#, 2, "trailing comma"),
            (r#"{"instances": [{}]} {"#, 1, "trailing characters"),
            (r#"{"instances": [{}"#, 1, "EOF while parsing a list"),
        ] {
            let (request, result) = read(body);
            let error = result.expect_err(body).to_string();
            assert!(error.starts_with(expected), "{body}: {error}");
            assert_eq!(request.instances.len(), instances, "{body}");
        }
    }
}
