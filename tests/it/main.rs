//! The integration tests: one binary, a module a theme.

mod acceptance;
mod accounting;
mod actor_agent;
mod bad_input;
mod bad_policies;
mod cli_config;
mod cli_docs;
mod cli_journal;
mod cli_query;
mod cli_run;
mod cli_show;
mod cli_verify;
#[cfg(target_os = "linux")] // it is preloaded
mod conditions;
mod disk;
mod embedding;
mod entities;
mod exactly_once;
mod governance;
mod governed;
mod handlers;
mod kill;
mod otel;
mod overload;
mod panics;
mod parts;
mod recovery;
mod runtime_support;
mod scenarios;
mod scene;
mod shards;
mod store_trouble;
mod submit;
mod support;
mod tidy;
mod watchdog;
