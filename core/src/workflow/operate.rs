//! Deciding an operation on a run.

use super::command::Refusal;
use super::decide::{Place, check_signed};
use super::fact::{Fact, RunEnd};
use super::handler::Request;
use super::operation::{self, Operation};
use super::parent::Parent;
use super::react::Asked;
use super::untaken::{gave, untaken};
use crate::event::Principal;

/// What another workflow is called by that does something in its own name.
const WORKFLOW: &str = "workflow";

impl Place<'_> {
    /// What follows from an operation.
    pub(super) fn operate(
        &self,
        operation: Operation,
        id: &str,
        (by, why): (&Principal, &str),
    ) -> Result<Vec<Fact>, Refusal> {
        check_signed(by, why)?;
        operation::check_operation_id(id)?;
        if self.correlation.is_own() {
            return Err(Refusal::NotNow { operation, why: "it is the runtime's own".into() });
        }
        let run = self.state.run();
        let is_its = |parent: &Parent| parent.workflow.as_str() == by.id;
        if by.kind == WORKFLOW && !run.and_then(|run| run.parent.as_ref()).is_some_and(is_its) {
            return self.not_wanted(operation, (by, why));
        }
        let run = run.ok_or(Refusal::NoRun { operation })?;
        run.check_new(id, operation)?;
        operation::check(operation, run)?;
        let mut facts = vec![Fact::Operated { operation, id: id.to_string(), by: by.clone(), why: why.to_string() }];
        let gave = if operation == Operation::Cancel { gave(self.state, None) } else { Vec::new() };
        facts.extend(self.carried_out(&Request { operation, by, why, gave: &gave, fails: false })?);
        Ok(facts)
    }

    fn carried_out(&self, request: &Request<'_>) -> Result<Vec<Fact>, Refusal> {
        let operation = request.operation;
        match operation {
            Operation::Pause | Operation::Resume => Ok(Vec::new()),
            Operation::Migrate { .. } => {
                let why = "its records must be read under that version first".to_string();
                Err(Refusal::NotNow { operation, why })
            }
            Operation::Terminate => {
                let reason = request.why.to_string();
                Ok(vec![Fact::Finished { end: RunEnd::Terminated { reason } }])
            }
            Operation::Cancel | Operation::Retry => self.ask_to(request),
            Operation::Unpark(how) => match untaken(self.state) {
                Some(untaken) => self.unpark(request, how, untaken),
                None => self.ask_to(request),
            },
        }
    }

    /// A workflow does something where nothing runs for it. It may be that its own is yet to begin, by an event that waits: then
    /// that begins nothing any more.
    fn not_wanted(&self, operation: Operation, (by, why): (&Principal, &str)) -> Result<Vec<Fact>, Refusal> {
        let waiting = self.state.open().iter().filter(|(_, open)| open.unwanted.is_none());
        let its =
            waiting.filter(|(_, open)| Parent::of_open(open).is_some_and(|parent| parent.workflow.as_str() == by.id));
        let unwanted = its.map(|(event, _)| Fact::Unwanted { event: *event, by: by.clone(), why: why.to_string() });
        let facts: Vec<Fact> = if operation == Operation::Cancel { unwanted.collect() } else { Vec::new() };
        match self.state.run() {
            _ if !facts.is_empty() => Ok(facts),
            None => Err(Refusal::NoRun { operation }),
            Some(_) => Err(Refusal::NotNow { operation, why: format!("it does not run for {}", by.id) }),
        }
    }

    /// The definition carries it out.
    pub(super) fn ask_to(&self, request: &Request<'_>) -> Result<Vec<Fact>, Refusal> {
        let handler = self.definition()?;
        let answer = self.ask(handler, Asked::Operation(*request), None)?;
        answer.map_err(|poison| Refusal::NotNow { operation: request.operation, why: poison.error })
    }
}
