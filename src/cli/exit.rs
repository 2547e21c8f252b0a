//! How a command ends, and with what exit code. The table in `docs/cli.md` is this one.

use std::io;
use std::process::ExitCode;

use regie_journal::StoreError;

use crate::StartError;
use crate::config::Faults;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It did what was asked.
    Done,
    /// `verify` found a break.
    Broken,
    /// What was asked is not there.
    Nothing,
    /// Some lines could not be taken.
    Partly,
    /// What was asked for was refused.
    Refused,
    /// The journal took no more, or what it answered could not be told.
    Refusing,
    /// It was interrupted.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Broken => 1,
            Exit::Nothing => 3,
            Exit::Partly | Exit::Refused => 4,
            Exit::Refusing => 5,
            Exit::Interrupted => 130,
        })
    }
}

/// Why a command did not get to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It was asked for wrongly.
    #[error("{0}")]
    Usage(String),
    /// The configuration is at fault.
    #[error("{0}")]
    Config(#[from] Faults),
    /// The journal cannot be used.
    #[error("{0}")]
    Journal(#[from] StoreError),
    /// The runtime did not start.
    #[error("{0}")]
    Start(#[from] StartError),
    /// Another process owns the journal, and cannot be asked.
    #[error("{0}")]
    Unreachable(String),
    /// What was asked for may have been done, or not.
    #[error("{0}")]
    Unknown(String),
    /// What it prints cannot be written.
    #[error("cannot write the output ({0})")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Whether the reader of the output has gone, such as `| head`: nobody is there to be told.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Output(_) if self.is_closed_pipe() => 0,
            Failure::Usage(_) | Failure::Config(_) => 2,
            Failure::Journal(_) | Failure::Start(_) | Failure::Unreachable(_) | Failure::Output(_) => 5,
            Failure::Unknown(_) => 6,
        })
    }
}
