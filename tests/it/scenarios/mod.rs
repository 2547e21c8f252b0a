//! Whole stories of governance, told through the public interface, and over a kill of the process in their middle.

mod business_hours;
mod four_ends;
mod harmless_reasoner;
mod reconciliation;
pub(crate) mod sprint;
mod trading;

use regie::JournalConfig;

/// A scene of one of them, in a process that will be killed.
pub(crate) async fn scene(name: &str, journal: JournalConfig) {
    match name {
        "four-ends" => four_ends::scene(journal).await,
        "business-hours" => business_hours::scene(journal).await,
        other => panic!("there is no scene '{other}'"),
    }
}
