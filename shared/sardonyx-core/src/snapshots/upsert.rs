use super::{SnapshotId, ViewSnapshots, change};
use crate::manifest::FeatureView;
use crate::ports::{FeatureWriter, Merged, RowWrite, StoreError};

/// Writes rows one by one, as event streams do: into the snapshot that is read, and into the one that is being loaded, so that they are
/// still there when that becomes visible. While the view has neither, the rows are of no snapshot. A row whose event time is before that of
/// the stored one changes nothing. There is one answer for each row, in order: what became of it in the snapshot that is read.
///
/// # Errors
/// [`StoreError::Unavailable`] when any row may not have been written, or while a load is running that began before the view's first
/// upsert and does not look out for others': try again later. [`StoreError::Malformed`] when a row does not fit the view.
pub async fn upsert(
    writer: &dyn FeatureWriter,
    view: &FeatureView,
    rows: &[RowWrite],
) -> Result<Vec<Merged>, StoreError> {
    let mut targets = Targets::of(&announced(writer, view).await?);
    loop {
        let answer = writer.merge(view, targets.current.as_ref(), rows).await?;
        if let Some(loading) = &targets.loading {
            writer.merge(view, Some(loading), rows).await?;
        }
        // A load may have begun or become visible since: its snapshot needs the rows, too.
        let now = Targets::of(&writer.snapshots(view).await?);
        if now == targets {
            return Ok(answer);
        }
        targets = now;
    }
}

/// The snapshots that take a row.
#[derive(PartialEq)]
struct Targets {
    current: Option<SnapshotId>,
    loading: Option<SnapshotId>,
}

impl Targets {
    fn of(snapshots: &ViewSnapshots) -> Self {
        Self {
            current: snapshots.current.clone(),
            loading: snapshots.load.as_ref().map(|load| load.id.clone()),
        }
    }
}

/// The view's snapshots, when it is known that rows are written one by one, so that every load from now on looks out for them.
async fn announced(writer: &dyn FeatureWriter, view: &FeatureView) -> Result<ViewSnapshots, StoreError> {
    change(writer, view, |snapshots| {
        if snapshots.load.as_ref().is_some_and(|load| !load.merges) {
            return Err(StoreError::Unavailable {
                what: format!("the view {}", view.name),
                source: "a load is running that would write over single rows; write them when it has ended".into(),
            });
        }
        snapshots.upserted = true;
        Ok(snapshots.clone())
    })
    .await
}
