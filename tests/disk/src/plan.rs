//! What the environment asks of the disk: which folder, what is recorded, and which call fails.

use std::time::Duration;

/// Read once, from `REGIE_DISK_*`.
pub(crate) struct Plan {
    /// `REGIE_DISK_FOLDER`: files below it are watched; nothing is, unless it is said.
    pub(crate) folder: String,
    /// `REGIE_DISK_LOG`: where the log is appended to.
    pub(crate) log: String,
    /// `REGIE_DISK_FAULT`: which call fails, and how.
    pub(crate) fault: Option<Fault>,
    /// `REGIE_DISK_LIES`: files whose syncs do nothing and say that they did.
    pub(crate) lies: Option<Files>,
    /// `REGIE_DISK_READS`: reads are told in the log too.
    pub(crate) reads: bool,
    /// `REGIE_DISK_LATENCY_US`: how long a sync takes at least, as on a disk that is none of memory.
    pub(crate) latency: Duration,
}

/// The `nth` call of a kind on such files and those after it, `times` in all.
pub(crate) struct Fault {
    call: Kind,
    files: Files,
    nth: u64,
    times: u64,
    pub(crate) what: What,
    seen: u64,
}

/// Calls that can fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Read,
    Sync,
    Resize,
}

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// With EIO.
    Failed,
    /// With ENOSPC.
    Full,
    /// With half of what it was to write.
    Short,
    /// The process is killed before it.
    Killed,
}

/// Names, separated by commas; `*` is every one.
pub(crate) struct Files(Vec<String>);

impl Files {
    fn of(text: &str) -> Self {
        Self(text.split(',').map(str::to_string).collect())
    }

    pub(crate) fn hold(&self, name: &str) -> bool {
        self.0.iter().any(|one| one == "*" || one == name)
    }
}

impl Plan {
    pub(crate) fn from_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("REGIE_DISK_{name}")).ok();
        let latency = variable("LATENCY_US").and_then(|text| text.parse().ok()).unwrap_or(0);
        Some(Self {
            folder: variable("FOLDER")?,
            log: variable("LOG")?,
            fault: variable("FAULT").map(|text| Fault::read(&text).unwrap_or_else(|| refuse(&text))),
            lies: variable("LIES").map(|text| Files::of(&text)),
            reads: variable("READS").is_some(),
            latency: Duration::from_micros(latency),
        })
    }
}

impl Fault {
    /// `CALL FILES NTH TIMES WHAT`, as in `sync regie.db-wal 3 1 eio`.
    fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [call, files, nth, times, what] = words.as_slice() else { return None };
        let call = match *call {
            "write" => Kind::Write,
            "read" => Kind::Read,
            "sync" => Kind::Sync,
            "resize" => Kind::Resize,
            _ => return None,
        };
        let what = match *what {
            "eio" => What::Failed,
            "enospc" => What::Full,
            "short" => What::Short,
            "kill" => What::Killed,
            _ => return None,
        };
        let (nth, times) = (nth.parse().ok()?, times.parse().ok()?);
        Some(Self { call, files: Files::of(files), nth, times, what, seen: 0 })
    }

    /// Counts a call, and says whether it fails.
    pub(crate) fn strikes(&mut self, call: Kind, name: &str) -> bool {
        if call != self.call || !self.files.hold(name) {
            return false;
        }
        self.seen += 1;
        self.seen >= self.nth && self.seen - self.nth < self.times
    }
}

/// A test that asks for a fault and gets none would prove nothing.
fn refuse(text: &str) -> ! {
    eprintln!("REGIE_DISK_FAULT: '{text}' is not CALL FILES NTH TIMES WHAT");
    std::process::abort()
}
