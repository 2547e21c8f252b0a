//! Workflows in the runtime: flows, what is done to them, and what a crash at any boundary leaves.

mod changed;
mod crash;
mod flows;
mod late;
mod operated;
