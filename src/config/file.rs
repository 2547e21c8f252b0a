//! Reading a config file: TOML, every fault with its line and column.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use regie_core::limits;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Place};
use super::keys::{Given, KEYS, Layer};

/// Reads a config file as far as it can be understood, and tells what cannot. Paths in it are relative to it.
pub(super) fn read(path: &Path) -> (Layer, Vec<Fault>) {
    let text = match text_of(path) {
        Ok(text) => text,
        Err(fault) => return (Layer::default(), vec![fault]),
    };
    let (mut layer, faults) = parse(path, &text);
    let folder = path.parent().unwrap_or(Path::new(""));
    for given in [&mut layer.db, &mut layer.policies, &mut layer.catalogue, &mut layer.rules].into_iter().flatten() {
        *given = folder.join(&given);
    }
    (layer, faults)
}

/// The text of a file that must not be larger than a config file may be.
pub(super) fn text_of(path: &Path) -> Result<String, Fault> {
    let whole = |message: String| Fault::new(Place::File(path.into()), message);
    let file = std::fs::File::open(path).map_err(|error| whole(format!("cannot be read ({error})")))?;
    let mut bytes = Vec::new();
    let limit = limits::CONFIG_BYTES as u64;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| whole(format!("cannot be read ({error})")))?;
    if bytes.len() as u64 > limit {
        return Err(whole(format!("it has more than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        Fault::new(Place::of_byte(path, &text, good), "not UTF-8")
    })
}

fn parse(path: &Path, text: &str) -> (Layer, Vec<Fault>) {
    let fault = |span: Range<usize>, message: String| Fault::new(Place::of_byte(path, text, span.start), message);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut layer = Layer::default();
    let mut faults: Vec<(usize, Fault)> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        faults.push((span.start, fault(span, error.message().to_string())));
    }
    for (name, value) in table.get_ref() {
        let put = KEYS.iter().find(|key| key.name == &**name.get_ref());
        let done = match put {
            Some(key) => {
                if key.name == "policies" {
                    layer.policies_at = Some(Place::of_byte(path, text, value.span().start));
                }
                key.fill(&mut layer, given(value.get_ref())).map_err(|why| (value.span(), why))
            }
            None => Err((name.span(), unknown(name.get_ref()))),
        };
        if let Err((span, why)) = done {
            faults.push((span.start, fault(span, why)));
        }
    }
    faults.sort_by_key(|(at, _)| *at);
    (layer, faults.into_iter().map(|(_, fault)| fault).collect())
}

fn unknown(name: &str) -> String {
    let names = KEYS.iter().map(|key| key.name);
    match regie_core::near::nearest(name, names.clone()) {
        Some(meant) => format!("unknown key '{name}'; did you mean '{meant}'?"),
        None => format!("unknown key '{name}'; known are {}", names.collect::<Vec<_>>().join(", ")),
    }
}

fn given<'a>(value: &'a DeValue<'_>) -> Given<'a> {
    match value {
        DeValue::String(text) => Given::Text(text),
        DeValue::Integer(number) if number.radix() == 10 => Given::Number(number.as_str()),
        DeValue::Integer(_) => Given::Other("a number that is not decimal"),
        DeValue::Float(_) => Given::Other("a number with a fraction"),
        DeValue::Boolean(_) => Given::Other("true or false"),
        DeValue::Datetime(_) => Given::Other("a time"),
        DeValue::Array(_) => Given::Other("a list"),
        DeValue::Table(_) => Given::Other("a table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        parse(Path::new("regie.toml"), text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_place() {
        let text = "shard = 2\nclock = \"sundial\"\nin_flight = 0\ndb = 7\n\nrules = 9\n";
        assert_eq!(
            faults(text),
            [
                "regie.toml:1:1: unknown key 'shard'; did you mean 'shards'?",
                "regie.toml:2:9: clock: 'sundial' is not taken; it is 'system' or 'event'",
                "regie.toml:3:13: in_flight: '0' is not taken; it is a whole number from 1 to 2048",
                "regie.toml:4:6: db: a text is wanted, this is a number",
                "regie.toml:6:9: rules: a text is wanted, this is a number",
            ]
        );
    }

    #[test]
    fn what_is_no_toml_is_told_beside_what_is_wrong_otherwise() {
        let found = faults("db = \nshards = \"2\"\n");
        assert!(found.iter().any(|it| it.starts_with("regie.toml:1:")), "{found:?}");
        assert!(
            found.iter().any(|it| it.starts_with("regie.toml:2:10: shards: a whole number is wanted")),
            "{found:?}"
        );
    }

    #[test]
    fn a_file_that_is_right_gives_its_settings() {
        let (layer, faults) = parse(Path::new("f"), "db = 'a.db'\nshards = 1_0\nclock = 'event'\n");
        assert_eq!(faults, []);
        assert_eq!((layer.db, layer.shards), (Some("a.db".into()), Some(10)));
    }
}
