//! Watching the policy file while events come in: a changed one, or SIGHUP, puts it in force; a bad one is told, and the
//! set before stays.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use futures::future::{Either, select};
use regie_actors::in_force::EnactError;
use regie_core::event::Principal;
use tokio::sync::oneshot;

use super::signal::Signal;
use crate::Handle;
use crate::cli::open::tell;
use crate::config::Settings;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A thread that watches, until it is dropped.
pub(super) struct Watch {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches the policy file that the settings name, if they name one.
    pub(super) fn start(settings: &Settings, handle: &Handle, by: Option<Principal>) -> io::Result<Option<Self>> {
        if settings.policies.is_none() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (settings, handle) = (settings.clone(), handle.clone());
        let thread = std::thread::Builder::new().name("regie-reload".into()).spawn(move || {
            runtime.block_on(async {
                select(stopped, pin!(watch(&settings, &handle, by))).await;
            });
        })?;
        Ok(Some(Self { stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has nothing more to say
        }
    }
}

async fn watch(settings: &Settings, handle: &Handle, by: Option<Principal>) {
    let Some(path) = settings.policies.as_deref() else { return };
    let mut asked = Signal::hang_up();
    let mut looks = Looks::default();
    let mut wanted = false;
    loop {
        wanted |= matches!(select(pin!(asked.wait()), pin!(tokio::time::sleep(LOOK))).await, Either::Left(_));
        let now = mark(path);
        if (looks.at(now) || wanted) && put_in_force(settings, handle, by.clone(), wanted).await {
            (looks.done, wanted) = (now, false); // otherwise it is tried again
        }
    }
}

/// What the looks at the file have seen.
#[derive(Default)]
struct Looks {
    /// What is done with. None in the beginning: the file may have changed since it was read for the start.
    done: Option<Mark>,
    last: Option<Mark>,
}

impl Looks {
    /// Whether the file is to be read: it is another, and is written to no more. Half of a file may well be a set too.
    fn at(&mut self, now: Option<Mark>) -> bool {
        let rests = std::mem::replace(&mut self.last, now) == now;
        rests && now != self.done
    }
}

/// Whether that is done with: in force, or refused for what it says.
async fn put_in_force(settings: &Settings, handle: &Handle, by: Option<Principal>, wanted: bool) -> bool {
    let set = match settings.policy_set() {
        Ok(Some(set)) => set,
        Ok(None) => return true,
        Err(faults) => {
            tell(&format!("regie: the policies stay as they are: {faults}"));
            return true;
        }
    };
    let before = handle.policies().digest();
    let (digest, count) = (set.digest(), set.len());
    if digest == before && !wanted {
        return true; // touched, and yet the same
    }
    match handle.set_policies(set, by).await {
        Ok(()) => {
            let name = digest.map_or_else(|| "none".to_string(), |digest| digest.short());
            let are = if count == 1 { "policy is" } else { "policies are" };
            tell(&format!("regie: {count} {are} in force now ({name})"));
            true
        }
        Err(EnactError::Busy) => false,
        Err(error) => {
            tell(&format!("regie: the policies stay as they are: {error}"));
            true
        }
    }
}

/// What tells that a file is another than before.
type Mark = (SystemTime, u64);

fn mark(path: &Path) -> Option<Mark> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_length(bytes: u64) -> Option<Mark> {
        Some((SystemTime::UNIX_EPOCH, bytes))
    }

    #[test]
    fn a_file_is_read_when_it_is_another_and_rests() {
        let mut looks = Looks::default();
        assert!(!looks.at(of_length(7)));
        assert!(looks.at(of_length(7)), "whether it is what was read for the start is not known");
        looks.done = of_length(7);
        let read = [of_length(7), of_length(0), of_length(3), of_length(9), of_length(9)].map(|now| looks.at(now));
        assert_eq!(read, [false, false, false, false, true]);
    }

    #[test]
    fn a_file_that_could_not_be_put_in_force_is_read_again() {
        let mut looks = Looks::default();
        assert_eq!([of_length(7); 3].map(|now| looks.at(now)), [false, true, true]);
    }
}
