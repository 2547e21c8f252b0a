//! The integration tests: one binary, a module a theme.

mod acceptance;
mod accounting;
mod bad_input;
mod cli_config;
mod cli_docs;
mod cli_journal;
mod cli_query;
mod cli_run;
mod cli_show;
mod cli_verify;
mod embedding;
mod entities;
mod exactly_once;
mod governance;
mod handlers;
mod kill;
mod panics;
mod recovery;
mod runtime_support;
mod shards;
mod store_trouble;
mod submit;
mod support;
mod tidy;
