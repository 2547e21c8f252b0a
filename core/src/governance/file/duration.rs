//! Durations as text.

use std::time::Duration;

/// Units of a duration's text, the longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(split);
    let known = UNITS.iter().find(|(name, _)| *name == unit.trim());
    match (count.parse::<u64>().ok(), known) {
        (Some(count), Some((_, millis))) => count
            .checked_mul(*millis)
            .map(Duration::from_millis)
            .ok_or_else(|| format!("'{text}' is longer than can be told")),
        _ => Err(format!("'{text}' is no duration such as 500ms, 60s, 5m, 2h or 1d")),
    }
}

/// A duration in the largest unit that tells it exactly.
pub(in crate::governance) fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    let (name, size) =
        UNITS.iter().find(|(_, size)| millis.is_multiple_of(u128::from(*size)) && millis > 0).unwrap_or(&("ms", 1));
    format!("{}{name}", millis / u128::from(*size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_their_largest_unit() {
        for text in ["500ms", "60s", "5m", "2h", "1d"] {
            let told = duration_text(duration(text).unwrap());
            assert_eq!(duration(&told), duration(text), "{text}");
        }
        assert_eq!(duration_text(Duration::from_secs(60)), "1m");
    }
}
