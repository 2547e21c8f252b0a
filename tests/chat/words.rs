//! What is said to a model, and what it may say.

use regie::reasoning::{Advice, Asked, Mode, Outcome, SignalDraft};

use crate::server::{Act, Server, completion, ok, signal};
use crate::stage::Stage;
use crate::{model, refusal, reply};

#[test]
fn a_model_is_asked_for_signals_in_a_form_that_a_schema_fixes() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![signal()]);
        let asked = model(&server).instructions("Look at orders.").kinds(["risk.high"]).answer_tokens(99);
        let drafts = reply(&stage, asked).await.unwrap();
        assert_eq!(drafts, [SignalDraft::new("risk.high", 0.9).rationale("a large sum")]);
        let call = &server.calls()[0];
        assert_eq!(call.head[0], "POST /v1/chat/completions HTTP/1.1");
        let body = &call.body;
        assert_eq!((body["model"].as_str(), body["max_tokens"].as_u64()), (Some("tiny"), Some(99)));
        let system = body["messages"][0]["content"].as_str().unwrap();
        assert!(system.contains("wanted: default") && system.ends_with("Look at orders."), "{system}");
        let view: serde_json::Value = serde_json::from_str(body["messages"][1]["content"].as_str().unwrap()).unwrap();
        assert_eq!(view["payload"]["sum"], 7);
        let format = &body["response_format"];
        assert_eq!((format["type"].as_str(), &format["json_schema"]["strict"]), (Some("json_schema"), &true.into()));
        let signal = &format["json_schema"]["schema"]["properties"]["signals"]["items"];
        assert_eq!(signal["properties"]["kind"]["enum"], serde_json::json!(["risk.high"]));
        assert_eq!(signal["additionalProperties"], false);
    });
}

#[test]
fn the_bound_of_an_answer_has_the_name_that_the_server_wants() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![signal()]);
        reply(&stage, model(&server).answer_tokens_are_called("max_completion_tokens")).await.unwrap();
        let body = &server.calls()[0].body;
        assert!(body["max_completion_tokens"].is_u64() && body.get("max_tokens").is_none());
    });
}

#[test]
fn what_is_not_in_the_form_that_was_asked_for_is_invalid() {
    let signal = |inner: &str| completion(&format!(r#"{{"signals":[{inner}]}}"#));
    let choice =
        |message: &str, end: &str| ok(format!(r#"{{"choices":[{{"message":{message},"finish_reason":{end}}}]}}"#));
    let cases = [
        (ok("{"), "no chat completion"),
        (ok(""), "no chat completion"),
        (ok("[]"), "no chat completion"),
        (ok(r#"{"choices":[]}"#), "has no choice"),
        (ok(r#"{"choices":[{"message":{"content":7}}]}"#), "no chat completion"),
        (choice(r#"{"content":null}"#, "\"stop\""), "not in the form"),
        (choice(r#"{"content":"{\"signals\":[]}"}"#, "\"length\""), "cut off at 512 tokens"),
        (completion("Sure! Here are the signals:"), "not in the form"),
        (completion("{}"), "not in the form"),
        (completion(r#"{"signals":[],"more":1}"#), "not in the form"),
        (signal(r#"{"kind":"risk.high","confidence":0.9}"#), "rationale"),
        (signal(r#"{"kind":"risk.high","confidence":"0.9","rationale":""}"#), "not in the form"),
        (signal(r#"{"kind":"risk.high","confidence":NaN,"rationale":""}"#), "not in the form"),
        (signal(r#"{"kind":"risk.high","confidence":1,"rationale":"","payload":1}"#), "payload"),
        (signal(r#"{"kind":"risk.low","confidence":1,"rationale":""}"#), "'risk.low' is no kind"),
        (Act::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec()), "no UTF-8"),
    ];
    Stage::play(|stage| async move {
        for (act, why) in cases {
            let server = Server::new(vec![act]);
            let told = refusal(&stage, model(&server).kinds(["risk.high"])).await;
            assert!(told.starts_with("invalid") && told.contains(why), "{told} should say '{why}'");
        }
    });
}

#[test]
fn a_confidence_of_1_2_makes_the_advice_invalid() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![completion(r#"{"signals":[{"kind":"a","confidence":1.2,"rationale":""}]}"#)]);
        let said = reply(&stage, model(&server)).await;
        let advice = Advice::of(Asked { reasoner: "chat".into(), mode: Mode::DEFAULT }, said, 1);
        assert_eq!(advice.outcome, Outcome::Invalid("signal 1: confidence 1.2 is not in [0, 1]".into()));
    });
}

#[test]
fn a_model_that_refuses_has_failed() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![ok(r#"{"choices":[{"message":{"content":null,"refusal":"I will not"}}]}"#)]);
        assert_eq!(refusal(&stage, model(&server)).await, "failed: the model refuses: I will not");
    });
}
