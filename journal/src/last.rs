//! A look at the journal's last row, before anything is put after it: what is added there would be chained to it.

use crate::error::StoreError;
use crate::reader::Reader;
use crate::store::{EventReader, Row};
use crate::verify::BreakKind;
use crate::verify::chain::{UNLINKED, follows};

/// Refuses a journal whose last row does not follow the one before it. Needs the truth alone.
pub(crate) fn is_linked(truth: &mut dyn EventReader) -> Result<(), StoreError> {
    let Some(last) = last_of(truth)? else { return Ok(()) };
    let before = match last.first {
        1 => None,
        first => truth.row_of(first - 1)?,
    };
    if before.is_none() && last.first > 1 {
        let why = format!("{}: position {} is missing", BreakKind::JournalGap, last.first - 1);
        return Err(StoreError::Damaged { why });
    }
    if !follows(&last, before.map(|row| row.head).unwrap_or_default()) {
        let why = format!("{} at position {}: {UNLINKED}", BreakKind::JournalChain, last.first);
        return Err(StoreError::Damaged { why });
    }
    Ok(())
}

/// Refuses a journal whose last row does not follow the record before it of the same correlation, or is not what its
/// digests say. Needs an index that covers it.
pub(crate) fn is_whole(truth: &mut dyn EventReader, reader: &mut Reader) -> Result<(), StoreError> {
    let Some(last) = last_of(truth)? else { return Ok(()) };
    let Some(name) = reader.name(last.number)? else {
        let why = format!("position {} is of correlation #{}, which has no name", last.first, last.number);
        return Err(StoreError::Damaged { why });
    };
    // Loading checks the chain of what it loads.
    reader.load(name.as_str(), last.sequence.saturating_sub(1)).map(drop)
}

fn last_of(truth: &mut dyn EventReader) -> Result<Option<Row>, StoreError> {
    match truth.head()?.position {
        0 => Ok(None),
        position => truth.row_of(position),
    }
}
