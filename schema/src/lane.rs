//! Lanes: the parallel streams of an execution's record, each with one logical writer at a time.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A stream of an execution's events. Parallel branches have a lane each, so they never contend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// `trunk`: start, validate, route, complete, fail.
    Trunk,
    /// `b.<branch>`.
    Branch(String),
    /// `h`: the engine's history, written at the end.
    History,
    /// `op`: the end of the execution and what operators do.
    Operator,
}

/// A text that names no lane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a lane: expected trunk, b.<branch>, h or op")]
pub struct NotALane(String);

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trunk => f.write_str("trunk"),
            Self::Branch(name) => write!(f, "b.{name}"),
            Self::History => f.write_str("h"),
            Self::Operator => f.write_str("op"),
        }
    }
}

impl FromStr for Lane {
    type Err = NotALane;

    fn from_str(text: &str) -> Result<Self, NotALane> {
        match text {
            "trunk" => Ok(Self::Trunk),
            "h" => Ok(Self::History),
            "op" => Ok(Self::Operator),
            _ => match text.strip_prefix("b.") {
                Some(name) if !name.is_empty() && !name.contains('#') => {
                    Ok(Self::Branch(name.into()))
                }
                _ => Err(NotALane(text.into())),
            },
        }
    }
}

impl Serialize for Lane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lane {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Lane {
    fn schema_name() -> Cow<'static, str> {
        "Lane".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(trunk|h|op|b\\.[^#]+)$" })
    }
}
