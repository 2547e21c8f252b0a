//! What policies do with what is wrong: a file that is refused with its place, a clock that was set back, and decisions of
//! people that come too late.

use std::time::Duration;

use regie::core::event::{EventBuilder, LifeState, Principal, Priority};
use regie::core::governance::{CooldownMode, KeyKind, Policy, PolicySet, RateRule};
use regie::{Builder, JournalConfig};

use crate::runtime_support::{Folder, Stage, at, note_by, one_a_second, pattern, set, within};

/// An entry of two lines more than its name and its pattern.
fn entry(kind: &str, lines: &str) -> String {
    format!("[[policy]]\nname = \"p\"\nmatch = \"agent.note\"\nkind = \"{kind}\"\n{lines}\n")
}

#[track_caller]
fn assert_refused(kind: &str, lines: &str, (line, column): (usize, usize), why: &str) {
    let error = PolicySet::parse(&entry(kind, lines)).expect_err(lines);
    assert!(error.why.contains(why), "'{error}' does not tell '{why}'");
    assert_eq!((error.line, error.column), (line, column), "{error}");
}

#[test]
fn a_condition_that_does_not_parse_is_refused_where_it_breaks() {
    assert_refused("veto", "when = \"event.type ==\"", (5, 22), "too early");
    assert_refused("escalate", "when = \"event.type = 'a'\"", (5, 20), "'=='");
}

#[test]
fn a_condition_whose_types_cannot_fit_is_refused_where_they_meet() {
    assert_refused("veto", "when = \"event.type > 7\"", (5, 20), "");
    assert_refused("veto", "when = \"event.type\"", (5, 9), "true or false");
    assert_refused("veto", "when = \"event.tpye == 'a'\"", (5, 15), "tpye");
}

#[test]
fn a_condition_that_may_cost_too_much_is_refused() {
    let nested = "event.payload.a.exists(a, event.payload.a.exists(b, event.payload.a.exists(c, a == b && b == c)))";
    assert_refused("veto", &format!("when = \"{nested}\""), (5, 9), "it costs up to");
}

#[test]
fn a_zone_that_there_is_not_is_refused() {
    let lines = "zone = \"Europe/Atlantis\"\nstart = \"09:00\"\nend = \"17:00\"\nmode = \"defer\"";
    assert_refused("window", lines, (5, 8), "no time zone");
}

#[test]
fn a_window_without_length_is_refused() {
    assert_refused("cooldown", "window = \"0s\"\nmode = \"defer\"", (5, 10), "longer than nothing");
    let lines = "zone = \"UTC\"\nstart = \"09:00\"\nend = \"09:00\"\nmode = \"defer\"";
    assert_refused("window", lines, (7, 7), "has no length");
    assert_refused("rate", "rate = 1\nper = \"0ms\"\nmode = \"defer\"", (6, 7), "longer than nothing");
    assert_refused("debounce", "wait = \"0s\"", (5, 8), "longer than nothing");
}

#[test]
fn a_duration_that_is_negative_or_that_nobody_can_tell_is_refused() {
    let durations = [
        ("-1s", "no duration"),
        ("9999999999999d", "longer than can be told"),
        ("99999999999999999999s", "no duration"),
        ("367d", "at most 366 days"),
    ];
    for (text, why) in durations {
        assert_refused("cooldown", &format!("window = \"{text}\"\nmode = \"defer\""), (5, 10), why);
        assert_refused("rate", &format!("rate = 1\nper = \"{text}\"\nmode = \"defer\""), (6, 7), why);
        assert_refused("debounce", &format!("wait = \"{text}\""), (5, 8), why);
        assert_refused("escalate", &format!("when = \"true\"\ntimeout = \"{text}\""), (6, 11), why);
    }
}

#[test]
fn a_number_that_is_none_or_negative_or_too_large_is_refused() {
    for number in ["0", "-1", "4294967296"] {
        assert_refused("rate", &format!("rate = {number}\nper = \"1s\"\nmode = \"defer\""), (5, 8), "no number from 1");
        assert_refused("concurrency", &format!("limit = {number}"), (5, 9), "no number from 1");
    }
}

#[test]
fn policies_in_code_are_held_to_the_same() {
    let endless = Duration::MAX;
    let rule = RateRule { rate: 1, per: endless, burst: 1 };
    let senseless = [
        Policy::cooldown("p", pattern("a"), endless, KeyKind::All, CooldownMode::Defer),
        Policy::cooldown("p", pattern("a"), Duration::ZERO, KeyKind::All, CooldownMode::Defer),
        Policy::rate("p", pattern("a"), rule, KeyKind::All, CooldownMode::Defer),
        Policy::concurrency("p", pattern("a"), 0, KeyKind::All),
    ];
    for policy in senseless {
        let told = format!("{policy:?}");
        assert!(PolicySet::new(vec![policy]).is_err(), "{told}");
    }
}

fn by_ana(id: &str) -> EventBuilder {
    note_by("ana", id, id)
}

fn governed(text: &str, journal: JournalConfig) -> impl FnOnce(Builder) -> Builder {
    let policies = PolicySet::parse(text).unwrap();
    |builder| builder.policies(policies).journal(journal)
}

/// The journal is of 10 s; the machine's clock was set back to 5 s.
async fn set_back(kind: &str, lines: &str) -> (Option<LifeState>, Option<u64>) {
    let (folder, text) = (Folder::new(), entry(kind, &format!("key = \"actor\"\n{lines}")));
    let stage = Stage::at(at(10_000), governed(&text, folder.journal())).await;
    assert_eq!(stage.submit(by_ana("e1")).await.event_state, Some(LifeState::Processed));
    stage.close().await;
    let stage = Stage::at(at(5_000), governed(&text, folder.journal())).await;
    let answer = stage.submit(by_ana("e2")).await;
    stage.close().await;
    (answer.event_state, answer.policy_decisions[0].remaining_ms)
}

#[test]
fn a_clock_that_was_set_back_lets_nobody_on_before_who_was_there() {
    within(async {
        let discarded = Some(LifeState::Discarded);
        let told = set_back("cooldown", "window = \"1s\"\nmode = \"discard\"").await;
        assert_eq!(told, (discarded, Some(6_000)));
        let told = set_back("rate", "rate = 1\nper = \"1s\"\nmode = \"discard\"").await;
        assert_eq!(told, (discarded, Some(6_000)));
        let lines = "zone = \"UTC\"\nstart = \"00:00\"\nend = \"24:00\"\nat_most = 1\nmode = \"discard\"";
        assert_eq!(set_back("window", lines).await, (discarded, Some(86_395_000)));
    });
}

#[test]
fn what_was_deferred_comes_back_at_its_time_though_the_clock_was_set_back() {
    within(async {
        let (folder, text) = (Folder::new(), entry("cooldown", "window = \"1s\"\nmode = \"defer\""));
        let stage = Stage::at(at(10_000), governed(&text, folder.journal())).await;
        stage.submit(by_ana("e1")).await;
        assert_eq!(stage.submit(by_ana("e2")).await.deferred_until, Some(at(11_000)));
        stage.close().await;
        let stage = Stage::at(at(5_000), governed(&text, folder.journal())).await;
        stage.advance_to(at(10_999)).await;
        assert_eq!(stage.state_of("e2/e2").await, Some(LifeState::Deferred));
        stage.advance_to(at(11_000)).await;
        assert_eq!(stage.state_of("e2/e2").await, Some(LifeState::Processed));
        stage.close().await;
    });
}

/// The correlation `c` is of 20 s; then the machine's clock was set back to 4 s, and Ana's and Bea's events wait there.
async fn behind_its_own_time(folder: &Folder) -> Stage {
    let governed =
        || |builder: Builder| builder.policies(set(vec![one_a_second(CooldownMode::Defer)])).journal(folder.journal());
    let stage = Stage::at(at(20_000), governed()).await;
    stage.submit(note_by("cara", "c", "1")).await;
    stage.close().await;
    let stage = Stage::at(at(4_500), governed()).await;
    stage.submit(note_by("bea", "b", "1")).await;
    stage.advance_to(at(5_000)).await;
    stage.submit(note_by("ana", "a", "1")).await;
    assert_eq!(stage.submit(note_by("ana", "c", "ana")).await.deferred_until, Some(at(6_000)));
    assert_eq!(stage.submit(note_by("bea", "c", "bea")).await.deferred_until, Some(at(5_500)));
    stage
}

#[test]
fn what_was_deferred_does_not_come_back_with_another_of_a_correlation_whose_time_is_ahead() {
    within(async {
        let folder = Folder::new();
        let stage = behind_its_own_time(&folder).await;
        stage.advance_to(at(5_500)).await;
        let states = [stage.state_of("c/bea").await, stage.state_of("c/ana").await];
        assert_eq!(states, [Some(LifeState::Processed), Some(LifeState::Deferred)]);
        stage.advance_to(at(6_000)).await;
        assert_eq!(stage.state_of("c/ana").await, Some(LifeState::Processed));
        stage.close().await;
    });
}

#[test]
fn a_decision_that_comes_twice_or_after_the_end_is_refused() {
    within(async {
        let text = entry("escalate", "when = \"event.priority == 'P0'\"\ntimeout = \"1m\"\nthen = \"reject\"");
        let stage = Stage::with(governed(&text, JournalConfig::memory())).await;
        let escalated = async |id| stage.submit(by_ana(id).priority(Priority::P0)).await.position.unwrap();
        let (decided, lapsed) = (escalated("e1").await, escalated("e2").await);
        let decide = async |position| stage.handle.approve(position, Principal::user("bea"), "known").await;
        assert_eq!(decide(decided).await.unwrap().event_state, Some(LifeState::Processed));
        assert_eq!(decide(decided).await.unwrap_err().code(), "not_escalated");
        stage.advance_to(at(60_000)).await;
        assert_eq!(stage.state_of("e2/e2").await, Some(LifeState::Discarded));
        assert_eq!(decide(lapsed).await.unwrap_err().code(), "not_escalated");
        stage.close().await;
    });
}
