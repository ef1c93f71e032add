use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// A client of the SDK, or what it needs, that is made when it is first used: a function that makes its calls directly does without, and
/// starts sooner.
pub struct LazyClient<C>(Arc<Made<C>>);

type Made<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send>>;

impl<C> LazyClient<C> {
    pub(crate) fn new(make: impl FnOnce() -> C + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl<C: Send + 'static> From<C> for LazyClient<C> {
    fn from(client: C) -> Self {
        Self::new(|| client)
    }
}

impl<C> Clone for LazyClient<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for LazyClient<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> fmt::Debug for LazyClient<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LazyClient")
    }
}
