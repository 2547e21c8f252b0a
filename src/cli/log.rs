//! What the runtime logs, on standard error, as much as `REGIE_LOG` asks for.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::filter::{FilterExt, dynamic_filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

/// Starts logging: errors alone, each kind of them once, unless `REGIE_LOG` says otherwise, in a form for programs if `REGIE_LOG_FORMAT` is `json`.
/// What it gives is to be kept until the command ends: dropping it sends what has not been exported yet.
pub(super) fn start() -> impl Sized {
    let asked = EnvFilter::try_from_env("REGIE_LOG").ok();
    let once = asked.is_none();
    let filter = asked.unwrap_or_else(|| EnvFilter::new("error")).and(told_once(once));
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

/// Lets each place of the code speak once, if that is wanted: one fault of the journal is met by every workflow, and the
/// command tells by itself what it came to.
fn told_once<S: tracing::Subscriber>(wanted: bool) -> impl Filter<S> {
    // lock: any thread may log; held to look up one address.
    let told = Mutex::new(HashSet::new());
    dynamic_filter_fn(move |metadata, _| {
        !wanted || metadata.is_span() || told.lock().unwrap_or_else(PoisonError::into_inner).insert(metadata.callsite())
    })
}
