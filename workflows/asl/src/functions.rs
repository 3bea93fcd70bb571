//! The functions that Step Functions adds to JSONata, and those of JSONata
//! that must not read a clock, a source of randomness or memory without end.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use chrono::SecondsFormat;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use md5::Md5;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::bounds;
use crate::convert;
use crate::evaluate::MAX_SEQUENCE;
use crate::moment::{Moment, Random};

/// The longest text `$pad` makes, in characters.
const MAX_PAD: usize = 256 * 1024;

/// The largest number in Roman numerals: an M for each thousand.
const MAX_ROMAN: f64 = 1_000_000.0;

type Outcome = Result<JValue, EvaluatorError>;

/// Gives an evaluator our functions. All answers follow from the moment.
pub(crate) fn register(
    evaluator: &mut Evaluator,
    moment: Moment,
    random: &Rc<RefCell<Random>>,
) -> Result<(), EvaluatorError> {
    evaluator.register_fn_override("now", move |args: &[JValue]| now(moment, args))?;
    evaluator.register_fn_override("millis", move |_: &[JValue]| {
        Ok(JValue::from_i64(moment.now.timestamp_millis()))
    })?;
    evaluator.register_fn_override("eval", |_: &[JValue]| {
        Err(fail("the function $eval is not supported"))
    })?;
    evaluator.register_fn_override("pad", pad)?;
    evaluator.register_fn_override("formatInteger", format_integer)?;
    let shared = Rc::clone(random);
    evaluator.register_fn_override("random", move |args: &[JValue]| seeded(args, &shared))?;
    let shared = Rc::clone(random);
    evaluator.register_fn_override("shuffle", move |args: &[JValue]| Ok(shuffle(args, &shared)))?;
    let shared = Rc::clone(random);
    evaluator.register_fn("uuid", move |_: &[JValue]| Ok(uuid(&shared)))?;
    evaluator.register_fn(bounds::WITHIN_LIMITS, bounds::within_limits)?;
    evaluator.register_fn(bounds::WITHIN_SMALL_LIMITS, bounds::within_small_limits)?;
    evaluator.register_fn(bounds::WITHIN_FEW_ITEMS, bounds::within_few_items)?;
    evaluator.register_fn("partition", partition)?;
    evaluator.register_fn("range", range)?;
    evaluator.register_fn("hash", hash)?;
    evaluator.register_fn("parse", parse)
}

fn fail(message: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.into())
}

fn argument(args: &[JValue], at: usize) -> &JValue {
    args.get(at).unwrap_or(&JValue::Undefined)
}

fn text<'a>(args: &'a [JValue], at: usize, function: &str) -> Result<&'a str, EvaluatorError> {
    argument(args, at)
        .as_str()
        .ok_or_else(|| type_error(at, function))
}

fn integer(args: &[JValue], at: usize, function: &str) -> Result<i64, EvaluatorError> {
    argument(args, at)
        .as_f64()
        .filter(|n| n.is_finite() && n.abs() <= 9_007_199_254_740_991.0)
        .map(|n| n.round() as i64)
        .ok_or_else(|| type_error(at, function))
}

fn type_error(at: usize, function: &str) -> EvaluatorError {
    fail(format!(
        "T0410: Argument {} of function \"{function}\" does not match function signature",
        at + 1
    ))
}

fn now(moment: Moment, args: &[JValue]) -> Outcome {
    if args.is_empty() {
        let text = moment.now.to_rfc3339_opts(SecondsFormat::Millis, true);
        return Ok(JValue::from(text));
    }
    let millis = JValue::from_i64(moment.now.timestamp_millis());
    let (picture, zone) = (argument(args, 0).clone(), argument(args, 1).clone());
    library("$fromMillis($a, $b, $c)", [millis, picture, zone])
}

/// The library's own function, which is reachable as an expression only.
fn library<const N: usize>(call: &str, args: [JValue; N]) -> Outcome {
    let mut context = Context::new();
    for (name, arg) in ["a", "b", "c"].into_iter().zip(args) {
        context.bind(name.to_owned(), arg);
    }
    let call = parser::parse(call).map_err(|e| fail(e.to_string()))?;
    Evaluator::with_context(context).evaluate(&call, &JValue::Undefined)
}

fn format_integer(args: &[JValue]) -> Outcome {
    let (number, picture) = (argument(args, 0), argument(args, 1));
    let roman = picture.as_str().is_some_and(|it| it.contains(['i', 'I']));
    if roman && number.as_f64().is_some_and(|n| n.abs() > MAX_ROMAN) {
        return Err(fail(format!(
            "D2015: A number beyond {MAX_ROMAN} in Roman numerals"
        )));
    }
    library("$formatInteger($a, $b)", [number.clone(), picture.clone()])
}

/// `$random()` in [0, 1); `$random(seed)`: the same number for the same seed.
fn seeded(args: &[JValue], random: &Rc<RefCell<Random>>) -> Outcome {
    match argument(args, 0) {
        JValue::Undefined => Ok(JValue::from_f64(random.borrow_mut().next_unit())),
        JValue::Number(n) if n.is_finite() => {
            Ok(JValue::from_f64(Random::new(n.to_bits()).next_unit()))
        }
        _ => Err(type_error(0, "random")),
    }
}

fn uuid(random: &Rc<RefCell<Random>>) -> JValue {
    let mut random = random.borrow_mut();
    let bytes = (u128::from(random.next_u64()) << 64) | u128::from(random.next_u64());
    let id = uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid();
    JValue::from(id.to_string())
}

fn shuffle(args: &[JValue], random: &Rc<RefCell<Random>>) -> JValue {
    let mut items = match argument(args, 0) {
        JValue::Array(items) => items.to_vec(),
        JValue::Undefined => return JValue::Undefined,
        other => vec![other.clone()],
    };
    let mut random = random.borrow_mut();
    for last in (1..items.len()).rev() {
        let other = (random.next_u64() % (last as u64 + 1)) as usize;
        items.swap(last, other);
    }
    JValue::array(items)
}

fn pad(args: &[JValue]) -> Outcome {
    if matches!(argument(args, 0), JValue::Undefined) {
        return Ok(JValue::Undefined);
    }
    let source = text(args, 0, "pad")?;
    let width = integer(args, 1, "pad")?;
    let fill = match argument(args, 2) {
        JValue::Undefined => " ",
        _ => text(args, 2, "pad")?,
    };
    let fill = if fill.is_empty() { " " } else { fill };
    let wanted = width.unsigned_abs() as usize;
    if wanted > MAX_PAD {
        return Err(fail(format!("$pad makes at most {MAX_PAD} characters")));
    }
    let missing = wanted.saturating_sub(source.chars().count());
    let filling: String = fill.chars().cycle().take(missing).collect();
    Ok(JValue::from(if width < 0 {
        filling + source
    } else {
        source.to_owned() + &filling
    }))
}

/// `$partition(array, size)`: the array in pieces of that size.
fn partition(args: &[JValue]) -> Outcome {
    let items = match argument(args, 0) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::Array(items) => items.to_vec(),
        other => vec![other.clone()],
    };
    let size = usize::try_from(integer(args, 1, "partition")?)
        .ok()
        .filter(|size| *size > 0)
        .ok_or_else(|| fail("the chunk size of $partition must be a positive number"))?;
    let pieces = items
        .chunks(size)
        .map(|piece| JValue::array(piece.to_vec()));
    Ok(JValue::array(pieces.collect()))
}

/// `$range(first, last, step)`: both ends included.
fn range(args: &[JValue]) -> Outcome {
    let first = integer(args, 0, "range")?;
    let last = integer(args, 1, "range")?;
    let step = integer(args, 2, "range")?;
    if step == 0 {
        return Err(fail("the step of $range must not be 0"));
    }
    let mut items = Vec::new();
    let mut next = first;
    while if step > 0 { next <= last } else { next >= last } {
        if items.len() >= MAX_SEQUENCE {
            return Err(fail(format!("$range makes at most {MAX_SEQUENCE} items")));
        }
        items.push(JValue::from_i64(next));
        next += step;
    }
    // A sequence, as JSONata's own `[1..n]`: one item stands for itself.
    Ok(JValue::sequence(items))
}

/// `$hash(text, algorithm)` in lower-case hexadecimal.
fn hash(args: &[JValue]) -> Outcome {
    if matches!(argument(args, 0), JValue::Undefined) {
        return Ok(JValue::Undefined);
    }
    let data = text(args, 0, "hash")?.as_bytes();
    let algorithm = text(args, 1, "hash")?;
    Ok(JValue::from(match algorithm {
        "MD5" => hex(&Md5::digest(data)),
        "SHA-1" => hex(&Sha1::digest(data)),
        "SHA-256" => hex(&Sha256::digest(data)),
        "SHA-384" => hex(&Sha384::digest(data)),
        "SHA-512" => hex(&Sha512::digest(data)),
        other => {
            return Err(fail(format!(
                "$hash knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512, not \"{other}\""
            )));
        }
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// `$parse(text)`: the JSON value that the text holds.
fn parse(args: &[JValue]) -> Outcome {
    if matches!(argument(args, 0), JValue::Undefined) {
        return Ok(JValue::Undefined);
    }
    serde_json::from_str::<Value>(text(args, 0, "parse")?)
        .map(|value| convert::to_jsonata(&value))
        .map_err(|e| fail(format!("the argument of $parse is not JSON: {e}")))
}
