//! What a notification says: an alarm that changed, or that is still on.

use chrono::{DateTime, Utc};
use safelight_kit::FunctionError;
use safelight_kit::sqs::unwrap_sns;
use safelight_schema::error_name;
use serde::Deserialize;
use serde_json::Value;

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An alarm changed its state.
    Changed {
        /// Alarm name.
        alarm: String,
        /// Whether it is on now (ALARM) or off (OK).
        on: bool,
        /// When it changed.
        time: DateTime<Utc>,
        /// CloudWatch's reason.
        reason: String,
        /// What whoever made the alarm wrote about it; empty where nothing.
        description: String,
    },
    /// An alarm is still on: see whether there is anything new.
    Recheck {
        /// Alarm name; any alarm where it is not said.
        alarm: Option<String>,
    },
    /// It lacks data: neither on nor off.
    Unknown,
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AlarmNotification {
    alarm_name: String,
    new_state_value: String,
    #[serde(default)]
    new_state_reason: String,
    alarm_description: Option<String>,
    state_change_time: String,
}

#[derive(Deserialize)]
struct Recheck {
    alert: String,
    alarm: Option<String>,
}

/// Whether an alarm's news are failures that the record has: those on the number of dead letters, and on how
/// many come in. Of any other alarm the news is that it is on.
pub fn is_of_failures(alarm: &str) -> bool {
    alarm.ends_with("dead-letters-depth")
        || alarm.ends_with("dead-letters-new")
        || alarm.contains("dead-letters-new-")
}

/// Reads the body of a queue message.
pub fn read(body: &str) -> Result<Notice, FunctionError> {
    let text = unwrap_sns(body);
    let value = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
    read_value(value)
}

/// Reads a notification that is JSON already.
pub fn read_value(value: Value) -> Result<Notice, FunctionError> {
    if value.get("alert").is_some() {
        let recheck: Recheck = serde_json::from_value(value).map_err(|error| unreadable(&error))?;
        return if recheck.alert == "recheck" {
            Ok(Notice::Recheck {
                alarm: recheck.alarm,
            })
        } else {
            Err(unreadable(&format!(
                "there is no alert '{}'",
                recheck.alert
            )))
        };
    }
    let change: AlarmNotification =
        serde_json::from_value(value).map_err(|error| unreadable(&error))?;
    let on = match change.new_state_value.as_str() {
        "ALARM" => true,
        "OK" => false,
        _ => return Ok(Notice::Unknown),
    };
    Ok(Notice::Changed {
        alarm: change.alarm_name,
        on,
        time: time(&change.state_change_time)
            .ok_or_else(|| unreadable(&"StateChangeTime is not a time"))?,
        reason: change.new_state_reason,
        description: change.alarm_description.unwrap_or_default(),
    })
}

/// CloudWatch writes the zone as `+0000`, EventBridge as `Z`.
fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()
        .map(|time| time.with_timezone(&Utc))
}

fn unreadable(why: &dyn std::fmt::Display) -> FunctionError {
    FunctionError::new(
        &error_name::EVENT_UNREADABLE,
        format!("the message is no change of an alarm's state and no recheck: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_is_read_through_sns() {
        let message = json!({
            "AlarmName": "dead-letters-depth", "NewStateValue": "ALARM", "OldStateValue": "OK",
            "NewStateReason": "Threshold Crossed", "StateChangeTime": "2026-11-21T12:00:00.123+0000",
        });
        let body =
            json!({ "Type": "Notification", "TopicArn": "arn", "Message": message.to_string() });
        let Notice::Changed {
            alarm, on, time, ..
        } = read(&body.to_string()).unwrap()
        else {
            panic!("no change")
        };
        assert_eq!((alarm.as_str(), on), ("dead-letters-depth", true));
        assert_eq!(time.timestamp_subsec_millis(), 123);
    }

    #[test]
    fn alarms_of_failures_are_told_by_their_names() {
        for name in [
            "safelight-dead-letters-depth",
            "safelight-dead-letters-new",
            "production-dead-letters-new-label",
        ] {
            assert!(is_of_failures(name), "{name}");
        }
        for name in [
            "safelight-dead-letters-age",
            "safelight-record-dead-letters",
            "safelight-throttles-label",
            "somebody's own",
        ] {
            assert!(!is_of_failures(name), "{name}");
        }
    }

    #[test]
    fn rechecks_and_missing_data_are_told_apart() {
        let recheck = json!({ "alert": "recheck", "alarm": "a", "time": "t" }).to_string();
        assert_eq!(
            read(&recheck).unwrap(),
            Notice::Recheck {
                alarm: Some("a".into())
            }
        );
        // As the schedule of a deployment sends it.
        assert_eq!(
            read(r#"{"alert":"recheck"}"#).unwrap(),
            Notice::Recheck { alarm: None }
        );
        let unknown = json!({ "AlarmName": "a", "NewStateValue": "INSUFFICIENT_DATA",
            "StateChangeTime": "2026-11-21T12:00:00Z" });
        assert_eq!(read_value(unknown).unwrap(), Notice::Unknown);
        for body in ["", "{}", "{\"alert\":\"dance\",\"alarm\":\"a\"}"] {
            assert_eq!(read(body).unwrap_err().name(), "Event.Unreadable");
        }
    }
}
