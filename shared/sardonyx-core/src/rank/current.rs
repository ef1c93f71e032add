use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::catalogue::{Catalogue, CatalogueId};
use super::packed::PackedError;
use super::schema::CatalogueSchema;
use crate::manifest::{Manifest, ManifestError};
use crate::ports::{CatalogueStore, StoreError};
use crate::predict::BackgroundWork;

/// A catalogue with the id under which it was published.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedCatalogue {
    /// The id.
    pub id: CatalogueId,
    /// The offers.
    pub catalogue: Catalogue,
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The model has none.
    #[error("the model ranks no offers")]
    Manifest(#[source] ManifestError),
    /// It could not be fetched.
    #[error(
        "the catalogue of {model} version {version} could not be fetched; `sardonyx catalogue publish` puts one there"
    )]
    Store {
        /// The model's name.
        model: String,
        /// The model's version.
        version: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// What was fetched cannot be used.
    #[error("the catalogue {id} cannot be used")]
    Packed {
        /// Which.
        id: CatalogueId,
        /// Why.
        #[source]
        source: PackedError,
    },
}

/// The catalogue that requests are answered from, which is replaced beside them when a newer one is current in the store.
pub struct CurrentCatalogue {
    store: Arc<dyn CatalogueStore>,
    model: String,
    version: String,
    schema: CatalogueSchema,
    refresh_interval_ms: i64,
    current: RwLock<Arc<PublishedCatalogue>>,
    /// When the store is to be asked again.
    due_ms: AtomicI64,
    is_refreshing: AtomicBool,
    failed_refreshes: AtomicU64,
}

impl CurrentCatalogue {
    /// Fetches what is current now, and asks again every `refresh_interval`.
    ///
    /// # Errors
    /// When there is none that can be used: a function does not start without one.
    pub async fn load(
        store: Arc<dyn CatalogueStore>,
        manifest: &Manifest,
        refresh_interval: Duration,
        now_ms: i64,
    ) -> Result<Self, CatalogueError> {
        let schema = CatalogueSchema::new(manifest).map_err(CatalogueError::Manifest)?;
        let refresh_interval_ms = i64::try_from(refresh_interval.as_millis()).unwrap_or(i64::MAX);
        let (model, version) = (&manifest.name, &manifest.version);
        let id = store
            .current(model, version)
            .await
            .map_err(|source| store_error(model, version, source))?;
        let current = fetch(&*store, model, version, &schema, id).await?;
        Ok(Self {
            store,
            model: model.clone(),
            version: version.clone(),
            schema,
            refresh_interval_ms,
            current: RwLock::new(Arc::new(current)),
            due_ms: AtomicI64::new(now_ms.saturating_add(refresh_interval_ms)),
            is_refreshing: AtomicBool::new(false),
            failed_refreshes: AtomicU64::new(0),
        })
    }

    /// What requests are to be answered from. It stays whole for whoever holds it.
    pub fn get(&self) -> Arc<PublishedCatalogue> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn schema(&self) -> &CatalogueSchema {
        &self.schema
    }

    /// How many refreshes have failed since this was asked the last time.
    pub(super) fn take_failed_refreshes(&self) -> u64 {
        self.failed_refreshes.swap(0, Ordering::Relaxed)
    }

    /// The refresh that is due, if one is, and no other one is on its way. What is current stays so when it fails.
    pub(super) fn refresh_when_due(self: &Arc<Self>, now_ms: i64) -> Option<BackgroundWork> {
        if now_ms < self.due_ms.load(Ordering::Relaxed) || self.is_refreshing.swap(true, Ordering::Acquire) {
            return None;
        }
        self.due_ms
            .store(now_ms.saturating_add(self.refresh_interval_ms), Ordering::Relaxed);
        let running = Running(Arc::clone(self));
        Some(Box::pin(async move {
            let refreshed = running.0.refresh().await;
            if refreshed.is_err() {
                running.0.failed_refreshes.fetch_add(1, Ordering::Relaxed);
            }
            refreshed.map_err(Into::into)
        }))
    }

    /// Takes what is current in the store, unless it is there already.
    async fn refresh(&self) -> Result<(), CatalogueError> {
        let id = self.store.current(&self.model, &self.version).await;
        let id = id.map_err(|source| store_error(&self.model, &self.version, source))?;
        if id == self.get().id {
            return Ok(());
        }
        let newer = fetch(&*self.store, &self.model, &self.version, &self.schema, id).await?;
        tracing::info!(catalogue = newer.id.as_str(), "the catalogue is replaced");
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(newer);
        Ok(())
    }
}

/// A refresh on its way; when it ends, or is given up, the next one may begin.
struct Running(Arc<CurrentCatalogue>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_refreshing.store(false, Ordering::Release);
    }
}

async fn fetch(
    store: &dyn CatalogueStore,
    model: &str,
    version: &str,
    schema: &CatalogueSchema,
    id: CatalogueId,
) -> Result<PublishedCatalogue, CatalogueError> {
    let packed = store
        .fetch(model, version, &id)
        .await
        .map_err(|source| store_error(model, version, source))?;
    match Catalogue::from_bytes(&packed, schema) {
        Ok(catalogue) => Ok(PublishedCatalogue { id, catalogue }),
        Err(source) => Err(CatalogueError::Packed { id, source }),
    }
}

fn store_error(model: &str, version: &str, source: StoreError) -> CatalogueError {
    CatalogueError::Store {
        model: model.into(),
        version: version.into(),
        source,
    }
}
