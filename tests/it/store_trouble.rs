//! Trouble with the store: no room, and another owner.

use regie::core::event::EventBuilder;
use regie::core::query::Filter;
use regie::journal::StoreError;
use regie::{JournalConfig, Reason, StartError};

use crate::runtime_support::{Folder, Stage, note, within};

/// An event of some kilobytes.
fn large(nth: usize) -> EventBuilder {
    note(&format!("c-{}", nth % 7), &format!("e-{nth}")).payload(serde_json::json!("x".repeat(8_000)))
}

fn capped(folder: &Folder, max_bytes: u64) -> JournalConfig {
    JournalConfig::Sqlite { path: folder.path(), max_bytes: Some(max_bytes) }
}

fn trouble(stage: &Stage, part: &str) -> Option<String> {
    stage.handle.health().parts.into_iter().find(|it| it.name == part).and_then(|it| it.trouble)
}

/// Submits until one is refused; gives how many were taken, and why that one was not.
async fn fill(stage: &Stage) -> (usize, Reason) {
    for nth in 0..10_000 {
        if let Err(refused) = stage.handle.submit(large(nth).build().unwrap()).await {
            return (nth, refused.reason);
        }
    }
    panic!("there is no cap");
}

#[test]
fn a_journal_without_room_refuses_and_keeps_all_it_took_and_goes_on_once_there_is_room() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.journal(capped(&folder, 512 * 1024))).await;
        assert_eq!(trouble(&stage, "journal"), None);
        let (taken, reason) = fill(&stage).await;
        assert!(taken > 10 && reason.code() == "disk_full" && reason.is_passing(), "{taken}: {reason}");
        assert!(trouble(&stage, "journal").is_some_and(|trouble| trouble.contains("room")));
        assert!(!stage.handle.health().ready);
        assert_eq!(stage.handle.events(Filter::default()).await.unwrap().len(), taken);
        stage.close().await;
        let stage = Stage::with(|builder| builder.journal(capped(&folder, 4 * 1024 * 1024))).await;
        for nth in 0..taken + 10 {
            stage.submit(large(nth)).await;
        }
        assert_eq!(
            (stage.stats().await.events as usize, stage.handle.metrics().await.duplicates as usize),
            (taken + 10, taken)
        );
        assert!(stage.handle.health().ready);
        stage.close().await;
    });
}

#[test]
fn a_journal_without_room_goes_on_by_itself_with_what_fits() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.journal(capped(&folder, 512 * 1024))).await;
        let (taken, _) = fill(&stage).await;
        let small = note("small", "1").build().unwrap();
        let taken_small = stage.handle.submit(small).await.is_ok();
        assert_eq!(stage.stats().await.events as usize, taken + usize::from(taken_small));
        assert_eq!(trouble(&stage, "journal").is_none(), taken_small);
        stage.close().await;
    });
}

#[test]
fn a_second_runtime_on_the_same_file_does_not_start() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.journal(folder.journal())).await;
        let second = regie::builder().journal(folder.journal()).start().await;
        assert!(matches!(second, Err(StartError::Journal(StoreError::Owned { .. }))));
        stage.submit(note("c", "1")).await;
        stage.close().await;
        assert!(regie::builder().journal(folder.journal()).start().await.is_ok());
    });
}

#[test]
fn a_file_that_is_something_else_does_not_start() {
    within(async {
        let folder = Folder::new();
        std::fs::write(folder.path(), "a letter, not a journal").unwrap();
        let started = regie::builder().journal(folder.journal()).start().await;
        assert!(matches!(started, Err(StartError::Journal(StoreError::NotOurs { .. }))));
    });
}
