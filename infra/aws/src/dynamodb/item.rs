//! Items: how a body is kept so that nearly every one costs one write unit (1 KB).

use std::collections::HashMap;
use std::io::{Read, Write};

use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use safelight_schema::chain::sha256_hex;

/// An item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Attribute of a body that is text.
pub(crate) const TEXT: &str = "body";
/// Attribute of a body that is deflated.
pub(crate) const DEFLATED: &str = "deflated";
/// Attribute of a body that lies in object storage: its SHA-256.
pub(crate) const OBJECT: &str = "object";
/// The TTL attribute: seconds since 1970.
pub(crate) const EXPIRES: &str = "expires";

/// Longest text that stays text, bytes. With keys and names such an item is below 1 KB.
const MAX_TEXT: usize = 760;

/// Longest deflated body that stays in the item, bytes.
const MAX_DEFLATED: usize = 4 << 10;

/// Longest body that is inflated, bytes: somebody may have written anything.
const MAX_BODY: u64 = 16 << 20;

/// A body as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Short enough to be read in the console.
    Text(String),
    /// Longer than fits one write unit.
    Deflated(Vec<u8>),
    /// More than a few KB even so: in object storage, by content hash.
    Object {
        /// Hex.
        sha256: String,
        /// What is stored there.
        json: String,
    },
}

impl Body {
    /// Chooses.
    pub(crate) fn of(json: String) -> Self {
        if json.len() <= MAX_TEXT {
            return Self::Text(json);
        }
        let deflated = deflate(json.as_bytes());
        if deflated.len() > MAX_DEFLATED {
            return Self::Object {
                sha256: sha256_hex(json.as_bytes()),
                json,
            };
        }
        Self::Deflated(deflated)
    }

    /// Its attribute.
    pub(crate) fn attribute(&self) -> (String, AttributeValue) {
        match self {
            Self::Text(json) => (TEXT.into(), AttributeValue::S(json.clone())),
            Self::Deflated(bytes) => (
                DEFLATED.into(),
                AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(bytes.clone())),
            ),
            Self::Object { sha256, .. } => (OBJECT.into(), AttributeValue::S(sha256.clone())),
        }
    }
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail; if it did, the body would go to object storage.
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(deflated) => deflated,
        Err(_) => vec![0; MAX_DEFLATED + 1],
    }
}

/// A body as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its JSON.
    Json(String),
    /// It lies in object storage.
    Object(String),
}

/// The body of an item.
pub(crate) fn body(item: &Item) -> Result<Found, String> {
    if let Some(text) = string(item, TEXT) {
        return Ok(Found::Json(text.to_owned()));
    }
    if let Some(sha256) = string(item, OBJECT) {
        return Ok(Found::Object(sha256.to_owned()));
    }
    let Some(AttributeValue::B(bytes)) = item.get(DEFLATED) else {
        return Err(format!("it has none of {TEXT}, {DEFLATED}, {OBJECT}"));
    };
    let mut json = String::new();
    DeflateDecoder::new(bytes.as_ref())
        .take(MAX_BODY)
        .read_to_string(&mut json)
        .map_err(|error| format!("{DEFLATED} cannot be inflated: {error}"))?;
    Ok(Found::Json(json))
}

/// A text attribute.
pub(crate) fn string<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

/// Whether its time is over: DynamoDB deletes it some day.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ttl-expired-items.html>
pub(crate) fn expired(item: &Item, now: i64) -> bool {
    match item.get(EXPIRES) {
        Some(AttributeValue::N(at)) => at.parse::<i64>().is_ok_and(|at| at <= now),
        _ => false,
    }
}

/// Its size as it is billed: names and values.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub(crate) fn size(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        // The others that are written here are of one byte.
        _ => 1,
    };
    item.iter().map(|(name, it)| name.len() + value(it)).sum()
}

/// The sort key.
pub(crate) fn sort_key(item: &Item) -> &str {
    string(item, "sk").unwrap_or("")
}

/// A text attribute's value.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(body: &Body) -> Item {
        Item::from([body.attribute()])
    }

    #[test]
    fn short_stays_text_longer_is_deflated_and_large_leaves() {
        let short = "x".repeat(MAX_TEXT);
        assert_eq!(Body::of(short.clone()), Body::Text(short.clone()));
        let longer = "{\"a\":1}".repeat(1_000);
        let stored = Body::of(longer.clone());
        assert!(matches!(&stored, Body::Deflated(bytes) if bytes.len() < 200));
        assert_eq!(body(&item(&stored)), Ok(Found::Json(longer)));
        // What does not get smaller: hashes.
        let large: String = (0..200).map(|n| sha256_hex(&[n])).collect();
        let stored = Body::of(large.clone());
        let sha256 = sha256_hex(large.as_bytes());
        assert_eq!(body(&item(&stored)), Ok(Found::Object(sha256)));
    }

    #[test]
    fn what_is_no_body_is_said_to_be_none() {
        assert!(body(&Item::new()).unwrap_err().contains("none of"));
        let broken = Item::from([(
            DEFLATED.to_owned(),
            AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([255, 255, 255])),
        )]);
        assert!(body(&broken).unwrap_err().contains("inflated"));
    }
}
