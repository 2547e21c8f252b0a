//! Which operators take which types, and what they give.

use super::kind::Kind;
use super::kind::Kind::{Any, Bool, Bytes, Double, Duration, Int, List, Map, Text, Time, Uint};

/// What an operator gives for its operands; nothing if no values of them fit it.
pub(super) fn result(operator: &str, operands: &[Kind]) -> Option<Kind> {
    match (operator, operands) {
        ("_==_" | "_!=_", [a, b]) => equality(*a, *b).then_some(Bool),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => order(*a, *b).then_some(Bool),
        _ => overload(rows(operator)?, operands),
    }
}

/// The result of those rows that fit; `Any` where they differ.
pub(super) fn overload(rows: &[(&[Kind], Kind)], operands: &[Kind]) -> Option<Kind> {
    let fits = |wanted: &[Kind]| {
        wanted.len() == operands.len() && operands.iter().zip(wanted).all(|(kind, wanted)| kind.fits(*wanted))
    };
    let mut results = rows.iter().filter(|(wanted, _)| fits(wanted)).map(|(_, result)| *result);
    let first = results.next()?;
    Some(if results.all(|other| other == first) { first } else { Any })
}

/// Null may be asked for of anything. Lists and maps are compared by what they hold.
fn equality(a: Kind, b: Kind) -> bool {
    a.fits(b) || a == Kind::Null || b == Kind::Null || (a.is_number() && b.is_number()) || !(is_plain(a) && is_plain(b))
}

fn order(a: Kind, b: Kind) -> bool {
    let has_order = |kind| kind == Any || is_plain(kind);
    has_order(a) && has_order(b) && (a.fits(b) || (a.is_number() && b.is_number()))
}

fn is_plain(kind: Kind) -> bool {
    matches!(kind, Bool | Int | Uint | Double | Text | Bytes | Time | Duration)
}

type Rows = &'static [(&'static [Kind], Kind)];

fn rows(operator: &str) -> Option<Rows> {
    Some(match operator {
        "_+_" => &[
            (&[Int, Int], Int),
            (&[Uint, Uint], Uint),
            (&[Double, Double], Double),
            (&[Text, Text], Text),
            (&[Bytes, Bytes], Bytes),
            (&[List, List], List),
            (&[List, Map], List),
            (&[Time, Duration], Time),
            (&[Duration, Time], Time),
            (&[Duration, Duration], Duration),
        ],
        "_-_" => &[
            (&[Int, Int], Int),
            (&[Uint, Uint], Uint),
            (&[Double, Double], Double),
            (&[Time, Time], Duration),
            (&[Time, Duration], Time),
            (&[Duration, Duration], Duration),
        ],
        "_*_" | "_/_" => &[(&[Int, Int], Int), (&[Uint, Uint], Uint), (&[Double, Double], Double)],
        "_%_" => &[(&[Int, Int], Int), (&[Uint, Uint], Uint)],
        "!_" => &[(&[Bool], Bool)],
        "-_" => &[(&[Int], Int), (&[Double], Double)],
        "@in" => &[(&[Any, List], Bool), (&[Any, Map], Bool)],
        "_[_]" => &[
            (&[List, Int], Any),
            (&[List, Uint], Any),
            (&[List, Double], Any),
            (&[Map, Any], Any),
            (&[Kind::Optional, Any], Any),
        ],
        "_[?_]" | "_?._" => &[(&[Any, Any], Kind::Optional)],
        // How a loop asks whether to go on; nobody can write it.
        "@not_strictly_false" => &[(&[Any], Bool)],
        _ => return None,
    })
}
