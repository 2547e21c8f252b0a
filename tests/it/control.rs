//! The local socket of a process that owns a journal: for its user alone, one line in, one line out.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use regie::core::limits;
use regie::core::query::Filter;
use regie::{Builder, JournalConfig};
use serde_json::{Value, json};

use crate::runtime_support::{Folder, Stage, cannot_judge_orders, order, set, within};

fn socket_of(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_os_string();
    name.push("-socket");
    PathBuf::from(name)
}

fn desk(builder: Builder, folder: &Folder) -> Builder {
    builder.journal(folder.journal()).policies(set(vec![cannot_judge_orders()]))
}

/// A runtime over files in which so many orders wait, and their positions.
async fn waiting(folder: &Folder, orders: u32) -> (Stage, Vec<u64>) {
    let stage = Stage::with(|builder| desk(builder, folder)).await;
    for nth in 0..orders {
        stage.submit(order("ana", &format!("c-{nth}"), "1")).await;
    }
    let waiting = stage.handle.escalations(Filter::default()).await.unwrap();
    (stage, waiting.iter().map(|one| one.position).collect())
}

fn read(stream: &UnixStream) -> Value {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: '{line}'"))
}

/// Says a line, and gives what comes back.
fn say(socket: &Path, line: &str) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(line.as_bytes()).unwrap();
    read(&stream)
}

fn resolve(position: u64, who: &str) -> String {
    let by = json!({"kind": "user", "id": who});
    let ask =
        json!({"regie": 1, "command": "resolve", "position": position, "approved": true, "by": by, "why": "known"});
    format!("{ask}\n")
}

#[test]
fn a_decision_over_the_socket_is_answered_with_the_events_life() {
    within(async {
        let folder = Folder::new();
        let (_stage, positions) = waiting(&folder, 1).await;
        let answer = say(&socket_of(&folder.path()), &resolve(positions[0], "ana"));
        assert_eq!((&answer["regie"], &answer["result"]["event_state"]), (&json!(1), &json!("processed")), "{answer}");
        let again = say(&socket_of(&folder.path()), &resolve(positions[0], "ben"));
        assert_eq!(again["error"]["code"], "not_escalated", "{again}");
    });
}

#[test]
fn only_its_user_may_use_the_socket_and_it_goes_with_its_owner() {
    within(async {
        let folder = Folder::new();
        let (stage, _) = waiting(&folder, 0).await;
        let socket = socket_of(&folder.path());
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        stage.close().await;
        assert!(!socket.exists());
        let dropped = Stage::with(|builder| desk(builder, &folder)).await;
        assert!(socket.exists());
        drop(dropped);
        assert!(!socket.exists());
    });
}

#[test]
fn there_is_none_in_memory_nor_where_it_is_switched_off() {
    within(async {
        let folder = Folder::new();
        let off = Stage::with(|builder| desk(builder, &folder).control(false)).await;
        assert!(!socket_of(&folder.path()).exists());
        off.close().await;
        let memory = Stage::with(|builder| desk(builder, &folder).journal(JournalConfig::memory())).await;
        assert!(!socket_of(&folder.path()).exists());
        memory.close().await;
    });
}

#[test]
fn a_socket_that_a_dead_owner_left_is_replaced_and_anything_else_is_left_alone() {
    within(async {
        let folder = Folder::new();
        let socket = socket_of(&folder.path());
        drop(UnixListener::bind(&socket).unwrap());
        assert_eq!(UnixStream::connect(&socket).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let (stage, positions) = waiting(&folder, 1).await;
        assert_eq!(say(&socket, &resolve(positions[0], "ana"))["result"]["event_state"], "processed");
        stage.close().await;

        std::fs::write(&socket, "mine").unwrap();
        Stage::with(|builder| desk(builder, &folder)).await.close().await;
        assert_eq!(std::fs::read_to_string(&socket).unwrap(), "mine");
    });
}

#[test]
fn what_is_none_of_ours_gets_a_typed_answer_and_harms_nobody() {
    within(async {
        let folder = Folder::new();
        let (_stage, positions) = waiting(&folder, 1).await;
        let socket = socket_of(&folder.path());
        let code = |line: &str| say(&socket, line)["error"]["code"].as_str().unwrap().to_string();
        assert_eq!(code("nonsense\n"), "bad_request");
        assert_eq!(code("\n"), "bad_request");
        assert_eq!(code(&resolve(positions[0], "ana").replace("resolve", "dance")), "bad_request");
        assert_eq!(code(&resolve(positions[0], "ana").replace("\"regie\":1", "\"regie\":9")), "version");
        assert_eq!(code(&resolve(9_999, "ana")), "no_event");
        assert_eq!(code(&resolve(positions[0], "")), "unsigned");
        let other = resolve(positions[0], "ana").replace("{\"", "{\"event_id\":\"another\",\"");
        assert_eq!(code(&other.replacen("\"by\":{\"event_id\":\"another\",", "\"by\":{", 1)), "other_event");
        UnixStream::connect(&socket).unwrap().write_all(&[0xff; 100]).unwrap(); // and is gone
        assert_eq!(say(&socket, &resolve(positions[0], "ana"))["result"]["event_state"], "processed");
    });
}

#[test]
fn a_line_that_is_too_long_is_refused_before_it_is_held() {
    within(async {
        let folder = Folder::new();
        let (_stage, _) = waiting(&folder, 0).await;
        let mut stream = UnixStream::connect(socket_of(&folder.path())).unwrap();
        // It hangs up in the middle: how much goes out is up to the system.
        let _ = stream.write_all(&vec![b'x'; 64 * limits::CONTROL_LINE_BYTES]);
        assert_eq!(read(&stream)["error"]["code"], "too_long");
    });
}

#[test]
fn of_a_hundred_clients_at_once_all_are_answered_and_one_decides_of_each_event() {
    within(async {
        let folder = Folder::new();
        let (_stage, positions) = waiting(&folder, 10).await;
        let socket = socket_of(&folder.path());
        let ask = |nth: usize| {
            let (socket, line) = (socket.clone(), resolve(positions[nth % 10], &format!("p-{nth}")));
            std::thread::spawn(move || say(&socket, &line))
        };
        let clients: Vec<_> = (0..100).map(ask).collect();
        let answers: Vec<Value> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let decided = answers.iter().filter(|answer| answer["result"]["event_state"] == "processed").count();
        let told = answers.iter().filter(|answer| answer["error"]["code"] == "not_escalated").count();
        assert_eq!((decided, told), (10, 90));
    });
}

#[test]
fn who_keeps_silent_holds_no_shutdown_up_and_is_told() {
    within(async {
        let folder = Folder::new();
        let (stage, _) = waiting(&folder, 0).await;
        let count = limits::CONTROL_CONNECTIONS + 10;
        let silent: Vec<_> = (0..count).map(|_| UnixStream::connect(socket_of(&folder.path())).unwrap()).collect();
        stage.close().await;
        assert!(silent.iter().all(|stream| read(stream)["error"]["code"] == "closing"));
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_journal_at_the_end_of_a_long_way_has_its_socket_beside_it_too() {
    within(async {
        let folder = Folder::new();
        let deep = folder.path().with_file_name("deep".repeat(50));
        std::fs::create_dir(&deep).unwrap();
        let journal = deep.join("j.db");
        let stage = Stage::with(|builder| desk(builder, &folder).journal(JournalConfig::sqlite(&journal))).await;
        assert_eq!(std::fs::metadata(socket_of(&journal)).unwrap().permissions().mode() & 0o777, 0o600);
        stage.close().await;
        assert!(!socket_of(&journal).exists());
    });
}
