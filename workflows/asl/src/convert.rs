//! Between `serde_json` values and jsonata-core's, refusing what JSON cannot
//! say: undefined, functions, numbers that are not finite.

use indexmap::IndexMap;
use jsonata_core::value::JValue;
use serde_json::{Map, Number, Value};

/// The largest result of one expression, as an estimate of its JSON text in
/// bytes. Above the service's 256 KiB, so that a result somewhat too large
/// still gets the error that names the limit of a state's data.
pub const MAX_RESULT_BYTES: usize = 1024 * 1024;
/// How deeply a result may nest.
pub const MAX_RESULT_DEPTH: usize = 100;

/// 2^53: integers up to here are exact in an IEEE double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why a result is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotJson {
    Undefined,
    Unsupported,
    TooLarge,
}

pub(crate) fn to_jsonata(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(b) => JValue::Bool(*b),
        Value::Number(n) => JValue::Number(n.as_f64().unwrap_or(0.0)),
        Value::String(s) => JValue::string(s.as_str()),
        Value::Array(items) => JValue::array(items.iter().map(to_jsonata).collect()),
        Value::Object(fields) => JValue::object(
            fields
                .iter()
                .map(|(name, v)| (name.clone(), to_jsonata(v)))
                .collect::<IndexMap<_, _>>(),
        ),
    }
}

/// The value as JSON. Values share structure, so a small one can stand for an
/// endless text: bytes are counted as they are written.
pub(crate) fn to_json(value: &JValue) -> Result<Value, NotJson> {
    let mut left = MAX_RESULT_BYTES;
    convert(value, MAX_RESULT_DEPTH, &mut left)
}

fn convert(value: &JValue, depth: usize, left: &mut usize) -> Result<Value, NotJson> {
    if depth == 0 {
        return Err(NotJson::TooLarge);
    }
    spend(left, 4)?;
    match value {
        JValue::Null => Ok(Value::Null),
        JValue::Bool(b) => Ok(Value::Bool(*b)),
        JValue::Number(n) => number(*n).map(Value::Number).ok_or(NotJson::Unsupported),
        JValue::String(s) => {
            spend(left, s.len())?;
            Ok(Value::String(s.to_string()))
        }
        JValue::Array(items) => {
            let mut out = Vec::new();
            for item in items {
                out.push(convert(item, depth - 1, left)?);
            }
            Ok(Value::Array(out))
        }
        JValue::Object(fields) => {
            let mut out = Map::new();
            for (name, v) in fields.iter() {
                spend(left, name.len())?;
                // A field whose value is nothing is no field, as in JavaScript.
                match convert(v, depth - 1, left) {
                    Err(NotJson::Undefined) => {}
                    other => {
                        out.insert(name.clone(), other?);
                    }
                }
            }
            Ok(Value::Object(out))
        }
        JValue::Undefined => Err(NotJson::Undefined),
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            Err(NotJson::Unsupported)
        }
    }
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), NotJson> {
    *left = left.checked_sub(bytes).ok_or(NotJson::TooLarge)?;
    Ok(())
}

/// Whole numbers become integers while that is exact; the rest stay as they are.
pub(crate) fn number(n: f64) -> Option<Number> {
    if n.fract() == 0.0 && n.abs() <= EXACT {
        Some(Number::from(n as i64))
    } else {
        Number::from_f64(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_stay_integers() {
        let value = json!({"a": [1, -2, 0.5, 9_007_199_254_740_991_i64], "b": null, "c": "x"});
        assert_eq!(to_json(&to_jsonata(&value)), Ok(value));
        assert_eq!(to_json(&JValue::Number(-0.0)), Ok(json!(0)));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        for n in [f64::NAN, f64::INFINITY] {
            assert_eq!(to_json(&JValue::Number(n)), Err(NotJson::Unsupported));
        }
        assert_eq!(to_json(&JValue::builtin("sum")), Err(NotJson::Unsupported));
        assert_eq!(to_json(&JValue::Undefined), Err(NotJson::Undefined));
    }

    #[test]
    fn shared_structure_cannot_explode() {
        let mut value = JValue::string("x");
        for _ in 0..60 {
            value = JValue::array(vec![value.clone(), value]);
        }
        assert_eq!(to_json(&value), Err(NotJson::TooLarge));
    }
}
