//! The part of a manifest that says what a model's offers are.

use serde::{Deserialize, Serialize};

use super::{StalePolicy, StoredFeature};

/// The offers of a model that ranks them: what a catalogue holds of each, and by what a request may choose among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CatalogueSpec {
    /// What it is a catalogue of, such as `offers`; also what `stale` of a prediction calls it.
    pub name: String,
    /// The features of an offer, of which a column of the input takes those with the source `catalogue`. One that is called
    /// `category` is the offer's category.
    pub features: Vec<StoredFeature>,
    /// The regions that an offer may be limited to, at most 64.
    #[serde(default)]
    pub regions: Vec<String>,
    /// The categories, of which an offer has at most one.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Where the offers stand that the user has redeemed already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeemed: Option<RedeemedOffers>,
    /// The age past which a catalogue is stale. Without it one never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// What to do with a stale catalogue.
    #[serde(default)]
    pub stale: StalePolicy,
}

/// A string of a user's row: ids of offers, with spaces between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RedeemedOffers {
    /// The feature view.
    pub view: String,
    /// Its feature, a string. It needs no column of the input.
    pub feature: String,
}
