//! What a person or a program does to a workflow, besides sending it events.

use regie_actors::refused::Reason;
use regie_actors::workflow::WorkflowView;
use regie_core::event::{CorrelationId, Principal};
use regie_core::workflow::{Command, Operation, Unpark};
use uuid::Uuid;

use super::handle::Handle;

impl Handle {
    /// Stops a workflow: what is under way is given up, what was done is put back as far as its definition says how, and it
    /// ends as cancelled. Comes back once that is durable, with how the workflow stands then.
    ///
    /// # Errors
    /// If nothing runs there, if it is over or is being put back already, if who or why is missing, or if the journal does not
    /// take it.
    ///
    /// # Cancellation
    /// Dropping the future does not take the operation back. That is so for all of these.
    pub async fn cancel(&self, workflow: &CorrelationId, by: Principal, why: &str) -> Result<WorkflowView, Reason> {
        self.operate(workflow, Operation::Cancel, by, why).await
    }

    /// Lets nothing of a workflow out any more: no call, no timer, no event. What is out already goes on, and what comes in
    /// is taken.
    ///
    /// # Errors
    /// As [`Handle::cancel`], or if it is paused already.
    pub async fn pause(&self, workflow: &CorrelationId, by: Principal, why: &str) -> Result<WorkflowView, Reason> {
        self.operate(workflow, Operation::Pause, by, why).await
    }

    /// Lets out again what a paused workflow owes.
    ///
    /// # Errors
    /// As [`Handle::cancel`], or if it is not paused.
    pub async fn resume(&self, workflow: &CorrelationId, by: Principal, why: &str) -> Result<WorkflowView, Reason> {
        self.operate(workflow, Operation::Resume, by, why).await
    }

    /// Has a failed workflow go on at the step that failed.
    ///
    /// # Errors
    /// As [`Handle::cancel`], if it has not failed, or if its definition has no way on from there.
    pub async fn retry(&self, workflow: &CorrelationId, by: Principal, why: &str) -> Result<WorkflowView, Reason> {
        self.operate(workflow, Operation::Retry, by, why).await
    }

    /// Takes on what of a workflow waits for a person since longest.
    ///
    /// # Errors
    /// As [`Handle::cancel`], or if nothing of it waits.
    pub async fn unpark(
        &self,
        workflow: &CorrelationId,
        how: Unpark,
        by: Principal,
        why: &str,
    ) -> Result<WorkflowView, Reason> {
        self.operate(workflow, Operation::Unpark(how), by, why).await
    }

    /// Ends a workflow at once, and puts nothing back.
    ///
    /// # Errors
    /// As [`Handle::cancel`].
    pub async fn terminate(&self, workflow: &CorrelationId, by: Principal, why: &str) -> Result<WorkflowView, Reason> {
        self.operate(workflow, Operation::Terminate, by, why).await
    }

    async fn operate(
        &self,
        workflow: &CorrelationId,
        operation: Operation,
        by: Principal,
        why: &str,
    ) -> Result<WorkflowView, Reason> {
        self.operate_once(workflow, (operation, &Uuid::new_v4().to_string()), by, why).await
    }

    /// Carries out an operation under an id of yours: asked again under it, because its answer was lost, it is done once, and
    /// how the workflow stands is told. A workflow knows the ids of its last operations alone.
    ///
    /// # Errors
    /// As the operation's own method, and if the id is no name of 1 to 255 bytes, or was used for another operation.
    pub async fn operate_once(
        &self,
        workflow: &CorrelationId,
        (operation, id): (Operation, &str),
        by: Principal,
        why: &str,
    ) -> Result<WorkflowView, Reason> {
        let command = Command::Operate { operation, id: id.to_string(), by, why: why.to_string() };
        self.command(workflow.clone(), command).await?;
        self.look(workflow).await.map_err(Reason::from)
    }
}
