//! What is said of an alarm: CloudWatch's notification in SNS's envelope.

use chrono::{DateTime, Utc};
use safelight_schema::time;
use serde_json::{Value, json};

use super::{Alarm, AlarmState, TreatMissingData};

/// The account, region and topic of one machine.
const ACCOUNT: &str = "000000000000";
const REGION: &str = "local";
const TOPIC: &str = "arn:aws:sns:local:000000000000:safelight-alarms";

/// A change of an alarm's state.
pub(super) struct Change<'a> {
    pub alarm: &'a Alarm,
    pub from: AlarmState,
    pub to: AlarmState,
    pub reason: &'a str,
    pub time: DateTime<Utc>,
}

/// Why an alarm has the state that `points`, oldest first, gave it.
pub(super) fn reason(alarm: &Alarm, state: AlarmState, points: &[Option<f64>]) -> String {
    let real: Vec<_> = points.iter().rev().flatten().collect();
    if real.is_empty() {
        return format!(
            "No datapoint was there for {} periods of {} seconds; missing data is treated as {}.",
            points.len(),
            alarm.period_seconds,
            treatment(alarm.treat_missing_data)
        );
    }
    let looked_at = real.len().min(alarm.evaluation_periods.max(1) as usize);
    let breaching = real
        .iter()
        .take(looked_at)
        .filter(|value| alarm.comparison.breaches(***value, alarm.threshold))
        .count();
    let values: Vec<_> = real
        .iter()
        .take(looked_at)
        .map(|value| format!("{value:?}"))
        .collect();
    let (count, was) = match state {
        AlarmState::Alarm => (breaching, "was"),
        AlarmState::Ok | AlarmState::InsufficientData => (looked_at - breaching, "was not"),
    };
    format!(
        "Threshold Crossed: {count} out of the last {looked_at} datapoints [{}] {was} {} the threshold ({:?}).",
        values.join(", "),
        alarm.comparison.words(),
        alarm.threshold,
    )
}

const fn treatment(treat: TreatMissingData) -> &'static str {
    match treat {
        TreatMissingData::Missing => "missing",
        TreatMissingData::NotBreaching => "notBreaching",
        TreatMissingData::Breaching => "breaching",
        TreatMissingData::Ignore => "ignore",
    }
}

/// The notification, as SNS delivers it to a queue without raw delivery.
pub(super) fn notification(change: &Change<'_>) -> String {
    let Change {
        alarm,
        from,
        to,
        reason,
        time,
    } = change;
    let arn = format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{}", alarm.name);
    let dimensions: Vec<Value> = alarm
        .dimensions
        .iter()
        .map(|(name, value)| json!({ "value": value, "name": name }))
        .collect();
    let message = json!({
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ACCOUNT,
        "NewStateValue": to.name(),
        "NewStateReason": reason,
        // CloudWatch writes the zone as +0000.
        "StateChangeTime": time.format("%Y-%m-%dT%H:%M:%S%.3f%z").to_string(),
        "Region": REGION,
        "AlarmArn": arn,
        "OldStateValue": from.name(),
        "OKActions": [TOPIC],
        "AlarmActions": [TOPIC],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "StatisticType": "Statistic",
            "Statistic": alarm.statistic.to_uppercase(),
            "Unit": null,
            "Dimensions": dimensions,
            "Period": alarm.period_seconds,
            "EvaluationPeriods": alarm.evaluation_periods,
            "DatapointsToAlarm": alarm.datapoints_to_alarm,
            "ComparisonOperator": alarm.comparison,
            "Threshold": alarm.threshold,
            "TreatMissingData": treatment(alarm.treat_missing_data),
            "EvaluateLowSampleCountPercentile": "",
        },
    });
    json!({
        "Type": "Notification",
        "MessageId": uuid::Uuid::new_v4(),
        "TopicArn": TOPIC,
        "Subject": format!("{}: \"{}\" in {REGION}", to.name(), alarm.name),
        "Message": message.to_string(),
        "Timestamp": time::format(time),
    })
    .to_string()
}

/// Asks the alert function to look for what is new while an alarm stays on.
pub(super) fn recheck(alarm: &Alarm, at: DateTime<Utc>) -> String {
    json!({ "alert": "recheck", "alarm": alarm.name, "time": time::format(&at) }).to_string()
}
