//! The gates by name, for those who look.

use std::sync::Arc;

use actix::Addr;
use dashmap::DashMap;

use super::{Gate, Work};

/// A gate, and what may be seen of it.
type Registered<W> = (Addr<Gate<W>>, Arc<<W as Work>::View>);

/// The gates by name, for those who look. Cheap to clone.
pub struct Gates<W: Work>(Arc<DashMap<String, Registered<W>>>);

impl<W: Work> Default for Gates<W> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<W: Work> Clone for Gates<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Work> Gates<W> {
    /// The gate of that name.
    pub fn gate(&self, name: &str) -> Option<Addr<Gate<W>>> {
        self.0.get(name).map(|entry| entry.0.clone())
    }

    /// Adds one, or puts it in another's place.
    pub fn add(&self, name: String, gate: Addr<Gate<W>>, view: Arc<W::View>) {
        self.0.insert(name, (gate, view));
    }

    /// Names and views, by name.
    pub fn views(&self) -> Vec<(String, Arc<W::View>)> {
        let mut views: Vec<_> =
            self.0.iter().map(|entry| (entry.key().clone(), Arc::clone(&entry.value().1))).collect();
        views.sort_by(|left, right| left.0.cmp(&right.0));
        views
    }
}
