//! What may be asked of a workflow over the local socket, and doing it.

use regie_core::event::{CorrelationId, ErrorInfo, Principal};
use regie_core::workflow::{Operation, Unpark};
use serde::{Deserialize, Serialize};

use super::protocol::Answer;
use crate::runtime::{SendTo, Start, WorkflowError};
use crate::{Handle, Reason};

/// Something to be done to a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Operate {
    /// Which.
    pub(crate) correlation_id: String,
    /// What.
    pub(crate) operation: Operating,
    /// Its id: asked again under it, it is done once.
    pub(crate) id: String,
    /// The version to which it is taken, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<u32>,
    /// Who says so.
    pub(crate) by: Principal,
    /// Why.
    pub(crate) why: String,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operating {
    Cancel,
    Pause,
    Resume,
    Retry,
    UnparkRetry,
    UnparkSkip,
    UnparkAbandon,
    Terminate,
    Migrate,
}

impl Operating {
    /// The operation; none for a migration, which is asked for with its version.
    fn operation(self) -> Option<Operation> {
        Some(match self {
            Operating::Cancel => Operation::Cancel,
            Operating::Pause => Operation::Pause,
            Operating::Resume => Operation::Resume,
            Operating::Retry => Operation::Retry,
            Operating::Terminate => Operation::Terminate,
            Operating::UnparkRetry => Operation::Unpark(Unpark::Retry),
            Operating::UnparkSkip => Operation::Unpark(Unpark::Skip),
            Operating::UnparkAbandon => Operation::Unpark(Unpark::Abandon),
            Operating::Migrate => return None,
        })
    }
}

/// Does it; comes back once that is durable.
pub(super) async fn operate(handle: &Handle, asked: Operate) -> Result<Answer, ErrorInfo> {
    let Operate { correlation_id, operation, id, to, by, why } = asked;
    let (workflow, why) = (CorrelationId::from(correlation_id), why.as_str());
    let Some(operation) = operation.operation() else {
        let to = to.ok_or_else(|| ErrorInfo::new("bad_request", "'to' is missing: the version"))?;
        let report = handle.migrate_once(&workflow, (to, &id), by, why).await.map_err(told)?;
        return Ok(Answer::Workflow(Box::new(report)));
    };
    let done = handle.operate_once(&workflow, (operation, &id), by, why).await;
    done.map_err(|reason| told(reason.into()))?;
    let report = handle.workflow(&workflow).await.map_err(|error| told(Reason::from(error).into()))?;
    Ok(Answer::Workflow(Box::new(report.ok_or_else(|| told(Reason::Lost.into()))?)))
}

/// Begins one.
pub(super) async fn start(handle: &Handle, start: Start) -> Result<Answer, ErrorInfo> {
    handle.start(start).await.map(|result| Answer::Done(Box::new(result))).map_err(told)
}

/// Tells one something.
pub(super) async fn send(handle: &Handle, send: SendTo) -> Result<Answer, ErrorInfo> {
    handle.send_to(send).await.map(|result| Answer::Done(Box::new(result))).map_err(told)
}

fn told(error: WorkflowError) -> ErrorInfo {
    ErrorInfo::new(error.code(), error)
}
