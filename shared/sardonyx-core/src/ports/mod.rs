//! The ports: what the domain needs from the outside world.

mod catalogue_store;
mod feature_writer;
mod file_store;
mod message_queue;
mod model;
mod model_store;
mod online_store;
mod result_store;
mod source;

use std::error::Error;

pub use catalogue_store::CatalogueStore;
pub use feature_writer::{FeatureWriter, Merged, RowWrite};
pub use file_store::{FileStore, StoredFile};
pub use message_queue::MessageQueue;
pub use model::{Model, ModelError};
pub use model_store::{ModelStore, Published};
pub use online_store::{MalformedRow, OnlineStore, ViewRead, ViewRows};
pub use result_store::{PredictionRecord, Recorded, ResultStore};
pub use source::Source;

/// The cause of an error in an adapter.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing. Asking again will not help.
    #[error("{what} does not exist")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// There is such a thing already, and it is another one.
    #[error("{what} exists already, with other contents")]
    Conflict {
        /// What was to be written.
        what: String,
    },
    /// The store did not answer, or not in time. Asking again may help.
    #[error("{what} is not available")]
    Unavailable {
        /// The store.
        what: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// What the store holds cannot be read. Asking again will not help.
    #[error("{what} is malformed: {problem}")]
    Malformed {
        /// What was read.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
}
