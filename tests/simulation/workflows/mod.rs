//! Workflows of all kinds: flows that put back what they did, that wait, and that have others run; a machine that keeps events.

pub(crate) mod definitions;
pub(crate) mod operators;
pub(crate) mod words;
