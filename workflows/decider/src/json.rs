//! A JSON value that many events and scopes share.

use std::fmt;
use std::io::{self, Write};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A shared, immutable JSON value. Cloning it is cheap.
#[derive(Clone, PartialEq)]
pub struct Json(Arc<Value>);

impl Json {
    /// The shared value.
    pub const fn shared(&self) -> &Arc<Value> {
        &self.0
    }

    /// Whether both are the same allocation; then they are equal.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether its compact text has more than `limit` bytes.
    pub fn is_longer_than(&self, limit: usize) -> bool {
        let mut left = Left(limit);
        serde_json::to_writer(&mut left, &*self.0).is_err()
    }
}

/// Accepts so many bytes and no more.
struct Left(usize);

impl Write for Left {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Deref for Json {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(Arc::new(value))
    }
}

impl From<Arc<Value>> for Json {
    fn from(value: Arc<Value>) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn length_is_that_of_the_compact_text() {
        let value = Json::from(json!({"a": [1, "é"]}));
        let length = value.to_string().len();
        assert!(!value.is_longer_than(length));
        assert!(value.is_longer_than(length - 1));
    }
}
