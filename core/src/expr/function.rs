//! The functions that an expression may call: their types, and what they cost.

use super::kind::Kind;
use super::kind::Kind::{Any, Bool, Bytes, Double, Duration, Int, List, Map, Null, Optional, Text, Time, Type, Uint};

/// One function, by all its names.
pub(super) struct Function {
    pub(super) names: &'static [&'static str],
    /// Whether it is called on a value, as its first argument.
    pub(super) member: bool,
    pub(super) rows: &'static [(&'static [Kind], Kind)],
    pub(super) price: Price,
}

/// What a call costs, and how large its result may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Price {
    /// A step; a result of a few bytes.
    Flat,
    /// Reads what it is given; a result of a few bytes.
    Reads,
    /// Reads what it is given; a result about as large.
    Copies,
    /// Gives back what it was given.
    Passes,
    /// A regular expression.
    Matches,
    /// A list of as many texts as there are bytes, at worst.
    Splits,
    /// A text of all elements, with another between.
    Joins,
    /// A text in which another takes the place of each byte, at worst.
    Replaces,
}

/// The function of a name, called on a value or not.
pub(super) fn find(name: &str, member: bool) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.member == member && function.names.contains(&name))
}

const fn global(names: &'static [&'static str], rows: &'static [(&'static [Kind], Kind)], price: Price) -> Function {
    Function { names, member: false, rows, price }
}

const fn member(names: &'static [&'static str], rows: &'static [(&'static [Kind], Kind)], price: Price) -> Function {
    Function { names, member: true, rows, price }
}

const SIZES: &[(&[Kind], Kind)] = &[(&[Text], Int), (&[Bytes], Int), (&[List], Int), (&[Map], Int)];
const PARTS_OF_TIME: &[(&[Kind], Kind)] = &[(&[Time], Int), (&[Time, Text], Int)];
const PARTS_OF_BOTH: &[(&[Kind], Kind)] = &[(&[Time], Int), (&[Time, Text], Int), (&[Duration], Int)];
const TEXT_IN_TEXT: &[(&[Kind], Kind)] = &[(&[Text, Text], Bool)];
const TEXT_TO_TEXT: &[(&[Kind], Kind)] = &[(&[Text], Text)];
const PLACES: &[(&[Kind], Kind)] = &[(&[Text, Text], Int), (&[Text, Text, Int], Int)];
const SAME_NUMBER: &[(&[Kind], Kind)] = &[(&[Double], Double), (&[Int], Int), (&[Uint], Uint)];
const WHOLE: &[(&[Kind], Kind)] = &[(&[Int, Int], Int), (&[Uint, Uint], Uint)];
const SHIFTS: &[(&[Kind], Kind)] = &[(&[Int, Int], Int), (&[Uint, Int], Uint)];
const ROUNDS: &[(&[Kind], Kind)] = &[(&[Double], Double)];
const ASKS: &[(&[Kind], Kind)] = &[(&[Double], Bool)];
const ROOTS: &[(&[Kind], Kind)] = &[(&[Double], Double), (&[Int], Double), (&[Uint], Double)];
const EXTREMES: &[(&[Kind], Kind)] = &[(&[Any], Any), (&[Any, Any], Any)];
const TO_INT: &[(&[Kind], Kind)] = &[(&[Int], Int), (&[Uint], Int), (&[Double], Int), (&[Text], Int), (&[Time], Int)];
const TO_UINT: &[(&[Kind], Kind)] = &[(&[Uint], Uint), (&[Int], Uint), (&[Double], Uint), (&[Text], Uint)];
const TO_DOUBLE: &[(&[Kind], Kind)] = &[(&[Double], Double), (&[Int], Double), (&[Uint], Double), (&[Text], Double)];
const TO_TEXT: &[(&[Kind], Kind)] = &[
    (&[Text], Text),
    (&[Bool], Text),
    (&[Int], Text),
    (&[Uint], Text),
    (&[Double], Text),
    (&[Bytes], Text),
    (&[Time], Text),
    (&[Duration], Text),
];

const FUNCTIONS: &[Function] = &[
    global(&["size"], SIZES, Price::Reads),
    member(&["size"], SIZES, Price::Reads),
    global(&["type"], &[(&[Any], Type)], Price::Flat),
    global(&["dyn"], &[(&[Any], Any)], Price::Passes),
    global(&["bool"], &[(&[Bool], Bool), (&[Text], Bool)], Price::Flat),
    global(&["int"], TO_INT, Price::Reads),
    global(&["uint"], TO_UINT, Price::Reads),
    global(&["double"], TO_DOUBLE, Price::Reads),
    global(&["string"], TO_TEXT, Price::Copies),
    global(&["bytes"], &[(&[Text], Bytes), (&[Bytes], Bytes)], Price::Copies),
    global(&["timestamp"], &[(&[Text], Time), (&[Time], Time), (&[Int], Time)], Price::Reads),
    global(&["duration"], &[(&[Text], Duration), (&[Duration], Duration)], Price::Reads),
    global(&["matches"], TEXT_IN_TEXT, Price::Matches),
    member(&["matches"], TEXT_IN_TEXT, Price::Matches),
    member(&["contains", "startsWith", "endsWith"], TEXT_IN_TEXT, Price::Reads),
    member(&["getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth"], PARTS_OF_TIME, Price::Flat),
    member(&["getDate", "getDayOfWeek"], PARTS_OF_TIME, Price::Flat),
    member(&["getHours", "getMinutes", "getSeconds", "getMilliseconds"], PARTS_OF_BOTH, Price::Flat),
    global(&["optional.none"], &[(&[], Optional)], Price::Flat),
    global(&["optional.of", "optional.ofNonZeroValue"], &[(&[Any], Optional)], Price::Passes),
    member(&["value"], &[(&[Optional], Any)], Price::Passes),
    member(&["hasValue"], &[(&[Optional], Bool)], Price::Flat),
    member(&["or"], &[(&[Optional, Optional], Optional)], Price::Passes),
    member(&["orValue"], &[(&[Optional, Any], Any)], Price::Passes),
    member(&["lowerAscii", "upperAscii", "trim", "reverse"], TEXT_TO_TEXT, Price::Copies),
    member(&["charAt"], &[(&[Text, Int], Text)], Price::Copies),
    member(&["substring"], &[(&[Text, Int], Text), (&[Text, Int, Int], Text)], Price::Copies),
    member(&["indexOf", "lastIndexOf"], PLACES, Price::Replaces),
    member(&["split"], &[(&[Text, Text], List), (&[Text, Text, Int], List)], Price::Splits),
    member(&["join"], &[(&[List], Text), (&[List, Text], Text)], Price::Joins),
    member(&["replace"], &[(&[Text, Text, Text], Text), (&[Text, Text, Text, Int], Text)], Price::Replaces),
    global(&["math.ceil", "math.floor", "math.round", "math.trunc"], ROUNDS, Price::Flat),
    global(&["math.isInf", "math.isNaN", "math.isFinite"], ASKS, Price::Flat),
    global(&["math.abs", "math.sign"], SAME_NUMBER, Price::Flat),
    global(&["math.bitAnd", "math.bitOr", "math.bitXor"], WHOLE, Price::Flat),
    global(&["math.bitNot"], &[(&[Int], Int), (&[Uint], Uint)], Price::Flat),
    global(&["math.bitShiftLeft", "math.bitShiftRight"], SHIFTS, Price::Flat),
    global(&["math.sqrt"], ROOTS, Price::Flat),
    // What `math.greatest` and `math.least` are parsed to.
    global(&["math.@max", "math.@min"], EXTREMES, Price::Passes),
];

/// What `has` and the loops are called, which the parser takes apart: seen as functions, they have the wrong arguments.
pub(super) const MACROS: [&str; 10] =
    ["has", "all", "exists", "exists_one", "existsOne", "map", "filter", "greatest", "least", "optMap"];

/// The kinds that a key of a map literal may have.
pub(super) fn is_key(kind: Kind) -> bool {
    matches!(kind, Any | Bool | Int | Uint | Text)
}

/// The kinds that a loop runs over.
pub(super) fn is_range(kind: Kind) -> bool {
    matches!(kind, Any | List | Map)
}

/// The kinds that fields are looked for in; null is none, but has its own error when it is seen.
pub(super) fn has_fields(kind: Kind) -> bool {
    matches!(kind, Any | Map | Optional) && kind != Null
}
