//! The integration tests: one binary, a module a theme.

mod acceptance;
mod bad_input;
mod cli_config;
mod cli_docs;
mod cli_journal;
mod cli_query;
mod cli_run;
mod cli_show;
mod cli_verify;
mod panics;
mod runtime_support;
mod support;
mod tidy;
