//! Who goes first of those who wait to enter: the more pressing before the less, and within a priority each key in its turn,
//! so that nobody is kept out for good by others who keep coming.

use std::collections::{HashMap, VecDeque};

use crate::event::Priority;

/// Of so many that are let go, how many of each priority, P0 to P3, while all of them wait.
const SHARES: [u32; 4] = [8, 4, 2, 1];

/// A queue that is fair by key within each of four priorities, and lets none of them starve.
///
/// While several priorities wait, each is given its share of every fifteen that go: eight of P0, four of P1, two of P2, one
/// of P3. Within a priority keys take turns, and within a key it is first come first.
///
/// ```
/// use regie_core::event::Priority;
/// use regie_core::governance::FairQueue;
/// let mut queue = FairQueue::default();
/// (1..=3).for_each(|nth| queue.push(Priority::P2, "flood", nth));
/// queue.push(Priority::P2, "other", 9);
/// queue.push(Priority::P0, "flood", 0);
/// let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
/// assert_eq!(order, [0, 1, 9, 2, 3]);
/// ```
#[derive(Debug)]
pub struct FairQueue<T> {
    lines: [Line<T>; 4],
    /// What each priority may still let go before all are given their shares anew.
    left: [u32; 4],
    count: usize,
}

#[derive(Debug)]
struct Line<T> {
    waiting: HashMap<String, VecDeque<T>>,
    /// The keys that wait, in their turn.
    turns: VecDeque<String>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<T> Line<T> {
    fn push(&mut self, key: &str, item: T) {
        match self.waiting.get_mut(key) {
            Some(line) => line.push_back(item),
            None => {
                self.waiting.insert(key.to_string(), VecDeque::from([item]));
                self.turns.push_back(key.to_string());
            }
        }
    }

    fn pop(&mut self) -> Option<T> {
        let key = self.turns.pop_front()?;
        let line = self.waiting.get_mut(&key)?;
        let item = line.pop_front();
        if line.is_empty() {
            self.waiting.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        item
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { lines: Default::default(), left: SHARES, count: 0 }
    }
}

impl<T> FairQueue<T> {
    /// One more waits.
    pub fn push(&mut self, priority: Priority, key: &str, item: T) {
        self.count += 1;
        self.lines[priority as usize].push(key, item);
    }

    /// The next that may go.
    pub fn pop(&mut self) -> Option<T> {
        let waits = |at: &usize| !self.lines[*at].turns.is_empty();
        let first = (0..4).find(waits)?;
        let with_share = (0..4).filter(waits).find(|at| self.left[*at] > 0);
        let at = with_share.unwrap_or_else(|| {
            self.left = SHARES;
            first
        });
        self.left[at] -= 1;
        self.count -= 1;
        self.lines[at].pop()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(queue: &mut FairQueue<(usize, u32)>) -> Vec<(usize, u32)> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn each_priority_has_its_share_while_all_of_them_wait() {
        let mut queue = FairQueue::default();
        let all = [Priority::P0, Priority::P1, Priority::P2, Priority::P3];
        all.into_iter().enumerate().for_each(|(at, priority)| {
            (0..60).for_each(|nth| queue.push(priority, "k", (at, nth)));
        });
        let first: Vec<usize> = (0..30).filter_map(|_| queue.pop()).map(|(at, _)| at).collect();
        let count = |of: usize| first.iter().filter(|at| **at == of).count();
        assert_eq!([count(0), count(1), count(2), count(3)], [16, 8, 4, 2]);
    }

    #[test]
    fn a_flood_of_one_key_delays_another_by_one_at_most() {
        let mut queue = FairQueue::default();
        (0..1_000).for_each(|nth| queue.push(Priority::P2, "flood", (0, nth)));
        queue.push(Priority::P2, "other", (1, 0));
        assert!(order(&mut queue)[..2].contains(&(1, 0)));
    }

    #[test]
    fn within_a_key_it_is_first_come_first_and_nobody_is_lost() {
        let mut queue = FairQueue::default();
        (0..100).for_each(|nth| queue.push(Priority::P1, ["a", "b", "c"][nth % 3], (nth % 3, nth as u32)));
        assert_eq!(queue.len(), 100);
        let order = order(&mut queue);
        for key in 0..3 {
            let of_key: Vec<u32> = order.iter().filter(|(at, _)| *at == key).map(|(_, nth)| *nth).collect();
            assert!(of_key.is_sorted(), "{of_key:?}");
        }
        assert_eq!((order.len(), queue.is_empty()), (100, true));
    }
}
