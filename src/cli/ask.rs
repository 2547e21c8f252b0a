//! Having something done: by this process where nobody owns the journal, else by the one that does.

use std::time::{Duration, Instant};

use regie_actors::clock::Clock as RuntimeClock;
use regie_journal::StoreError;

use crate::cli::exit::Failure;
use crate::cli::open;
use crate::cli::run::configured;
use crate::config::{Clock, Settings};
#[cfg(unix)]
use crate::control::{self, Unheard};
use crate::control::{Answer, Ask, perform};
use crate::runtime::Live;
use crate::{Builder, ClockKind, StartError};

/// How long an owner is looked for that cannot be reached: it may be starting or ending just now.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Asks the one who owns the journal, whoever that is.
pub(in crate::cli) fn ask(settings: &Settings, builder: &Builder, ask: &Ask) -> Result<Answer, Failure> {
    let began = Instant::now();
    loop {
        let owner = match by_ourselves(settings, builder.clone(), ask) {
            Err(Failure::Start(StartError::Journal(StoreError::Owned { owner, .. }))) => owner,
            done => return done,
        };
        let why = match by_owner(settings, ask)? {
            Ok(Answer::Refused(error)) if error.code == "closing" => error.message,
            Ok(Answer::Refused(error)) if error.code == "lost" => return Err(lost(settings, ask, &error.message)),
            Ok(answer) => return Ok(answer),
            Err(why) => why,
        };
        if began.elapsed() > PATIENCE {
            return Err(unreachable(settings, owner, &why));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Opens the journal for this alone. Its clock fires no timers: what is deferred or lapses elsewhere waits for a `run`,
/// with its policies and handlers, and so do questions to reasoners, of whom there are none here. What agents owe goes
/// out, as at any start.
fn by_ourselves(settings: &Settings, builder: Builder, ask: &Ask) -> Result<Answer, Failure> {
    // It goes on from the latest decision, however old the events are.
    let clock = RuntimeClock::event_time();
    if settings.clock == Clock::System {
        clock.advance_to(RuntimeClock::system().now());
    }
    let builder = configured(builder, settings)?.clock(ClockKind::Given(clock)).asks_nobody().rules_as_recorded();
    futures::executor::block_on(async {
        let runtime = builder.start().await?;
        runtime.notes().iter().filter(|note| note.is_loss()).for_each(|note| open::tell(&format!("regie: {note}")));
        let answer = perform(&runtime.handle(), ask.clone()).await;
        // What rules make of it is part of it.
        runtime.handle().rules_settled().await;
        runtime.shutdown().await;
        Ok(answer)
    })
}

/// What the owner tells of itself; nothing where there is none, or it cannot be asked.
pub(in crate::cli) fn live(settings: &Settings) -> Option<Live> {
    match by_owner(settings, &Ask::Live) {
        Ok(Ok(Answer::Live(live))) => Some(*live),
        _ => None,
    }
}

/// What the owner says, or why nobody was asked.
#[cfg(unix)]
fn by_owner(settings: &Settings, ask: &Ask) -> Result<Result<Answer, String>, Failure> {
    match control::ask(&settings.db, ask) {
        Ok(answer) => Ok(Ok(answer)),
        Err(Unheard::Nobody { socket, why }) => Ok(Err(format!("{}: {why}", socket.display()))),
        Err(Unheard::Unknown { why }) => Err(lost(settings, ask, &why)),
    }
}

#[cfg(not(unix))]
fn by_owner(_: &Settings, _: &Ask) -> Result<Result<Answer, String>, Failure> {
    Ok(Err("there are no local sockets here".into()))
}

fn lost(settings: &Settings, ask: &Ask, why: &str) -> Failure {
    let (what, correlation, safe) = match ask {
        Ask::Resolve(decision) => {
            let correlation = decision.correlation_id.as_deref().unwrap_or("CORRELATION").to_string();
            ("decision", correlation, "to ask again is safe, for an event is decided once".to_string())
        }
        Ask::Update { update } => {
            let id = update.id.as_deref().unwrap_or_default();
            ("update", update.correlation().to_string(), format!("to ask again with --id '{id}' is safe"))
        }
        Ask::Undo(undo) => {
            let correlation = regie_core::automation::run_correlation(&undo.run).to_string();
            (
                "undo",
                correlation,
                "to ask again is safe, for a run is put back once, and that tells whether it was".to_string(),
            )
        }
        Ask::Operate(asked) => {
            let safe = format!("to ask again with --operation-id '{}' is safe", asked.id);
            ("operation", asked.correlation_id.clone(), safe)
        }
        Ask::Start { start } => {
            let safe = "to ask again is safe: where it runs already, that is told".to_string();
            ("start", start.correlation_id.clone(), safe)
        }
        Ask::Send { send } => {
            let id = send.id.as_deref().unwrap_or_default();
            ("event", send.correlation_id.clone(), format!("to send it again with --event-id '{id}' is safe"))
        }
        Ask::Live => ("status", "CORRELATION".to_string(), "to ask again is safe".to_string()),
    };
    Failure::Unknown(format!(
        "the process that owns {} was asked, and gave no answer ({why}): it is not known whether the {what} was \
         recorded. 'regie show {correlation}' tells; {safe}",
        settings.db.display()
    ))
}

fn unreachable(settings: &Settings, owner: Option<u32>, why: &str) -> Failure {
    let owner = owner.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    Failure::Unreachable(format!(
        "{} is owned by another process{owner} that cannot be asked ({why}): do it from within that one, or end it and ask again",
        settings.db.display()
    ))
}
