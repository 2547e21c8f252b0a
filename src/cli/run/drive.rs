//! Drives the events of a run into the runtime, in the order of their lines.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use regie_core::Timestamp;
use regie_core::event::{Event, EventResult, Incoming};
use regie_journal::StoreError;
use tokio::sync::mpsc;

use super::answers::Answers;
use super::input::{Item, Place};
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::tally::Tally;
use crate::cli::screen::counted;
use crate::config::Clock;
use crate::runtime::Whence;
use crate::{Answer, Handle, Reason, Refused};

/// How a run is to be driven.
pub(super) struct Manner {
    pub(super) clock: Clock,
    pub(super) in_flight: usize,
    pub(super) strict: bool,
}

/// Why no more events are driven in, before their end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    /// Somebody asked.
    #[error("interrupted: what was under way is finished; run it again to go on")]
    Interrupted,
    /// A line could not be taken, and that was to stop the run.
    #[error("stopped at the first line that could not be taken (--strict)")]
    Strict,
    /// The runtime takes nothing more.
    #[error("stopped: {why}; {}", if *damaged { DAMAGED } else { "what was answered is safe, run it again to go on" })]
    Refusing {
        /// Why.
        why: String,
        /// Whether running it again cannot help.
        damaged: bool,
    },
    /// The answers cannot be told.
    #[error("stopped: the answers cannot be written ({0}); run it again to go on")]
    Untold(String),
}

/// What helps where the journal is damaged.
const DAMAGED: &str = "restore a whole copy of it, and run this again";

/// Drives events in, so many under way at once.
pub(super) struct Driver<'a> {
    handle: &'a Handle,
    manner: Manner,
    progress: &'a Progress,
    pub(super) tally: Tally,
    answers: Answers,
    under_way: VecDeque<UnderWay>,
    now: Option<Timestamp>,
    /// Events that were refused since nothing is taken any more, and have not been told.
    untold: Option<u64>,
}

/// An event that has gone in.
struct UnderWay {
    place: Place,
    event: Arc<Event>,
    answer: Answer,
}

enum Next {
    Batch(Vec<Item>),
    Answered(Place, Arc<Event>, Box<Result<EventResult, Refused>>),
    Interrupted,
    End,
}

impl<'a> Driver<'a> {
    pub(super) fn new(handle: &'a Handle, manner: Manner, progress: &'a Progress, answers: Answers) -> Self {
        let (tally, under_way) = (Tally::new(), VecDeque::new());
        Self { handle, manner, progress, tally, answers, under_way, now: None, untold: None }
    }

    /// Drives everything in; what has gone in is answered when this returns, whatever it returns.
    pub(super) async fn drive(
        &mut self,
        batches: &mut mpsc::Receiver<Vec<Item>>,
        interrupt: &mut Interrupt,
    ) -> Result<(), Stop> {
        let driven = self.drive_until_stopped(batches, interrupt).await;
        let mut settled = Ok(());
        while let Err(stop) = self.answer_all().await {
            settled = Err(stop);
        }
        if let Some(untold) = self.untold.filter(|untold| *untold > 0) {
            self.progress
                .tell(&format!("regie: {} under way refused for the same reason", counted(untold, "more event")));
        }
        driven.and(settled)
    }

    async fn drive_until_stopped(
        &mut self,
        batches: &mut mpsc::Receiver<Vec<Item>>,
        interrupt: &mut Interrupt,
    ) -> Result<(), Stop> {
        loop {
            match self.next(batches, interrupt).await {
                Next::End => return Ok(()),
                Next::Interrupted => return Err(Stop::Interrupted),
                Next::Answered(place, event, answer) => self.note(&place, &event, *answer).await?,
                Next::Batch(items) => {
                    for item in items {
                        if interrupt.is_asked() {
                            return Err(Stop::Interrupted);
                        }
                        self.take(item).await?;
                    }
                    self.progress.at(self.tally.taken());
                }
            }
        }
    }

    /// What comes first: somebody asks to stop, lines, or an answer while there are none.
    async fn next(&mut self, batches: &mut mpsc::Receiver<Vec<Item>>, interrupt: &mut Interrupt) -> Next {
        poll_fn(|context| {
            if interrupt.poll(context).is_ready() {
                return Poll::Ready(Next::Interrupted);
            }
            match batches.poll_recv(context) {
                Poll::Ready(Some(items)) => return Poll::Ready(Next::Batch(items)),
                Poll::Ready(None) => return Poll::Ready(Next::End),
                Poll::Pending => {}
            }
            let Some(first) = self.under_way.front_mut() else { return Poll::Pending };
            let Poll::Ready(answer) = Pin::new(&mut first.answer).poll(context) else { return Poll::Pending };
            match self.under_way.pop_front() {
                Some(first) => Poll::Ready(Next::Answered(first.place, first.event, Box::new(answer))),
                None => Poll::Pending,
            }
        })
        .await
    }

    async fn take(&mut self, item: Item) -> Result<(), Stop> {
        let place = item.place;
        let event = match item.event {
            Ok(event) => event,
            Err(reason) => {
                self.tell(&place, &reason);
                self.tally.unreadable.add(&place, reason);
                return if self.manner.strict { Err(Stop::Strict) } else { Ok(()) };
            }
        };
        let shared = event.shared();
        if self.manner.clock == Clock::Event && self.handle.looks_back(event.event()) {
            self.answer_all().await?;
        }
        let alone = self.manner.clock == Clock::Event && self.reach(&event).await;
        while self.under_way.len() >= self.manner.in_flight {
            self.answer_one().await?;
        }
        match self.handle.enqueue_from(Whence::File, event).await {
            Ok(answer) => self.under_way.push_back(UnderWay { place, event: shared, answer }),
            Err(refused) => self.note(&place, &shared, Err(refused)).await?,
        }
        if alone {
            self.answer_all().await?;
            self.handle.rules_settled().await;
        }
        Ok(())
    }

    /// Turns the event clock to an event's timestamp, never back. True if the event must be answered before the next: what
    /// needs no order sets no timer either, so that time may go on while it is under way.
    async fn reach(&mut self, event: &Incoming) -> bool {
        let at = event.event().timestamp;
        if self.now.is_none_or(|now| at > now) {
            self.handle.advance_to(at).await;
            self.now = Some(at);
        }
        self.handle.needs_order(event.event())
    }

    async fn answer_all(&mut self) -> Result<(), Stop> {
        while !self.under_way.is_empty() {
            self.answer_one().await?;
        }
        Ok(())
    }

    async fn answer_one(&mut self) -> Result<(), Stop> {
        let Some(UnderWay { place, event, answer }) = self.under_way.pop_front() else { return Ok(()) };
        let answer = answer.await;
        self.note(&place, &event, answer).await
    }

    async fn note(&mut self, place: &Place, event: &Event, answer: Result<EventResult, Refused>) -> Result<(), Stop> {
        let answer = match answer {
            // The one who owed the answer has died. Ids make it safe to send the event again.
            Err(Refused { reason: Reason::Lost, event }) => self.send_again(*event).await,
            answer => answer,
        };
        let told = match &answer {
            Ok(result) => self.answers.tell(result),
            Err(refused) => self.answers.tell(&refused.to_result()),
        };
        self.count(place, event, answer)?;
        told.map_err(|error| Stop::Untold(error.to_string()))
    }

    fn count(&mut self, place: &Place, event: &Event, answer: Result<EventResult, Refused>) -> Result<(), Stop> {
        let mut damaged = false;
        let (reason, stops) = match answer {
            Ok(result) if self.tally.answered(event, &result) => return Ok(()),
            Ok(result) => (result.error.map_or("refused".to_string(), |error| error.message), false),
            Err(refused) => {
                damaged = is_damage(&refused.reason);
                (refused.reason.to_string(), stops_all(&refused.reason))
            }
        };
        // Once nothing is taken any more, those that were under way are refused for the same reason: they are told together.
        match &mut self.untold {
            Some(untold) if stops => *untold += 1,
            untold => {
                *untold = untold.or(stops.then_some(0));
                self.tell(place, &reason);
            }
        }
        self.tally.refused.add(place, reason.clone());
        match (stops, self.manner.strict) {
            (true, _) => Err(Stop::Refusing { why: reason, damaged }),
            (false, true) => Err(Stop::Strict),
            (false, false) => Ok(()),
        }
    }

    async fn send_again(&self, event: Incoming) -> Result<EventResult, Refused> {
        self.handle.enqueue_from(Whence::File, event).await?.await
    }

    fn tell(&self, place: &Place, reason: &str) {
        self.progress.tell(&format!("regie: {}:{}: {reason}", place.file, place.line));
    }
}

/// Whether it is the journal that is damaged, which is so however often it is asked.
fn is_damage(reason: &Reason) -> bool {
    matches!(reason, Reason::Journal(StoreError::Damaged { .. }))
}

/// Whether whatever comes next would be refused too.
fn stops_all(reason: &Reason) -> bool {
    matches!(reason, Reason::Journal(_) | Reason::Closing)
}
