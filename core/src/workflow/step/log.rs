//! The saga's log: what was done last is on top. Its copies share what they hold, so that a turn may try something on one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A stack whose copies cost nothing.
pub(in crate::workflow) struct Log<T> {
    top: Option<Arc<Entry<T>>>,
    length: usize,
}

struct Entry<T> {
    value: T,
    below: Option<Arc<Entry<T>>>,
}

impl<T> Log<T> {
    pub(in crate::workflow) fn push(&mut self, value: T) {
        let below = self.top.take();
        self.top = Some(Arc::new(Entry { value, below }));
        self.length += 1;
    }

    pub(in crate::workflow) fn pop(&mut self) {
        if let Some(top) = self.top.take() {
            self.top.clone_from(&top.below);
            self.length -= 1;
        }
    }

    pub(in crate::workflow) fn last(&self) -> Option<&T> {
        self.top.as_ref().map(|top| &top.value)
    }

    pub(in crate::workflow) fn len(&self) -> usize {
        self.length
    }

    /// From the last to the first.
    pub(in crate::workflow) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::successors(self.top.as_deref(), |entry| entry.below.as_deref()).map(|entry| &entry.value)
    }
}

/// One by one: a long log would else end in as deep a recursion.
impl<T> Drop for Log<T> {
    fn drop(&mut self) {
        let mut next = self.top.take();
        while let Some(entry) = next {
            next = Arc::into_inner(entry).and_then(|mut entry| entry.below.take());
        }
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self { top: self.top.clone(), length: self.length }
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { top: None, length: 0 }
    }
}

impl<T: PartialEq> PartialEq for Log<T> {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.iter().eq(other.iter())
    }
}

impl<T: fmt::Debug> fmt::Debug for Log<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// From the first to the last.
impl<T: Serialize> Serialize for Log<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<&T> = self.iter().collect();
        all.reverse();
        all.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Log<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut log = Self::default();
        Vec::<T>::deserialize(deserializer)?.into_iter().for_each(|value| log.push(value));
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(values: &[u32]) -> Log<u32> {
        let mut log = Log::default();
        values.iter().for_each(|value| log.push(*value));
        log
    }

    #[test]
    fn a_copy_does_not_feel_what_happens_to_the_other() {
        let (mut one, other) = (log(&[1, 2]), log(&[1, 2]));
        let copy = one.clone();
        one.pop();
        one.push(7);
        assert_eq!((copy, one), (other, log(&[1, 7])));
    }

    #[test]
    fn what_is_written_is_read_in_the_same_order() {
        let text = serde_json::to_string(&log(&[1, 2, 3])).unwrap();
        assert_eq!((text.as_str(), serde_json::from_str::<Log<u32>>(&text).unwrap()), ("[1,2,3]", log(&[1, 2, 3])));
    }

    #[test]
    fn a_million_entries_are_dropped_one_by_one() {
        let mut long = Log::default();
        (0..1_000_000_u32).for_each(|value| long.push(value));
        let copy = long.clone();
        drop(long);
        assert_eq!((copy.len(), copy.last()), (1_000_000, Some(&999_999)));
    }
}
