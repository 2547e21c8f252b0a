//! A disk that loses power and one that fails, under the real binary: `tests/disk/` records and breaks, these judge.

mod bench;
mod check;
mod child;
mod faulty_disk;
mod loads;
#[path = "../../disk/src/log.rs"]
mod log;
mod power_loss;
mod replay;
mod resume;
mod scenarios;
mod sweep;
mod trial;
