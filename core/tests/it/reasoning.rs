//! What a reasoner may be asked and may answer.

use proptest::prelude::*;
use regie_core::event::{Event, Incoming, Origin};
use regie_core::reasoning::{
    Advice, Ask, Asked, Confidence, Mode, Outcome, ReasonError, Reasoning, Refused, Request, Rule, Rules, Sifted,
    Sight, SignalDraft, time_limit,
};
use regie_core::{Json, limits};
use std::time::Duration;

fn ask() -> Ask {
    Ask { policy: "p".into(), reasoner: "r".into(), mode: Mode::DEFAULT, limit_ms: None }
}

fn asked() -> Asked {
    Asked { reasoner: "r".into(), mode: Mode::RISK_FLAGGING }
}

fn request(payload: serde_json::Value, sight: &Sight) -> Result<Request, Refused> {
    let event = Event::new("order.placed", "o-1").id("e-1").payload(payload).build().unwrap();
    Request::new(&ask(), event.event(), sight)
}

fn of(drafts: Vec<SignalDraft>) -> Advice {
    Advice::of(asked(), Ok(drafts), 7)
}

fn invalid(drafts: Vec<SignalDraft>) -> String {
    match of(drafts).outcome {
        Outcome::Invalid(why) => why,
        other => panic!("{other}"),
    }
}

#[test]
fn a_confidence_is_a_number_from_0_to_1() {
    for bad in [-0.1, 1.0 + f64::EPSILON, 1.2, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(Confidence::new(bad).is_err(), "{bad}");
        assert!(invalid(vec![SignalDraft::new("a", bad)]).contains("confidence"), "{bad}");
    }
    assert!(Confidence::new(0.0).is_ok() && Confidence::new(1.0).is_ok());
    assert_eq!(Confidence::new(-0.0).unwrap().to_string(), "0");
}

#[test]
fn a_confidence_that_is_none_is_not_read_either() {
    assert!(serde_json::from_str::<Confidence>("1.2").is_err());
    assert!(postcard::from_bytes::<Confidence>(&postcard::to_allocvec(&f64::NAN).unwrap()).is_err());
}

#[test]
fn one_bad_signal_makes_the_whole_answer_invalid_and_none_is_kept() {
    let advice = of(vec![SignalDraft::new("good", 0.9), SignalDraft::new("bad", 1.2)]);
    assert_eq!(advice.outcome, Outcome::Invalid("signal 2: confidence 1.2 is not in [0, 1]".into()));
    assert!(advice.signals.is_empty());
}

#[test]
fn what_is_too_much_is_invalid_and_says_how_much_it_is() {
    let text = |bytes: usize| "x".repeat(bytes);
    let many = vec![SignalDraft::new("a", 0.5); limits::SIGNALS + 1];
    assert_eq!(invalid(many), "33 signals; at most 32 are taken");
    let long = SignalDraft::new("a", 0.5).rationale(text(limits::SIGNAL_RATIONALE_BYTES + 1));
    assert!(invalid(vec![long]).contains("rationale has 4097 bytes"));
    let large = SignalDraft::new("a", 0.5).payload(Json::of(&text(limits::SIGNAL_PAYLOAD_BYTES)));
    assert!(invalid(vec![large]).contains("payload has 65538 bytes"));
    let huge = SignalDraft::new("a", 0.5).payload(Json::of(&text(10 * 1024 * 1024)));
    assert!(invalid(vec![huge]).contains("signals of 10485763 bytes"));
    let together = SignalDraft::new("a", 0.5).payload(Json::of(&text(limits::SIGNAL_PAYLOAD_BYTES - 2)));
    assert!(invalid(vec![together; 4]).contains("bytes; at most 262144"));
}

#[test]
fn a_kind_is_a_dotted_name_and_a_payload_has_a_bounded_shape() {
    for kind in ["", "a..b", "a.*", ">", "a\n"] {
        assert!(invalid(vec![SignalDraft::new(kind, 0.5)]).contains("kind"), "{kind:?}");
    }
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    assert!(invalid(vec![SignalDraft::new("a", 0.5).payload(Json::parse(&deep).unwrap())]).contains("deeper"));
    let twice = Json::parse(r#"{"a":1,"a":2}"#).unwrap();
    assert!(invalid(vec![SignalDraft::new("a", 0.5).payload(twice)]).contains("twice"));
}

#[test]
fn a_signal_tells_who_gave_it_to_what_question_and_how_long_it_took() {
    let advice = of(vec![SignalDraft::new("risk.high", 0.9).rationale("twice the usual sum")]);
    let told = serde_json::to_value(&advice.signals[0]).unwrap();
    let expected = serde_json::json!({"kind": "risk.high", "confidence": 0.9, "rationale": "twice the usual sum",
        "payload": null, "reasoner": "r", "mode": "risk_flagging", "elapsed_ms": 7});
    assert_eq!(told, expected);
}

#[test]
fn what_a_reasoner_says_of_its_failure_is_kept_in_part() {
    let advice = Advice::of(asked(), Err(ReasonError::Failed("ä".repeat(5_000))), 1);
    let Outcome::Failed(why) = advice.outcome else { panic!("{}", advice.outcome) };
    assert!(why.len() <= limits::REASON_TEXT_BYTES + 3 && why.ends_with("ä…"), "{} bytes", why.len());
}

#[test]
fn each_outcome_has_its_word() {
    let refused = Refused::Unknown { reasoner: "x".into() };
    let outcomes = [
        (Outcome::Ok, "ok"),
        (Outcome::TimedOut { after_ms: 500 }, "timed_out"),
        (Outcome::Panicked("p".into()), "panicked"),
        (Outcome::Invalid("i".into()), "invalid"),
        (Outcome::Failed("f".into()), "failed"),
        (Outcome::Refused(refused.clone()), "refused"),
    ];
    for (outcome, word) in outcomes {
        assert_eq!(outcome.word(), word);
        let json = serde_json::to_string(&outcome).unwrap();
        assert!(json.contains(word), "{json}");
    }
    assert_eq!(refused.word(), "unknown");
    assert_eq!(serde_json::to_string(&Outcome::TimedOut { after_ms: 5 }).unwrap(), r#"{"timed_out":{"after_ms":5}}"#);
}

#[test]
fn a_mode_is_one_of_three_or_a_plain_name_of_yours() {
    for name in ["default", "action_suggestion", "risk_flagging", "second-opinion"] {
        assert_eq!(Mode::named(name).unwrap().as_str(), name);
    }
    for name in ["", "Default", "a b", "a.b", "ä", &"x".repeat(65)] {
        assert!(Mode::named(name).is_err() && serde_json::from_value::<Mode>(name.into()).is_err(), "{name:?}");
    }
}

#[test]
fn a_limit_is_at_least_a_millisecond_and_at_most_the_longest_allowed() {
    let longest = limits::REASONING_LIMIT_MAX;
    assert!(time_limit(longest, longest).is_ok() && time_limit(Duration::from_millis(1), longest).is_ok());
    let refused = time_limit(Duration::from_millis(6_000), longest).unwrap_err();
    assert_eq!(refused.to_string(), "a limit of 6000 ms; 1 to 5000 are allowed");
    assert!(time_limit(Duration::ZERO, longest).is_err());
    assert!(time_limit(Duration::from_millis(6_000), Duration::from_secs(6)).is_ok());
}

#[test]
fn a_reasoner_sees_a_copy_of_what_it_may_see_digit_by_digit() {
    let event = r#"{"id":"1","type":"t","correlation_id":"c","payload":{"sum":1.10,"card":{"no":"4111","kind":"x"}}}"#;
    let event = Incoming::read(event.as_bytes(), Origin::Call).unwrap();
    let view = |sight: Sight| Request::new(&ask(), event.event(), &sight).unwrap().view.to_string();
    assert!(view(Sight::all()).contains(r#""sum":1.10"#) && view(Sight::all()).contains("4111"));
    let some = Sight::of(["type", "payload.sum", "payload.card.kind", "payload.none", "type.of"]).unwrap();
    assert_eq!(view(some), r#"{"payload":{"card":{"kind":"x"},"sum":1.10},"type":"t"}"#);
    assert_eq!(
        view(Sight::of(["payload.card.no", "payload.card"]).unwrap()),
        view(Sight::of(["payload.card"]).unwrap())
    );
    assert_eq!(view(Sight::of([]).unwrap()), "{}");
    assert_eq!(view(Sight::of(["payload.sum.deeper"]).unwrap()), r#"{"payload":{}}"#);
    assert!(Sight::of(["a..b"]).is_err() && Sight::of([""]).is_err());
}

#[test]
fn what_is_too_large_to_be_seen_is_refused_unless_less_of_it_is_seen() {
    let large = serde_json::json!({"text": "x".repeat(limits::REASONING_VIEW_BYTES), "sum": 1});
    let refused = request(large.clone(), &Sight::all()).unwrap_err();
    assert!(matches!(refused, Refused::TooLarge { bytes, limit: 262_144 } if bytes > 262_144), "{refused}");
    assert!(request(large, &Sight::of(["payload.sum"]).unwrap()).is_ok());
}

#[test]
fn a_view_that_is_no_proper_object_is_refused() {
    let mut asked = request(serde_json::json!({}), &Sight::all()).unwrap();
    for bad in ["[]", "1", r#"{"a":1,"a":2}"#, &format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100))] {
        asked.view = Json::parse(bad).unwrap();
        assert_eq!(asked.check().unwrap_err().word(), "not_an_object", "{bad}");
    }
    let key = "k".repeat(50_000);
    asked.view = Json::parse(&format!(r#"{{"{key}":1,"{key}":2}}"#)).unwrap();
    assert!(asked.check().unwrap_err().to_string().len() < 2_000, "it is recorded, so its text is cut");
}

#[test]
fn rules_give_the_signals_of_those_that_apply_in_their_order() {
    let over = |sum: u64| {
        move |request: &Request| match request.view.value()["payload"]["sum"].as_u64() {
            Some(found) => Ok(found > sum),
            None => Err("no sum".to_string()),
        }
    };
    let rule = |kind: &str, sum| Rule::new(kind, 0.8, "a large sum", over(sum)).unwrap();
    let rules = Rules(vec![rule("risk.some", 10), rule("risk.high", 100), rule("risk.any", 0)]);
    let kinds = |payload| -> Result<Vec<String>, ReasonError> {
        let drafts = rules.advise(&request(payload, &Sight::all()).unwrap())?;
        Ok(drafts.into_iter().map(|draft| draft.kind).collect())
    };
    assert_eq!(kinds(serde_json::json!({"sum": 50})).unwrap(), ["risk.some", "risk.any"]);
    assert_eq!(kinds(serde_json::json!({})).unwrap_err().to_string(), "the rule for 'risk.some': no sum");
    assert!(Rule::new("a", 1.2, "", |_: &Request| Ok(true)).is_err());
}

fn drafts() -> impl Strategy<Value = Vec<SignalDraft>> {
    // In thousandths: JSON, unlike the journal's form, may lose the last bit of a number of seventeen digits.
    let draft = ("[a-z]{1,5}(\\.[a-z]{1,5}){0,2}", 0..=1_000_u32, ".{0,20}", any::<i64>()).prop_map(
        |(kind, confidence, why, n)| {
            SignalDraft::new(kind, f64::from(confidence) / 1_000.0).rationale(why).payload(Json::of(&n))
        },
    );
    proptest::collection::vec(draft, 0..5)
}

proptest! {
    #[test]
    fn what_is_kept_reads_back_as_it_was_from_both_forms(drafts in drafts(), word in 0..6_usize) {
        let outcome = [Outcome::Ok, Outcome::TimedOut { after_ms: 500 }, Outcome::Panicked("p".into()),
            Outcome::Invalid("i".into()), Outcome::Failed("f".into()),
            Outcome::Refused(Refused::Full { why: "full".into() })][word].clone();
        let passed = of(drafts.clone()).signals;
        let dropped = passed.iter().map(|signal| regie_core::reasoning::Filtered {
            signal: signal.clone(), policy: "p".into(), why: "w".into() });
        let sifted = Sifted { passed: passed.clone(), filtered: dropped.collect() };
        let kept = Reasoning::new("p", Advice { outcome, ..of(drafts) }, |_| sifted);
        let bytes = postcard::to_allocvec(&kept).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Reasoning>(&bytes).unwrap(), &kept);
        let text = serde_json::to_string(&kept).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Reasoning>(&text).unwrap(), &kept);
    }

    #[test]
    fn no_answer_of_any_form_makes_the_check_panic(kind in ".{0,300}", number in any::<f64>(), why in ".{0,50}") {
        let advice = of(vec![SignalDraft::new(kind, number).rationale(why)]);
        prop_assert_eq!(advice.outcome == Outcome::Ok, advice.signals.len() == 1);
    }
}
