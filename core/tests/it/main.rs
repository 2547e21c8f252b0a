//! Property and table tests of the rules, a module a theme.

mod calendar;
mod cloudevents;
mod entity;
mod event_errors;
mod events;
mod governor;
mod governor_key;
mod governor_model;
mod governor_random;
mod handlers;
mod helpers;
mod illegal_facts;
mod loop_random;
mod places;
mod policy_file;
mod policy_kinds;
mod toy;
