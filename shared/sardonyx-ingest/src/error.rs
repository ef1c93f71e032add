use sardonyx_core::ports::{Cause, StoreError};

/// Why a file cannot be read, or not any further. Nothing of what the rows hold is in it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Where the file lies did not give its bytes.
    #[error("the file could not be read")]
    Unreadable(#[source] StoreError),
    /// The bytes are not what the file's name or its own headers say. It must be written anew.
    #[error("{place}: {problem}")]
    Damaged {
        /// Where, as in `line 17` or `row group 2, column amount`.
        place: String,
        /// What is wrong there.
        problem: String,
        /// What the decoder says.
        #[source]
        source: Option<Cause>,
    },
    /// The columns are not those of the view. They must be renamed, left out, or written with another type.
    #[error("the columns do not fit the view {view}: {}", problems.join("; "))]
    Columns {
        /// The view.
        view: String,
        /// Everything that is wrong, by column.
        problems: Vec<String>,
    },
    /// The position from which to go on is not of this file.
    #[error("the position to go on from is not in this file: {problem}")]
    Position {
        /// Why not.
        problem: String,
    },
}

impl FileError {
    pub(crate) fn damaged(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Damaged {
            place: place.into(),
            problem: problem.into(),
            source: None,
        }
    }
}
