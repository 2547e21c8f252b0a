//! How a run stands, by the table of moves.

use std::collections::VecDeque;

use regie_core::workflow::{EffectEnd, EffectKey, Operation, RunEnd, Unpark};

use crate::simulation::tally::Tally;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Running,
    Compensating,
    Completed,
    Failed,
    Cancelled,
    Terminated,
}

impl Status {
    fn of(end: &RunEnd) -> Self {
        match end {
            RunEnd::Completed { .. } => Status::Completed,
            RunEnd::Failed { .. } => Status::Failed,
            RunEnd::Cancelled { .. } => Status::Cancelled,
            _ => Status::Terminated,
        }
    }

    pub(super) fn is_over(self) -> bool {
        !matches!(self, Status::Running | Status::Compensating)
    }

    /// Whether what comes later is skipped.
    pub(super) fn skips(self) -> bool {
        !matches!(self, Status::Running | Status::Completed)
    }
}

/// The end of an effect that could not be taken; nothing for a step that its definition has halted.
pub(super) type Waits = Option<(EffectKey, EffectEnd)>;

#[derive(Debug, Default)]
pub(super) struct Moves {
    pub(super) status: Status,
    pub(super) paused: bool,
    pub(super) parked: VecDeque<Waits>,
    /// How it ends once all is put back.
    then: Option<RunEnd>,
}

impl Moves {
    /// What a person does is possible. Gives what was taken up that waited.
    pub(super) fn operated(&mut self, operation: Operation, version: u32, tally: &mut Tally) -> Option<Waits> {
        let status = self.status;
        let may = match operation {
            Operation::Retry => status == Status::Failed,
            Operation::Cancel => status == Status::Running,
            Operation::Pause => !status.is_over() && !self.paused,
            Operation::Resume => self.paused,
            Operation::Unpark(_) => !status.is_over() && !self.parked.is_empty(),
            Operation::Migrate { to } => !status.is_over() && to != version,
            _ => !status.is_over(),
        };
        assert!(may, "{operation} of one that stands so: {self:?}");
        tally.count(match operation {
            Operation::Cancel => "operation: cancel",
            Operation::Pause => "operation: pause",
            Operation::Resume => "operation: resume",
            Operation::Retry => "operation: retry",
            Operation::Unpark(Unpark::Retry) => "operation: unpark --retry",
            Operation::Unpark(Unpark::Skip) => "operation: unpark --skip",
            Operation::Unpark(Unpark::Abandon) => "operation: unpark --abandon",
            Operation::Migrate { .. } => "operation: migrate",
            _ => "operation: terminate",
        });
        match operation {
            Operation::Pause => self.paused = true,
            Operation::Resume => self.paused = false,
            Operation::Retry => self.status = Status::Running,
            Operation::Unpark(_) => return self.parked.pop_front(),
            _ => {}
        }
        None
    }

    pub(super) fn parks(&mut self, waits: Waits) {
        assert!(!self.status.is_over(), "something of one that is over waits for a person");
        self.parked.push_back(waits);
    }

    pub(super) fn compensates(&mut self, then: &RunEnd) {
        assert_eq!(self.status, Status::Running, "it is put back twice");
        assert!(matches!(then, RunEnd::Failed { .. } | RunEnd::Cancelled { .. }), "it is put back, and then {then:?}");
        (self.status, self.then) = (Status::Compensating, Some(then.clone()));
    }

    pub(super) fn ends(&mut self, end: &RunEnd, tally: &mut Tally) {
        assert!(!self.status.is_over(), "it ends twice: {end:?}");
        let put_back = self.status == Status::Compensating;
        if let Some(then) = self.then.take().filter(|_| !matches!(end, RunEnd::Terminated { .. })) {
            assert_eq!(Status::of(&then), Status::of(end), "it ends otherwise than it said");
        }
        self.status = Status::of(end);
        tally.count(match (self.status, put_back) {
            (Status::Completed, _) => "workflow: completed",
            (Status::Failed, false) => "workflow: failed",
            (Status::Failed, true) => "workflow: failed, and put back",
            (Status::Cancelled, false) => "workflow: cancelled",
            (Status::Cancelled, true) => "workflow: cancelled, and put back",
            _ => "workflow: terminated",
        });
        (self.paused, self.parked) = (false, VecDeque::new());
    }
}
