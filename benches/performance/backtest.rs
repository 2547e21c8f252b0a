//! A backtest of twenty conditions over a log: to the same log decoded, and the same conditions evaluated by the bare crate
//! `cel`, each event in a context of its own.

use std::hint::black_box;
use std::sync::Arc;

use cel::{Context, Env};
use regie::core::Timestamp;
use regie::core::event::{Event, Incoming, Origin, Principal};
use regie::core::governance::PolicySet;
use regie::core::governance::backtest::{Backtest, Tally};

use crate::measure::{Stopwatch, median, rate};
use crate::{Figure, Scale};

const ROUNDS: usize = 5;

/// None of them holds, so that all are looked at.
const CONDITIONS: [&str; 20] = [
    "event.type == 'order.paid'",
    "event.priority == 'P0'",
    "event.actor.kind == 'agent'",
    "event.actor.id in ['ben', 'cem', 'dora']",
    "event.payload.amount > 100000",
    "event.payload.amount > 100 && event.payload.currency == 'USD'",
    "event.payload.customer.country != 'DE'",
    "event.payload.lines.exists(line, line.price > 500)",
    "!event.payload.lines.all(line, line.count < 10)",
    "size(event.payload.lines) > 3",
    "event.payload.note.contains('angry')",
    "event.payload.note.startsWith('fw:')",
    "event.correlation_id == 'order-none'",
    "'banned' in event.payload.tags",
    "event.session_key == 's-2'",
    "event.type.endsWith('.paid') && !(event.source == 'test')",
    "size(event.payload.lines) * 2 - 1 >= 30",
    "event.payload.lines.filter(line, line.count > 1).size() == 7",
    "event.payload.discount != null && event.payload.discount > 0.5",
    "event.correlation_id == event.payload.customer.id",
];

/// Events a second, ours to the floor.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let lines = log(scale.of(20_000));
    let bare = |conditions: usize| median((0..ROUNDS).map(|_| bare(&lines, &CONDITIONS[..conditions])).collect());
    let ours = |conditions: usize| median((0..ROUNDS).map(|_| ours(&lines, &CONDITIONS[..conditions])).collect());
    let row = |conditions: usize| {
        let (floor, own) = (bare(conditions), ours(conditions));
        Figure {
            name: format!("backtest, events/s; decoded, {conditions} bare cel"),
            ours: format!("{own:.0}"),
            floor: format!("{floor:.0}"),
            ratio: format!("{:.2}", own / floor),
            goal: ">= 0.5",
        }
    };
    vec![row(1), row(20)]
}

fn log(count: usize) -> Vec<String> {
    let event = |nth: usize| {
        let payload = serde_json::json!({
            "amount": 120, "currency": "EUR", "note": "re: this one is urgent", "tags": ["new", "vip"], "discount": null,
            "customer": {"id": format!("c-{nth}"), "country": "DE", "name": "a customer"},
            "lines": [{"price": 20, "count": 1, "sku": "a-1"}, {"price": 80, "count": 2, "sku": "b-2"}],
        });
        let event = Event::new("order.placed", format!("order-{}", nth / 10)).id(format!("e-{nth}")).session("s-1");
        let event = event.payload(payload).actor(Principal::user("ana"));
        event.timestamp(Timestamp::from_millis(nth as i64)).build().expect("a good event").raw().to_string()
    };
    (0..count).map(event).collect()
}

/// Decodes each line once, as a program would that knows nothing of Regie, and evaluates the conditions.
fn bare(lines: &[String], conditions: &[&str]) -> f64 {
    let env = Arc::new(Env::stdlib());
    let programs: Vec<_> = conditions.iter().map(|text| env.compile(text).expect("good")).collect();
    let watch = Stopwatch::start();
    for line in lines {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let mut context = Context::with_env(Arc::clone(&env));
        context.add_variable("event", &event).expect("a value");
        for program in &programs {
            let _ = black_box(program.execute(&context));
        }
    }
    rate(lines.len(), watch.took())
}

fn ours(lines: &[String], conditions: &[&str]) -> f64 {
    let policy = |(nth, when): (usize, &&str)| {
        format!("[[policy]]\nname = \"p-{nth}\"\nkind = \"veto\"\nmatch = \"order.>\"\nwhen = \"{when}\"\n")
    };
    let text: String = conditions.iter().enumerate().map(policy).collect();
    let set = Arc::new(PolicySet::parse(&text).expect("a good file"));
    let watch = Stopwatch::start();
    let (mut backtest, mut tally) = (Backtest::new(Arc::clone(&set)), Tally::new(set, false));
    for line in lines {
        let event = Incoming::read(line.as_bytes(), Origin::File).expect("a good event");
        let taken = backtest.take(&event, &[]);
        tally.add(event.event(), &taken);
    }
    let report = tally.report();
    assert_eq!(report.events, lines.len() as u64);
    assert!(report.policies.iter().all(|policy| policy.counts.held_back == 0), "all are looked at");
    rate(lines.len(), watch.took())
}
