//! The W3C trace context header `traceparent`.

/// Whether a text is a `traceparent` that may be carried on: known version `00` exactly, later versions by their known
/// front part.
pub(super) fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags, rest @ ..] = parts.as_slice() else { return false };
    let well_formed = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    let not_zero = |text: &str| text.bytes().any(|byte| byte != b'0');
    well_formed && *version != "ff" && not_zero(trace) && not_zero(parent) && (*version != "00" || rest.is_empty())
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
