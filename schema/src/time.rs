//! Times as the record writes them: RFC 3339, milliseconds, UTC.

use chrono::{DateTime, SecondsFormat, Utc};

/// The one way a time is written.
pub fn format(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// For `#[serde(with)]` on a time.
pub mod millis {
    use chrono::{DateTime, SubsecRound, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes milliseconds and `Z`.
    pub fn serialize<S: Serializer>(
        time: &DateTime<Utc>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format(time))
    }

    /// Reads any RFC 3339 time, kept to the millisecond.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        Ok(DateTime::<Utc>::deserialize(deserializer)?.trunc_subsecs(3))
    }
}

/// For `#[serde(with)]` on a time that may be absent.
pub mod millis_option {
    use chrono::{DateTime, SubsecRound, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes milliseconds and `Z`, or null.
    #[allow(clippy::ref_option, reason = "the signature is serde's")]
    pub fn serialize<S: Serializer>(
        time: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_str(&super::format(time)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads any RFC 3339 time, kept to the millisecond, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        Ok(Option::<DateTime<Utc>>::deserialize(deserializer)?.map(|time| time.trunc_subsecs(3)))
    }
}
