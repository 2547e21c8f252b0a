//! What the runtime logs, on standard error, as much as `REGIE_LOG` asks for.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging: errors alone unless `REGIE_LOG` says otherwise, in a form for programs if `REGIE_LOG_FORMAT` is `json`.
pub(super) fn start() {
    let filter = || EnvFilter::try_from_env("REGIE_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    let json = std::env::var("REGIE_LOG_FORMAT").is_ok_and(|format| format == "json");
    let quiet = fmt().with_env_filter(filter()).with_writer(std::io::stderr).with_ansi(false);
    // A binary that has set up its own logging keeps it.
    let _ = if json { quiet.json().try_init() } else { quiet.try_init() };
}
