//! The journal's tests, one theme a module.

mod appending;
mod chains;
mod conformance;
mod follow;
mod full;
mod governors;
mod grants;
mod handed;
mod helpers;
mod index;
mod latch;
mod lost_end;
mod opening;
mod prefixes;
mod queries;
mod readers;
mod runs;
mod sets;
mod verification;
mod wakes;
