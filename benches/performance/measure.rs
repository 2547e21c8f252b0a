//! What is measured with: time, the processor's time, memory, and the middle of some runs.

use std::time::{Duration, Instant};

/// The processor's time that this process has taken, by all its threads.
pub(crate) fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program is the one field that may hold a space; after it, user and system time are the 12th and 13th.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Measures from when it was started.
pub(crate) struct Stopwatch {
    began: Instant,
    processor: Duration,
}

impl Stopwatch {
    /// Starts it.
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), processor: processor_time() }
    }

    /// The time since.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// The processor's time since.
    pub(crate) fn processor(&self) -> Duration {
        processor_time().saturating_sub(self.processor)
    }
}

/// Bytes of this process in memory.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value below which such a share of them lies.
pub(crate) fn quantile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// So many in the time.
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

/// The processor's time of each thread of this process, with its name's first 15 bytes.
pub(crate) fn thread_times() -> Vec<(String, Duration)> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let time = |thread: std::fs::DirEntry| {
        let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        let spent = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanos = spent.split_whitespace().next()?.parse().ok()?;
        Some((name.trim().to_string(), Duration::from_nanos(nanos)))
    };
    threads.filter_map(time).collect()
}
