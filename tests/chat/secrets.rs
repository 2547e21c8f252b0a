//! A key is sent, and shown nowhere.

use regie::reasoning::chat::{ChatError, ChatModel, Secret};

use crate::server::{Act, Server, completion, ok};
use crate::stage::Stage;
use crate::{model, refusal, reply};

const KEY: &str = "sk-hush-4711";

#[test]
fn the_key_is_sent_as_a_bearer_token() {
    Stage::play(|stage| async move {
        let server = Server::new(vec![completion(r#"{"signals":[]}"#)]);
        let with_key = model(&server).key(Secret::new(format!(" {KEY}\n"))).unwrap();
        assert!(reply(&stage, with_key).await.unwrap().is_empty());
        assert!(server.calls()[0].head.contains(&format!("authorization: Bearer {KEY}")));
    });
}

#[test]
fn neither_what_is_printed_nor_what_a_server_throws_back_shows_it() {
    Stage::play(|stage| async move {
        let echoes = [
            Act::Answer(401, "", format!("Incorrect API key provided: {KEY}")),
            ok(format!(r#"{{"choices":"{KEY}"}}"#)),
            completion(&format!(r#"{{"signals":"{KEY}"}}"#)),
            ok(format!(r#"{{"choices":[{{"message":{{"refusal":"not with {KEY}"}}}}]}}"#)),
        ];
        for echo in echoes {
            let server = Server::new(vec![echo]);
            let told = refusal(&stage, model(&server).key(Secret::new(KEY)).unwrap()).await;
            assert!(!told.contains("hush"), "{told}");
        }
        let server = Server::new(vec![]);
        let with_key = model(&server).key(Secret::new(KEY)).unwrap();
        let shown = format!("{with_key:?} {:?}", Secret::new(KEY));
        assert!(!shown.contains("hush") && shown.contains("tiny"), "{shown}");
    });
}

#[test]
fn an_address_with_a_password_in_it_is_refused_without_showing_it() {
    for base in [format!("https://me:{KEY}@example.com"), format!("https://example.com/v1?key={KEY}")] {
        let error = ChatModel::new(&base, "m").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    }
}

#[test]
fn a_key_that_is_missing_or_cannot_be_sent_is_told_by_its_place_alone() {
    let missing = Secret::from_env("REGIE_TEST_NO_SUCH_KEY").unwrap_err();
    assert_eq!(missing.to_string(), "the environment variable REGIE_TEST_NO_SUCH_KEY holds no key");
    let model = ChatModel::new("http://localhost", "m").unwrap();
    assert_eq!(model.key(Secret::new("sk-hush\n4711")).unwrap_err(), ChatError::Key);
}
