//! Ranking: the offers of a catalogue that fit a user best.
//!
//! The catalogue lies in memory, encoded as the model takes it, so that a request costs one read of the user's row, whatever the number of offers. What
//! may not be shown is left out first; then one inference scores the rest, and the best of them are the answer.

mod builder;
mod catalogue;
mod current;
mod exploration;
mod packed;
mod ranker;
mod request;
mod schema;
mod select;
#[cfg(test)]
mod tests;

pub use builder::CatalogueBuilder;
pub use catalogue::{Catalogue, CatalogueId, MOST_OFFERS};
pub use current::{CatalogueError, CurrentCatalogue, PublishedCatalogue};
pub use packed::PackedError;
pub use ranker::{Policy, RankedOffer, Ranker, Ranking, ScoreOffers};
pub use schema::CatalogueSchema;

/// The field of an instance that says how many offers it wants.
pub(crate) const K_FIELD: &str = "k";
/// The field of an instance that says which offers it wants.
pub(crate) const FILTERS_FIELD: &str = "filters";
/// The fields of an offer that are not features, but for a category that is one, too.
pub(crate) const OFFER_FIELDS: [&str; 6] = [
    "offer_id",
    "valid_from",
    "valid_to",
    "regions",
    "budget_left",
    "category",
];
