//! Policies under load: races, returns, restarts and changes of the set. CI runs a small size of each;
//! `scripts/governance.sh` the full one.

#[cfg(unix)] // it sends SIGHUP
mod command;
pub(crate) mod kinds;
pub(crate) mod racing;
mod reload;
mod restarts;
mod returns;

/// A size: the environment's, or CI's.
pub(crate) fn size(variable: &str, unless_said: usize) -> usize {
    crate::kill::number_from(variable).map_or(unless_said, |number| number as usize)
}
