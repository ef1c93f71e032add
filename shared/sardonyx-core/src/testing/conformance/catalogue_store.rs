use bytes::Bytes;

use crate::ports::{CatalogueStore, Published, StoreError};
use crate::rank::CatalogueId;

/// The suite of [`CatalogueStore`].
pub async fn catalogue_store(store: &dyn CatalogueStore) {
    let (model, version) = ("conformance", "1");
    let [first, second] = [7, 8].map(|byte| Bytes::from(vec![byte; 300_000]));
    let first_id = CatalogueId::of(&first);
    let missing = store.fetch(model, version, &first_id).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    let missing = store.current(model, version).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    let missing = store.make_current(model, version, &first_id).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");

    let publish = |bytes: &Bytes| store.publish(model, version, bytes.clone());
    assert_eq!(
        publish(&first).await.expect("publishes"),
        (first_id.clone(), Published::New)
    );
    let again = publish(&first).await.expect("is idempotent");
    assert_eq!(again, (first_id.clone(), Published::AlreadyThere));
    assert_eq!(store.fetch(model, version, &first_id).await.expect("is there"), first);
    let current = store.current(model, version).await;
    assert!(
        matches!(current, Err(StoreError::NotFound { .. })),
        "publishing makes nothing current: {current:?}"
    );

    let (second_id, _) = publish(&second).await.expect("publishes");
    for id in [&first_id, &second_id, &first_id] {
        store.make_current(model, version, id).await.expect("is there");
        assert_eq!(store.current(model, version).await.expect("is there"), *id);
    }
    assert_eq!(store.fetch(model, version, &second_id).await.expect("stays"), second);
    let other = store.current(model, "2").await;
    assert!(
        matches!(other, Err(StoreError::NotFound { .. })),
        "each version has its own: {other:?}"
    );
}
