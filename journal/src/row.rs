//! How a row's records lie in its body: a version byte, a count, then each record with its length and digest.

use regie_core::Digest;
use regie_core::workflow::EncodedRecord;

/// The version of this form; the first byte of every body.
const VERSION: u8 = 1;
/// Version and count.
const HEADER: usize = 5;
/// Length and digest before each record's bytes.
const PREFIX: usize = 36;

/// Packs the records of one turn.
pub(crate) fn encode(records: &[EncodedRecord]) -> Vec<u8> {
    let size = records.iter().map(|record| PREFIX + record.bytes.len()).sum::<usize>();
    let mut body = Vec::with_capacity(HEADER + size);
    body.push(VERSION);
    body.extend(length(records.len()));
    for record in records {
        body.extend(length(record.bytes.len()));
        body.extend(record.digest.0);
        body.extend(&record.bytes);
    }
    body
}

/// Unpacks a body, or says what is wrong with it. Total over any bytes.
pub(crate) fn decode(body: &[u8]) -> Result<Vec<EncodedRecord>, String> {
    let count = count(body)?;
    let mut rest = &body[HEADER..];
    if count > rest.len() / PREFIX {
        return Err(format!("it says that it holds {count} records, for which it is too short"));
    }
    let mut records = Vec::with_capacity(count);
    for nth in 1..=count {
        let cut = || format!("it ends within record {nth} of {count}");
        let (size, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (digest, after) = after.split_first_chunk::<32>().ok_or_else(cut)?;
        let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*size) as usize).ok_or_else(cut)?;
        records.push(EncodedRecord { bytes: bytes.to_vec(), digest: Digest(*digest) });
        rest = after;
    }
    if rest.is_empty() { Ok(records) } else { Err(format!("{} bytes follow its last record", rest.len())) }
}

/// How many records a body says that it holds; at least one.
pub(crate) fn count(body: &[u8]) -> Result<usize, String> {
    let (version, rest) = body.split_first().ok_or("it is empty")?;
    if *version != VERSION {
        return Err(format!("its form has version {version}; this program reads {VERSION}"));
    }
    let bytes = rest.first_chunk::<4>().ok_or("it ends within its count")?;
    match u32::from_le_bytes(*bytes) {
        0 => Err("it holds no record".into()),
        count => Ok(count as usize),
    }
}

/// Lengths are bounded far below this by `limits`; one beyond it could not be unpacked, and is found by its digest.
fn length(of: usize) -> [u8; 4] {
    u32::try_from(of).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn record(bytes: Vec<u8>) -> EncodedRecord {
        EncodedRecord { digest: Digest::of(&bytes), bytes }
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(all in vec(vec(any::<u8>(), 0..50), 1..8)) {
            let records: Vec<_> = all.into_iter().map(record).collect();
            prop_assert_eq!(decode(&encode(&records)), Ok(records));
        }

        #[test]
        fn unpacking_is_total_over_any_bytes(mut body in vec(any::<u8>(), 0..200), count in 0_u32..4) {
            let _ = decode(&body);
            if body.len() >= HEADER {
                body[0] = VERSION;
                body[1..HEADER].copy_from_slice(&count.to_le_bytes());
            }
            if let Ok(records) = decode(&body) {
                prop_assert_eq!(encode(&records), body);
            }
        }
    }

    #[test]
    fn a_body_that_is_cut_anywhere_is_refused() {
        let body = encode(&[record(vec![1, 2, 3]), record(vec![])]);
        for end in 0..body.len() {
            assert!(decode(&body[..end]).is_err(), "cut at {end}");
        }
    }
}
