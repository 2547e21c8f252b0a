//! What a part of the runtime has of its supervisor: a lifeline that tells of its death, and a view of how it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::sync::oneshot;

use crate::busy::{Busy, UnderWay};
use crate::faults::{FaultPoint, Faults};

const WELL: u8 = 0;
const DOWN: u8 = 1;
const GIVEN_UP: u8 = 2;

/// How a part is, for those who look. Nothing is decided by it.
#[derive(Debug)]
pub struct PartView {
    name: String,
    deaths: AtomicU64,
    state: AtomicU8,
}

impl PartView {
    /// Of a part that is well.
    pub fn new(name: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), deaths: AtomicU64::new(0), state: AtomicU8::new(WELL) })
    }

    /// The part's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often it died.
    pub fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::Acquire)
    }

    /// What ails it.
    pub fn trouble(&self) -> Option<String> {
        let (name, deaths) = (&self.name, self.deaths());
        match self.state.load(Ordering::Acquire) {
            WELL => None,
            DOWN => Some(format!("{name} died, and is started anew")),
            _ => Some(format!("{name} died {deaths} times and was given up: nothing more is taken; start anew")),
        }
    }

    /// Whether it died too often and is left dead.
    pub fn is_given_up(&self) -> bool {
        self.state.load(Ordering::Acquire) == GIVEN_UP
    }

    pub(crate) fn died(&self) {
        self.state.store(DOWN, Ordering::Release);
        self.deaths.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn is_up(&self) {
        self.state.store(WELL, Ordering::Release);
    }

    pub(crate) fn is_left_dead(&self) {
        self.state.store(GIVEN_UP, Ordering::Release);
    }
}

/// One life of a part. Every actor that belongs to the part holds a clone, and the supervisor is told once the last of
/// them is dropped, which even a panic cannot hold back.
#[derive(Clone, Debug)]
pub struct Life {
    line: Arc<Lifeline>,
    faults: Faults,
}

#[derive(Debug)]
struct Lifeline {
    view: Arc<PartView>,
    busy: Busy,
    over: Option<oneshot::Sender<UnderWay>>,
}

impl Life {
    /// A life, and what tells of its end: with it comes the healing as something under way, so that whoever waits for rest
    /// waits for that too.
    pub fn new(view: Arc<PartView>, busy: Busy, faults: Faults) -> (Self, oneshot::Receiver<UnderWay>) {
        let (over, ended) = oneshot::channel();
        (Self { line: Arc::new(Lifeline { view, busy, over: Some(over) }), faults }, ended)
    }

    /// Counts something of the part as under way.
    pub fn under_way(&self) -> UnderWay {
        self.line.busy.begin()
    }

    /// Panics here if a test wants it.
    pub fn maybe(&self, point: FaultPoint) {
        self.faults.maybe_in(point, &self.line.view.name);
    }
}

impl Drop for Lifeline {
    /// Runs while a panic unwinds, and does nothing that can fail.
    fn drop(&mut self) {
        if let Some(over) = self.over.take() {
            // Without a supervisor the whole runtime ends.
            let _ = over.send(self.busy.begin());
        }
    }
}

/// One of two actors that end together: each is told when the other is dropped.
#[derive(Debug)]
pub struct Twin {
    _here: oneshot::Sender<()>,
    there: Option<oneshot::Receiver<()>>,
}

impl Twin {
    /// Both of them.
    pub fn pair() -> (Self, Self) {
        let ((one, one_gone), (other, other_gone)) = (oneshot::channel(), oneshot::channel());
        (Self { _here: one, there: Some(other_gone) }, Self { _here: other, there: Some(one_gone) })
    }

    /// Comes back once the other is gone. To be asked once.
    pub fn other_is_gone(&mut self) -> impl Future<Output = ()> + 'static {
        let there = self.there.take();
        async move {
            if let Some(there) = there {
                let _ = there.await; // never sent to: it is told by being dropped
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_part_is_over_with_the_last_that_holds_its_life_and_counts_as_under_way_from_then_on() {
        let busy = Busy::default();
        let (life, mut ended) = Life::new(PartView::new("x"), busy.clone(), Faults::default());
        let other = life.clone();
        drop(life);
        assert!((&mut ended).now_or_never().is_none() && busy.count() == 0);
        drop(other);
        let under_way = ended.now_or_never();
        assert!(matches!(under_way, Some(Ok(_))) && busy.count() == 1);
    }

    #[test]
    fn of_twins_each_is_told_of_the_others_end() {
        let (mut one, other) = Twin::pair();
        let mut gone = one.other_is_gone().boxed();
        assert!((&mut gone).now_or_never().is_none());
        drop(other);
        assert!(gone.now_or_never().is_some());
    }
}
