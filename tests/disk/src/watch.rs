//! Which files are watched, and the log of what happens to them.

use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use libc::c_int;

use crate::log::Call;
use crate::plan::{Kind, Plan, What};
use crate::raw;

/// Handles by file descriptor; 0 is none. Larger descriptors are not watched: nobody opens so many files here.
static HANDLES: [AtomicU32; 4_096] = [const { AtomicU32::new(0) }; 4_096];

/// lock: the order of the log is the order of the calls, so that a call and its entry are one.
static WATCH: OnceLock<Option<Mutex<Watch>>> = OnceLock::new();

pub(crate) struct Watch {
    plan: Plan,
    log: c_int,
    /// Names by handle; the first handle is 1.
    names: Vec<String>,
}

/// The watch, if the environment asks for one.
pub(crate) fn watch() -> Option<MutexGuard<'static, Watch>> {
    let watch = WATCH.get_or_init(|| Plan::from_environment().map(|plan| Mutex::new(Watch::begin(plan))));
    watch.as_ref().map(|watch| watch.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The watch with the handle of a descriptor, if it is watched.
pub(crate) fn watched(fd: c_int) -> Option<(MutexGuard<'static, Watch>, u32)> {
    let handle = slot(fd)?.load(Ordering::Acquire);
    if handle == 0 {
        return None;
    }
    Some((watch()?, handle))
}

/// A descriptor is closed: its number may come again for something else.
pub(crate) fn forget(fd: c_int) {
    if let Some(slot) = slot(fd) {
        slot.store(0, Ordering::Release);
    }
}

fn slot(fd: c_int) -> Option<&'static AtomicU32> {
    HANDLES.get(usize::try_from(fd).ok()?)
}

impl Watch {
    fn begin(plan: Plan) -> Self {
        let path = CString::new(plan.log.clone()).unwrap_or_default();
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        let mut watch = Self { plan, log: raw::open(&path, flags, 0o644), names: Vec::new() };
        watch.note(&Call::Start);
        watch
    }

    /// The name of a path within the folder, if it is to be watched there.
    pub(crate) fn name_of(&self, path: &CStr) -> Option<String> {
        let name = path.to_str().ok()?.strip_prefix(&self.plan.folder)?.trim_start_matches('/');
        let kept = !name.ends_with("-shm") && !name.ends_with("-lock");
        kept.then(|| name.to_string())
    }

    pub(crate) fn note(&mut self, call: &Call) {
        let entry = call.encode();
        if raw::write(self.log, &entry, None) != entry.len() as isize {
            eprintln!("the log of the disk cannot be written");
            std::process::abort();
        }
    }

    pub(crate) fn opened(&mut self, fd: c_int, name: String, created: bool, emptied: bool) {
        let Some(slot) = slot(fd) else { return };
        self.names.push(name.clone());
        let handle = self.names.len() as u32;
        self.note(&Call::Open { handle, created, emptied, name });
        slot.store(handle, Ordering::Release);
    }

    /// How this call is to fail, if it is.
    pub(crate) fn fault(&mut self, call: Kind, handle: u32) -> Option<What> {
        let name = self.names.get(handle as usize - 1)?.clone();
        let fault = self.plan.fault.as_mut()?;
        if !fault.strikes(call, &name) {
            return None;
        }
        let what = fault.what;
        self.note(&Call::Fault { name });
        if what == What::Killed {
            raw::die();
        }
        Some(what)
    }

    pub(crate) fn read(&mut self, handle: u32) {
        if self.plan.reads {
            self.note(&Call::Read { handle });
        }
    }

    /// Whether a sync of this file only says that it did something.
    pub(crate) fn lies(&self, handle: u32) -> bool {
        let name = self.names.get(handle as usize - 1);
        name.zip(self.plan.lies.as_ref()).is_some_and(|(name, lies)| lies.hold(name))
    }

    pub(crate) fn latency(&self) -> Duration {
        self.plan.latency
    }
}
