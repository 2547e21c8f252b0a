//! The integration tests: one binary, a module a theme.

mod acceptance;
mod accounting;
mod actor_agent;
mod bad_input;
mod cli_config;
mod cli_docs;
mod cli_escalations;
mod cli_journal;
mod cli_query;
mod cli_run;
mod cli_show;
mod cli_verify;
#[cfg(target_os = "linux")] // it is preloaded
mod conditions;
mod control;
mod disk;
mod embedding;
mod entities;
mod escalations;
mod exactly_once;
mod governance;
mod handlers;
mod kill;
mod otel;
mod overload;
mod panics;
mod parts;
mod reasoners;
mod recovery;
mod runtime_support;
mod shards;
mod store_trouble;
mod submit;
mod support;
mod tidy;
mod watchdog;
