//! How long twenty conditions over one event take: by Regie, by the bare crate `cel` over a value that is made once too, and
//! as twenty policies of a set, with all their decisions.
//!
//! `cargo bench -p regie-core --bench expressions` prints them and their ratios. They run in turns, and the fastest round of
//! each counts.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cel::{Context, Env};
use regie_core::Timestamp;
use regie_core::event::{EntityRef, Event, Incoming, Pattern, Principal};
use regie_core::expr::{Program, Scope, View};
use regie_core::governance::{Policy, PolicySet, Seen, When};

const EVENTS: usize = 2_000;
const ROUNDS: usize = 15;

const CONDITIONS: [&str; 20] = [
    "event.type == 'order.paid'",
    "event.priority == 'P0' || event.priority == 'P1'",
    "event.actor.kind == 'agent'",
    "event.actor.id in ['ana', 'ben', 'cem', 'dora']",
    "event.payload.amount > 100",
    "event.payload.amount > 100 && event.payload.currency == 'EUR'",
    "event.payload.customer.country != 'DE'",
    "event.payload.lines.exists(line, line.price > 500)",
    "event.payload.lines.all(line, line.count < 10)",
    "size(event.payload.lines) > 3",
    "event.payload.note.contains('urgent')",
    "event.payload.note.startsWith('re:')",
    "event.entity.type == 'order' && event.entity.id == '7'",
    "'vip' in event.payload.tags",
    "event.session_key == 's-1'",
    "event.type.endsWith('.paid') && !(event.source == 'test')",
    "size(event.payload.lines) * 2 - 1 >= 3",
    "event.payload.lines.filter(line, line.count > 1).size() == 1",
    "event.payload.discount == null || event.payload.discount < 0.5",
    "event.correlation_id != event.payload.customer.id ? event.schema_version == 1 : false",
];

fn main() {
    let event = event();
    let scope = Scope::new().with_event().with_now();
    let texts = that_do_not_hold(&event, &scope);
    let ours: Vec<_> = texts.iter().map(|text| Program::condition(text, &scope).expect("good")).collect();
    let env = Arc::new(Env::stdlib());
    let bare: Vec<_> = texts.iter().map(|text| env.compile(text).expect("good")).collect();
    let tree = serde_json::to_value(event.event()).expect("JSON");
    let set = policies(&texts);
    assert_eq!(by_ours(&event, &ours), by_bare(&tree, &env, &bare), "both come to the same");
    assert_eq!(by_policies(&event, &set), CONDITIONS.len(), "each is looked at, and those of other types are not");
    let (mut own, mut other, mut whole) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        other = other.min(timed(|| (0..EVENTS).map(|_| by_bare(&tree, &env, &bare)).sum()));
        own = own.min(timed(|| (0..EVENTS).map(|_| by_ours(&event, &ours)).sum()));
        whole = whole.min(timed(|| (0..EVENTS).map(|_| by_policies(&event, &set)).sum()));
    }
    let each = |time: Duration| time.as_nanos() as f64 / EVENTS as f64;
    println!("{} conditions over one event of {} bytes", CONDITIONS.len(), event.raw().len());
    println!("the bare crate   {:>7.0} ns", each(other));
    println!("ours             {:>7.0} ns", each(own));
    println!("ratio            {:>7.2}", each(own) / each(other));
    println!("as policies      {:>7.0} ns", each(whole));
    println!("ratio            {:>7.2}", each(whole) / each(other));
}

/// The conditions, turned round where they hold: as policies they are all looked at only if none stops the event.
fn that_do_not_hold(event: &Incoming, scope: &Scope) -> Vec<String> {
    let view = View::new().event(event.event());
    let turned = |text: &&str| {
        let holds = Program::condition(text, scope).expect("good").truth(&view) == Ok(true);
        if holds { format!("!({text})") } else { (*text).to_string() }
    };
    CONDITIONS.iter().map(turned).collect()
}

/// A veto for each, and as many again for each of four other types.
fn policies(texts: &[String]) -> PolicySet {
    let types = ["order.>", "stock.>", "agent.>", "*.*.late", "order.sent"];
    let veto = |kind: &str, nth: usize, text: &str| {
        let pattern = Pattern::parse(kind).expect("a pattern");
        Policy::veto_when(&format!("{kind}-{nth}"), pattern, "never", When::cel(text).expect("good"))
    };
    let of_type = |kind| texts.iter().enumerate().map(move |(nth, text)| veto(kind, nth, text));
    PolicySet::new(types.into_iter().flat_map(of_type).collect()).expect("a set")
}

/// How many were looked at.
fn by_policies(event: &Incoming, set: &PolicySet) -> usize {
    set.judge(black_box(&Seen::alone(event.event(), Timestamp::from_millis(2_000)))).decisions.len()
}

fn event() -> Incoming {
    let payload = serde_json::json!({
        "amount": 120, "currency": "EUR", "note": "re: this one is urgent", "tags": ["new", "vip"], "discount": null,
        "customer": {"id": "c-17", "country": "DE", "name": "a customer"},
        "lines": [{"price": 20, "count": 1, "sku": "a-1"}, {"price": 80, "count": 2, "sku": "b-2"}],
    });
    let event = Event::new("order.paid", "order-7").id("e-1").source("shop").session("s-1").payload(payload);
    let event = event.actor(Principal::user("ana")).entity(EntityRef::new("order", "7"));
    event.timestamp(Timestamp::from_millis(1_000)).build().expect("a good event")
}

/// How many hold.
fn by_ours(event: &Incoming, programs: &[Program]) -> usize {
    let view = View::new().event(event.event());
    programs.iter().filter(|program| program.truth(black_box(&view)) == Ok(true)).count()
}

/// The same as a user of the bare crate would have it: the event parsed already, which ours still has to do with its payload;
/// the environment shared, one context for all.
fn by_bare(tree: &serde_json::Value, env: &Arc<Env>, programs: &[cel::Program]) -> usize {
    let mut context = Context::with_env(Arc::clone(env));
    context.add_variable("event", tree).expect("a value");
    programs.iter().filter(|program| program.execute(black_box(&context)) == Ok(cel::Value::Bool(true))).count()
}

fn timed(work: impl FnOnce() -> usize) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}
