//! What the runtime logs, on standard error, as much as `REGIE_LOG` asks for.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

/// Starts logging: errors alone unless `REGIE_LOG` says otherwise, in a form for programs if `REGIE_LOG_FORMAT` is `json`.
/// What it gives is to be kept until the command ends: dropping it sends what has not been exported yet.
pub(super) fn start() -> impl Sized {
    let filter = EnvFilter::try_from_env("REGIE_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    let json = std::env::var("REGIE_LOG_FORMAT").is_ok_and(|format| format == "json");
    let quiet = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = if json { quiet.json().with_filter(filter).boxed() } else { quiet.with_filter(filter).boxed() };
    #[cfg(feature = "otel")]
    let (spans, export) = super::otel::start().unzip();
    #[cfg(not(feature = "otel"))]
    let (spans, export) = (None, ());
    let layers: Vec<_> = std::iter::once(lines).chain(spans).collect();
    // A binary that has set up its own logging keeps it.
    let _ = registry().with(layers).try_init();
    export
}
