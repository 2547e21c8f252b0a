//! A subscription's queue, bounded in what it holds and in its bytes, and what becomes of one for which there is no room.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// What becomes of a delivery for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// It stays in the journal: the subscription falls behind, and reads on from there once it has room.
    #[default]
    Wait,
    /// The oldest in the queue is dropped for it, and counted.
    DropOldest,
    /// The subscription ends, and is told at which position.
    Disconnect,
}

/// What became of one that was put into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It is in the queue.
    Taken,
    /// It is not: there is no room, and it is to be brought again.
    NoRoom,
    /// It is not, and the subscription is to end.
    Ends,
}

/// A bounded queue.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
    overflow: Overflow,
    dropped: u64,
}

impl<T> Queue<T> {
    /// An empty queue for at least one. One that is larger than all the bytes still fits alone.
    pub fn new(most: usize, most_bytes: usize, overflow: Overflow) -> Self {
        Self { items: VecDeque::new(), bytes: 0, most: most.max(1), most_bytes, overflow, dropped: 0 }
    }

    /// Puts one in, or does what the overflow says.
    pub fn push(&mut self, item: T, bytes: usize) -> Push {
        while !self.fits(bytes) {
            match self.overflow {
                Overflow::Wait => return Push::NoRoom,
                Overflow::Disconnect => return Push::Ends,
                Overflow::DropOldest => {
                    self.pop();
                    self.dropped += 1;
                }
            }
        }
        self.bytes += bytes;
        self.items.push_back((item, bytes));
        Push::Taken
    }

    /// The oldest.
    pub fn pop(&mut self) -> Option<T> {
        let (item, bytes) = self.items.pop_front()?;
        self.bytes -= bytes;
        Some(item)
    }

    /// Whether one of so many bytes fits.
    pub fn fits(&self, bytes: usize) -> bool {
        self.items.is_empty() || self.items.len() < self.most && self.bytes + bytes <= self.most_bytes
    }

    /// Whether half of it is free, so that it is worth reading on.
    pub fn has_room(&self) -> bool {
        self.items.len() <= self.most / 2 && self.bytes <= self.most_bytes / 2
    }

    /// How many more it takes at most.
    pub fn room(&self) -> usize {
        self.most - self.items.len().min(self.most)
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many were dropped since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Throws away what it holds.
    pub fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    /// Throws away those that a function does not keep.
    pub fn retain(&mut self, mut keeps: impl FnMut(&T) -> bool) {
        self.items.retain(|(item, _)| keeps(item));
        self.bytes = self.items.iter().map(|(_, bytes)| bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(overflow: Overflow) -> Queue<u32> {
        let mut queue = Queue::new(2, 100, overflow);
        assert_eq!((queue.push(1, 10), queue.push(2, 10)), (Push::Taken, Push::Taken));
        queue
    }

    #[test]
    fn a_full_queue_does_what_was_chosen() {
        assert_eq!(filled(Overflow::Wait).push(3, 10), Push::NoRoom);
        assert_eq!(filled(Overflow::Disconnect).push(3, 10), Push::Ends);
        let mut queue = filled(Overflow::DropOldest);
        assert_eq!(queue.push(3, 10), Push::Taken);
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(2), Some(3), None));
        assert_eq!((queue.take_dropped(), queue.take_dropped()), (1, 0));
    }

    #[test]
    fn bytes_are_bounded_too_and_one_that_is_too_large_fits_alone() {
        let mut queue = Queue::new(10, 100, Overflow::Wait);
        assert_eq!(queue.push(1, 500), Push::Taken);
        assert_eq!(queue.push(2, 1), Push::NoRoom);
        queue.pop();
        assert_eq!((queue.push(2, 60), queue.push(3, 60)), (Push::Taken, Push::NoRoom));
        assert!(!queue.has_room());
    }

    #[test]
    fn what_is_not_kept_gives_its_room_back() {
        let mut queue = Queue::new(10, 100, Overflow::Wait);
        assert_eq!((queue.push(1, 60), queue.push(2, 30), queue.push(3, 60)), (Push::Taken, Push::Taken, Push::NoRoom));
        queue.retain(|item| *item == 2);
        assert_eq!((queue.push(3, 70), queue.push(4, 1)), (Push::Taken, Push::NoRoom));
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(2), Some(3), None));
    }
}
