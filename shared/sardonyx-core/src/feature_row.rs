//! The stored row of one entity in one feature view.

use crate::manifest::StoredFeature;
use crate::value::{FeatureValue, ListValue};

/// What a row holds for one feature. Absent, null, NaN and zero are four things; the last two are values.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// The writer did not give the feature.
    Absent,
    /// The writer gave a null: there is no value, and that is known.
    Null,
    /// The value.
    Value(FeatureValue),
    /// The values, of a feature that is a list.
    List(ListValue),
}

impl Stored {
    /// Whether a row may hold this for the feature: nothing, or what is of its type and, for a list, of its length or empty.
    pub fn fits(&self, feature: &StoredFeature) -> bool {
        match (self, feature.length) {
            (Self::Absent | Self::Null, _) => true,
            (Self::Value(value), None) => value.value_type() == feature.value_type,
            (Self::List(list), Some(length)) => {
                list.value_type() == feature.value_type && (list.is_empty() || u32::try_from(list.len()) == Ok(length))
            }
            (Self::Value(_), Some(_)) | (Self::List(_), None) => false,
        }
    }
}

/// A row of a feature view.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRow {
    /// When the values were true, in milliseconds since the Unix epoch.
    pub event_time_ms: i64,
    /// When the store may delete the row, in seconds since the Unix epoch. A store deletes late, so readers check it too.
    pub expires_at_seconds: Option<i64>,
    /// One for each feature of the view, in stored order.
    pub values: Vec<Stored>,
}

impl FeatureRow {
    /// Whether the row has passed its time to live.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at_seconds
            .is_some_and(|seconds| seconds.saturating_mul(1000) <= now_ms)
    }

    /// Whole seconds since the event time; 0 for an event time ahead of this clock.
    pub fn age_seconds(&self, now_ms: i64) -> u64 {
        u64::try_from(now_ms.saturating_sub(self.event_time_ms)).unwrap_or(0) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_and_expiry_are_counted_from_the_given_time() {
        let row = FeatureRow {
            event_time_ms: 10_000,
            expires_at_seconds: Some(20),
            values: vec![],
        };
        assert_eq!(row.age_seconds(12_999), 2);
        assert_eq!(row.age_seconds(0), 0);
        assert!(!row.is_expired(19_999));
        assert!(row.is_expired(20_000));
    }
}
