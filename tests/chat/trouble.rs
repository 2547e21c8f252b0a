//! What goes wrong on the way, and what is tried again.

use regie::core::Timestamp;
use regie::reasoning::chat::{ChatError, ChatModel};
use regie::reasoning::{Outcome, ReasonerLimits};

use crate::server::{Act, Server, signal};
use crate::stage::{Stage, about, ask, until};
use crate::{begin, model, refusal, reply};

fn status(status: u16, headers: &'static str) -> Act {
    Act::Answer(status, headers, r#"{"error":"no"}"#.into())
}

/// Waits until a model rests, and lets time pass.
async fn rests(stage: &Stage, millis: u64) {
    until(|| stage.clock.waiters() == 1).await;
    stage.advance(millis);
}

#[test]
fn a_server_that_says_nothing_is_given_up_at_the_limit_and_the_connection_closed() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![Act::Silence]);
        stage.add("chat", model(&server), ReasonerLimits::default());
        let asked = stage.begin(ask("chat"), about(())).await;
        until(|| server.calls().len() == 1).await;
        stage.advance(500);
        assert_eq!(asked.told.await.unwrap().outcome, Outcome::TimedOut { after_ms: 500 });
        server.is_done(); // its other end is closed
    });
}

#[test]
fn a_call_that_is_given_up_closes_its_connection() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![Act::Silence]);
        stage.add("chat", model(&server), ReasonerLimits::default());
        let asked = stage.begin(ask("chat"), about(())).await;
        until(|| server.calls().len() == 1).await;
        asked.abort.abort();
        assert!(asked.told.await.is_err());
        server.is_done();
    });
}

#[test]
fn garbage_and_answers_that_break_off_are_failures() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"choices\":[".to_vec();
    let cases = [
        (Act::Raw(b"\x00\x01 what is this\r\n\r\n".to_vec()), "the call failed"),
        (Act::Raw(Vec::new()), "the call failed"),
        (Act::Raw(cut), "broke off"),
        (Act::Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec()), "broke off"),
    ];
    Stage::play(|stage| async move {
        for (act, why) in cases {
            let told = refusal(&stage, model(&Server::new(vec![act]))).await;
            assert!(told.starts_with("failed") && told.contains(why), "{told} should say '{why}'");
        }
    });
}

#[test]
fn a_body_that_is_too_large_is_not_read_whole() {
    Stage::play(|stage| async move {
        let declared = b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n{".to_vec();
        for act in [Act::Raw(declared), Act::Endless] {
            let server = Server::new(vec![act]);
            let told = refusal(&stage, model(&server)).await;
            assert_eq!(told, "invalid: the server's answer has more than 524288 bytes");
            let gone = server.is_done(); // else it would write for ever
            assert!(gone < 64 * 1024 * 1024, "{gone} bytes were taken");
        }
    });
}

#[test]
fn one_that_asks_for_patience_is_asked_again_after_as_long_as_it_wants() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![status(429, "retry-after: 2\r\n"), signal()]);
        let said = begin(&stage, model(&server).attempts(3).clock(stage.clock.clone()));
        rests(&stage, 1_999).await;
        assert_eq!((server.calls().len(), stage.clock.waiters()), (1, 1), "it waits still");
        stage.advance(1);
        assert_eq!(said.await.unwrap().unwrap().len(), 1);
        assert_eq!(server.calls().len(), 2);
    });
}

#[test]
fn a_date_until_which_to_wait_is_understood() {
    Stage::play(|stage| async move {
        stage.clock.advance_to(Timestamp::parse("2026-03-02T09:00:00Z").unwrap());
        let server = Server::new(vec![status(503, "retry-after: Mon, 02 Mar 2026 09:00:03 GMT\r\n"), signal()]);
        let said = begin(&stage, model(&server).attempts(3).clock(stage.clock.clone()));
        rests(&stage, 2_999).await;
        assert_eq!((server.calls().len(), stage.clock.waiters()), (1, 1), "it waits still");
        stage.advance(1);
        assert!(said.await.unwrap().is_ok());
    });
}

#[test]
fn one_that_wants_more_patience_than_there_is_time_has_failed_at_once() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![status(429, "retry-after: 60\r\n")]);
        let told = refusal(&stage, model(&server).attempts(3).clock(stage.clock.clone())).await;
        assert_eq!(told, "failed: the server says 429 Too Many Requests");
    });
}

#[test]
fn what_fails_each_time_has_failed_after_its_attempts_each_later_than_the_one_before() {
    Stage::play(|stage| async move {
        let server = Server::new((0..3).map(|_| status(500, "")).collect());
        let said = begin(&stage, model(&server).attempts(3).clock(stage.clock.clone()));
        rests(&stage, 150).await; // 100 to 150 ms
        until(|| server.calls().len() == 2).await;
        until(|| stage.clock.waiters() == 1).await;
        stage.advance(199);
        assert_eq!(stage.clock.waiters(), 1, "200 ms at the least");
        stage.advance(101);
        let why = said.await.unwrap().unwrap_err().to_string();
        assert_eq!(why, "the server says 500 Internal Server Error, at 3 attempts");
        assert_eq!(server.calls().len(), 3);
    });
}

#[test]
fn what_a_wait_would_not_mend_is_not_tried_again() {
    Stage::play(|stage| async move {
        for (code, text) in [(400, "400 Bad Request"), (401, "401 Unauthorized"), (302, "302 Found")] {
            let server = Server::new(vec![status(code, "location: http://127.0.0.1:1/\r\n"), signal()]);
            let told = refusal(&stage, model(&server).attempts(3)).await;
            assert_eq!(told, format!("failed: the server says {text}"));
            assert_eq!(server.calls().len(), 1);
        }
    });
}

#[test]
fn a_call_that_broke_off_is_made_again() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![Act::Raw(Vec::new()), signal()]);
        let said = begin(&stage, model(&server).attempts(2).clock(stage.clock.clone()));
        rests(&stage, 200).await;
        assert!(said.await.unwrap().is_ok());
    });
}

#[test]
fn a_server_that_is_not_there_is_a_failure() {
    Stage::play(|stage| async move {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nobody = ChatModel::new(&format!("http://{gone}"), "tiny").unwrap().attempts(1);
        let told = refusal(&stage, nobody).await;
        assert!(told.starts_with("failed: the call failed: "), "{told}");
    });
}

#[test]
fn one_that_speaks_no_tls_is_a_failure_where_that_is_wanted() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![signal()]);
        match ChatModel::new(&server.base().replace("http:", "https:"), "tiny") {
            Ok(model) => assert!(refusal(&stage, model.attempts(1)).await.starts_with("failed: the call failed")),
            Err(ChatError::Certificates(_)) => println!("skipped: this machine trusts nobody"),
            Err(other) => panic!("{other}"),
        }
    });
}

#[test]
fn calls_one_after_another_are_each_their_own() {
    Stage::play(|stage| async move {
        let server = Server::new((0..3).map(|_| signal()).collect());
        for nth in 1..=3 {
            assert!(reply(&stage, model(&server)).await.is_ok());
            assert_eq!(server.calls().len(), nth);
        }
    });
}

#[test]
fn an_address_that_is_none_is_refused() {
    for base in ["", "example.com", "ftp://example.com", "http://", "http:// x"] {
        assert!(matches!(ChatModel::new(base, "m"), Err(ChatError::Address { .. })), "{base}");
    }
    assert!(ChatModel::new("http://localhost:1/v1/", "m").is_ok());
}
