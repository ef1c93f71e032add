use super::ViewSnapshots;
use crate::manifest::FeatureView;
use crate::ports::{FeatureWriter, StoreError};

/// Changes the view's record, as often as somebody else replaces it in the meantime; a change that leaves it as it is writes nothing.
///
/// # Errors
/// Those of the store, and of `change`: then nothing is replaced.
pub async fn change<T, E: From<StoreError>>(
    writer: &dyn FeatureWriter,
    view: &FeatureView,
    mut change: impl FnMut(&mut ViewSnapshots) -> Result<T, E>,
) -> Result<T, E> {
    loop {
        let mut snapshots = writer.snapshots(view).await?;
        let before = snapshots.clone();
        let answer = change(&mut snapshots)?;
        if snapshots == before || writer.replace_snapshots(view, &snapshots).await? {
            return Ok(answer);
        }
    }
}
