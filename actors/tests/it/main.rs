//! Tests of single actors: one binary, a module a theme.

mod reasoner_storm;
mod reasoners;
mod stage;
