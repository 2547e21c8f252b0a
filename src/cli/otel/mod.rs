//! Spans of the runtime to an OpenTelemetry collector, where `OTEL_EXPORTER_OTLP_ENDPOINT` names one.
//!
//! A thread of its own sends them in batches from a queue that is bounded: a collector that is slow or gone costs spans,
//! never the run.

mod client;

use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, Key};
use opentelemetry_otlp::{ExporterBuildError, RetryPolicy, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{self as sdk, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanProcessor};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Layer, Registry};

use client::Client;

/// How long the end of the command waits for the last spans to be sent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Spans that ended, and those that were taken from the queue; what lies between was dropped, once all is sent.
#[derive(Debug, Default)]
struct Tally {
    ended: AtomicU64,
    taken: AtomicU64,
}

/// The export; dropping it sends what has not been sent yet.
pub(super) struct Export {
    provider: SdkTracerProvider,
    tally: Arc<Tally>,
}

/// Starts the export, if the environment asks for one, and gives the layer that feeds it.
pub(super) fn start() -> Option<(Box<dyn Layer<Registry> + Send + Sync>, Export)> {
    std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty())?;
    let export = Export::new().map_err(|error| tell(format_args!("no spans are exported: {error}"))).ok()?;
    let ours = Targets::new().with_target("regie", LevelFilter::DEBUG);
    let layer = tracing_opentelemetry::layer().with_tracer(export.provider.tracer("regie"));
    // Where in our source a span began, and on which thread, says nothing to who reads a trace. Nobody asks for the
    // current context either.
    let layer = layer.with_location(false).with_threads(false).with_context_activation(false);
    Some((layer.with_filter(ours).boxed(), export))
}

impl Export {
    fn new() -> Result<Self, ExporterBuildError> {
        // More tries would only hold up the end of the command where nobody listens.
        let retry = RetryPolicy::recommended().with_max_retries(1);
        let http = SpanExporter::builder().with_http().with_http_client(Client::default());
        let exporter = http.with_retry_policy(retry).build()?;
        let tally = Arc::new(Tally::default());
        let taken = Taken { exporter, tally: Arc::clone(&tally) };
        let ended = Ended { queue: BatchSpanProcessor::builder(taken).build(), tally: Arc::clone(&tally) };
        let provider = SdkTracerProvider::builder().with_resource(resource()).with_span_processor(ended).build();
        Ok(Self { provider, tally })
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(PATIENCE) {
            tell(format_args!("the last spans were not exported: {error}"));
            return;
        }
        let ended = self.tally.ended.load(Ordering::Relaxed);
        let dropped = ended.saturating_sub(self.tally.taken.load(Ordering::Relaxed));
        if dropped > 0 {
            tell(format_args!("{dropped} of {ended} spans were dropped: the queue was full (OTEL_BSP_MAX_QUEUE_SIZE)"));
        }
    }
}

/// Who sends: `regie`, unless the environment names the service.
fn resource() -> Resource {
    let told = Resource::builder().build();
    let is_named = |name: opentelemetry::Value| !name.as_str().starts_with("unknown_service");
    if told.get(&Key::new("service.name")).is_some_and(is_named) {
        return told;
    }
    Resource::builder().with_service_name("regie").build()
}

/// A line that is seen whatever `REGIE_LOG` says: whoever names a collector wants to know.
fn tell(what: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "regie: {what}");
}

/// Counts what enters the queue.
#[derive(Debug)]
struct Ended {
    queue: BatchSpanProcessor,
    tally: Arc<Tally>,
}

impl SpanProcessor for Ended {
    fn on_start(&self, span: &mut sdk::Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.tally.ended.fetch_add(1, Ordering::Relaxed);
        self.queue.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// Counts what leaves the queue, sent or not: the client tells of what it could not send.
#[derive(Debug)]
struct Taken {
    exporter: SpanExporter,
    tally: Arc<Tally>,
}

impl sdk::SpanExporter for Taken {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.tally.taken.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.exporter.export(batch).await
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
