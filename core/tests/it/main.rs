//! Property and table tests of the rules, a module a theme.

mod asking;
mod backtest;
mod cloudevents;
mod entity;
mod escalation;
mod event_errors;
mod events;
mod expr;
mod expr_conformance;
mod expr_random;
mod expr_refused;
mod governor;
mod governor_key;
mod governor_model;
mod governor_random;
mod handlers;
mod helpers;
mod illegal_facts;
mod loop_random;
mod policy_file;
mod reasoning;
mod signal_filter;
mod token_bucket;
mod toy;
