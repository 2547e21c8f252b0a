//! A disk that is recorded and made to fail: preloaded (`LD_PRELOAD`) into the real binary, it stands in for the functions
//! of libc through which SQLite and the standard library reach files.
//!
//! Of files below one folder it keeps a log, in the order in which things happened: opens, writes, changes of length, syncs
//! with their beginning and end, removals. A test replays it and builds what a loss of power could have left. It also makes
//! the n-th call of a kind fail. What it is to do is told by the environment: see `plan.rs`; without that it passes
//! everything on.
//!
//! Not watched, because Regie and SQLite do not use it for what must last: memory maps (the `-shm` file), renames, vectored
//! writes, preallocation. The owner's lock file is left out too.

// By Linux's system calls; elsewhere it is empty, and the tests that need it are left out.
#![cfg(target_os = "linux")]
// Standing in for functions of libc cannot be done without; every one passes its arguments on as it got them.
#![allow(unsafe_code)]

mod hooks;
mod log;
mod plan;
mod raw;
mod watch;
