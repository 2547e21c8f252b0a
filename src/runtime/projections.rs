//! Reading a view of one's own over the journal.

use regie_actors::projections::{self, ProjectionError};

use super::handle::Handle;

impl Handle {
    /// Reads a projection, where it stands, once it holds all that was committed up to `at_least`: the position that an
    /// answer told, or [`Handle::position`] for all that there is. What `with` gives comes back; it must not wait.
    ///
    /// ```
    /// use regie::core::query::{Committed, Projection};
    ///
    /// struct Count;
    /// impl Projection for Count {
    ///     type State = u64;
    ///     fn name(&self) -> &str { "count" }
    ///     fn apply(&self, count: &mut u64, _: &Committed<'_>) { *count += 1; }
    /// }
    ///
    /// # futures::executor::block_on(async {
    /// let runtime = regie::builder().projection(Count).start().await?;
    /// let handle = runtime.handle();
    /// let answer = handle.submit(regie::prelude::Event::new("order.paid", "order-1").build()?).await?;
    /// let counted = handle.projection("count", answer.position.unwrap_or(0), |count: &u64| *count).await?;
    /// assert_eq!(counted, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// If there is no such projection, its state is of another type, it panicked over an event, or the journal cannot be
    /// read.
    ///
    /// # Panics
    /// If `with` does.
    ///
    /// # Cancellation
    /// Dropping the future reads nothing, or in vain.
    pub async fn projection<S: 'static, T: Send + 'static>(
        &self,
        name: &str,
        at_least: u64,
        with: impl FnOnce(&S) -> T + Send + 'static,
    ) -> Result<T, ProjectionError> {
        projections::read(&self.core.projections, (name, at_least), with).await
    }
}
