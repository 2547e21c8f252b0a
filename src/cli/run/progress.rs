//! Progress on standard error, where that is a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::open;

/// How far the run is.
pub(in crate::cli) struct Progress {
    bar: Option<ProgressBar>,
    read: Arc<AtomicU64>,
}

impl Progress {
    /// A bar over all bytes of the input, or a count where nobody knows how many there are.
    pub(in crate::cli) fn start(bytes: Option<u64>, read: Arc<AtomicU64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| match bytes {
            Some(bytes) => ProgressBar::new(bytes).with_style(style("{bar:30} {percent:>3} %  {msg}")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {msg}")),
        });
        if let Some(bar) = &bar {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, read }
    }

    /// Tells how many events have been taken.
    pub(in crate::cli) fn at(&self, events: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.read.load(Ordering::Relaxed));
            let rate = (events as f64 / bar.elapsed().as_secs_f64().max(0.001)) as u64;
            let told = crate::cli::screen::grouped;
            bar.set_message(format!("{} events, {}/s", told(events), told(rate)));
        }
    }

    /// Tells what is being waited for.
    pub(in crate::cli) fn says(&self, what: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what);
        }
    }

    /// A line on standard error, above the bar.
    pub(in crate::cli) fn tell(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| open::tell(line)),
            None => open::tell(line),
        }
    }

    /// Takes the bar away.
    pub(in crate::cli) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar over records.
pub(in crate::cli) fn of_records(records: u64) -> ProgressBar {
    ProgressBar::new(records).with_style(style("{bar:30} {percent:>3} %  {pos} of {len} records"))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
