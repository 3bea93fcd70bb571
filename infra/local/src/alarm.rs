//! Alarms, evaluated as CloudWatch evaluates them.

mod message;
mod runner;

pub use runner::{AlarmConfig, AlarmRunner, Metric, Watched, dead_letter_alarms};

use serde::{Deserialize, Serialize};

/// How a datapoint is compared with the threshold to breach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `>=`
    GreaterThanOrEqualToThreshold,
    /// `>`
    GreaterThanThreshold,
    /// `<`
    LessThanThreshold,
    /// `<=`
    LessThanOrEqualToThreshold,
}

impl Comparison {
    fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::GreaterThanThreshold => value > threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "greater than or equal to",
            Self::GreaterThanThreshold => "greater than",
            Self::LessThanThreshold => "less than",
            Self::LessThanOrEqualToThreshold => "less than or equal to",
        }
    }
}

/// What a period without a datapoint stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TreatMissingData {
    /// For nothing: with no datapoint at all, there is not enough data.
    Missing,
    /// For a datapoint within the threshold.
    NotBreaching,
    /// For a datapoint that breaches it.
    Breaching,
    /// For nothing: with no datapoint at all, the state stays.
    Ignore,
}

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmState {
    /// Within the threshold.
    #[serde(rename = "OK")]
    Ok,
    /// Beyond it.
    #[serde(rename = "ALARM")]
    Alarm,
    /// Not known.
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl AlarmState {
    /// CloudWatch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// The state of this name; of any other, not enough is known.
    pub(crate) fn of_name(name: &str) -> Self {
        match name {
            "OK" => Self::Ok,
            "ALARM" => Self::Alarm,
            _ => Self::InsufficientData,
        }
    }
}

/// A metric alarm, in CloudWatch's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// AlarmName.
    pub name: String,
    /// AlarmDescription.
    pub description: String,
    /// Namespace of the metric.
    pub namespace: String,
    /// MetricName.
    pub metric_name: String,
    /// Statistic, such as `Maximum`.
    pub statistic: String,
    /// Dimensions of the metric: name and value.
    pub dimensions: Vec<(String, String)>,
    /// Length of a period, seconds.
    pub period_seconds: u32,
    /// N: periods that are looked at.
    pub evaluation_periods: u32,
    /// M: datapoints of them that must breach.
    pub datapoints_to_alarm: u32,
    /// The threshold.
    pub threshold: f64,
    /// How a datapoint is compared with it.
    pub comparison: Comparison,
    /// What a missing datapoint stands for.
    pub treat_missing_data: TreatMissingData,
}

/// Periods that are looked at beyond EvaluationPeriods when datapoints are missing. AWS does not say
/// how many these are; in its examples the evaluation range of 3 periods is 5.
pub const EXTRA_PERIODS: u32 = 2;

/// The state that `points` give; `None` where the alarm keeps the one it has.
///
/// `points` are the datapoints of the evaluation range (EvaluationPeriods and [`EXTRA_PERIODS`]),
/// oldest first. The rules are those of
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>:
/// - with EvaluationPeriods real datapoints or more, the newest of these decide;
/// - with fewer, all of the range do, and what is missing is filled in as the alarm says;
/// - where nothing is filled in, and every real datapoint breaches, the alarm goes off once the
///   oldest is DatapointsToAlarm periods old, and not before.
pub fn evaluate(alarm: &Alarm, points: &[Option<f64>]) -> Option<AlarmState> {
    let periods = alarm.evaluation_periods.max(1) as usize;
    let needed = (alarm.datapoints_to_alarm.max(1) as usize).min(periods);
    let range = periods + EXTRA_PERIODS as usize;
    // Newest first, with the age in periods from 1.
    let real: Vec<(usize, bool)> = (1..)
        .zip(points.iter().rev().take(range))
        .filter_map(|(age, point)| {
            let value = (*point)?;
            Some((age, alarm.comparison.breaches(value, alarm.threshold)))
        })
        .collect();
    let decide = |breaching: usize| {
        Some(if breaching >= needed {
            AlarmState::Alarm
        } else {
            AlarmState::Ok
        })
    };
    let breaching = |points: &[(usize, bool)]| points.iter().filter(|(_, it)| *it).count();
    let missing = match periods.checked_sub(real.len()) {
        None | Some(0) => return decide(breaching(real.get(..periods)?)),
        Some(missing) => missing,
    };
    let treat = alarm.treat_missing_data;
    let count = breaching(&real);
    match treat {
        TreatMissingData::Breaching => return decide(count + missing),
        TreatMissingData::NotBreaching => return decide(count),
        TreatMissingData::Missing | TreatMissingData::Ignore => {}
    }
    let Some((oldest, _)) = real.last() else {
        return (treat == TreatMissingData::Missing).then_some(AlarmState::InsufficientData);
    };
    if count >= needed || count < real.len() {
        return decide(count);
    }
    // Every real datapoint breaches, but there are too few: see the last rule.
    (*oldest >= needed && treat == TreatMissingData::Missing).then_some(AlarmState::Alarm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(needed: u32, periods: u32, treat: TreatMissingData) -> Alarm {
        Alarm {
            name: "a".into(),
            description: String::new(),
            namespace: "AWS/SQS".into(),
            metric_name: "ApproximateNumberOfMessagesVisible".into(),
            statistic: "Maximum".into(),
            dimensions: Vec::new(),
            period_seconds: 60,
            evaluation_periods: periods,
            datapoints_to_alarm: needed,
            threshold: 0.0,
            comparison: Comparison::GreaterThanThreshold,
            treat_missing_data: treat,
        }
    }

    /// `X` breaches, `0` does not, `-` is missing; newest last.
    fn points(text: &str) -> Vec<Option<f64>> {
        text.split(' ')
            .map(|point| match point {
                "X" => Some(1.0),
                "0" => Some(0.0),
                _ => None,
            })
            .collect()
    }

    const OK: Option<AlarmState> = Some(AlarmState::Ok);
    const ALARM: Option<AlarmState> = Some(AlarmState::Alarm);
    const NO_DATA: Option<AlarmState> = Some(AlarmState::InsufficientData);
    const STAYS: Option<AlarmState> = None;

    #[test]
    fn the_tables_of_the_cloudwatch_user_guide() {
        // Columns: missing, ignore, breaching, not breaching.
        let three_of_three = [
            ("0 - X - X", [OK, OK, OK, OK]),
            ("- - - - 0", [OK, OK, OK, OK]),
            ("- - - - -", [NO_DATA, STAYS, ALARM, OK]),
            ("0 X X - X", [ALARM, ALARM, ALARM, ALARM]),
            ("- - X - -", [ALARM, STAYS, ALARM, OK]),
        ];
        let two_of_three = [
            ("0 - X - X", [ALARM, ALARM, ALARM, ALARM]),
            ("0 0 X 0 X", [ALARM, ALARM, ALARM, ALARM]),
            ("0 - X - -", [OK, OK, ALARM, OK]),
            ("- - - - 0", [OK, OK, ALARM, OK]),
            ("- - - X -", [ALARM, STAYS, ALARM, OK]),
        ];
        for (needed, table) in [(3, three_of_three), (2, two_of_three)] {
            for (text, expected) in table {
                let states = [
                    TreatMissingData::Missing,
                    TreatMissingData::Ignore,
                    TreatMissingData::Breaching,
                    TreatMissingData::NotBreaching,
                ]
                .map(|treat| evaluate(&alarm(needed, 3, treat), &points(text)));
                assert_eq!(states, expected, "{needed} of 3: {text}");
            }
        }
    }

    #[test]
    fn an_alarm_does_not_go_off_early() {
        let alarm = alarm(3, 3, TreatMissingData::Missing);
        for text in ["- - - - X", "- - - X -"] {
            assert_eq!(evaluate(&alarm, &points(text)), STAYS, "{text}");
        }
        for text in ["- - - X 0", "- - X - 0"] {
            assert_eq!(evaluate(&alarm, &points(text)), OK, "{text}");
        }
    }

    #[test]
    fn what_is_beyond_the_range_is_not_looked_at() {
        let alarm = alarm(1, 1, TreatMissingData::Missing);
        assert_eq!(evaluate(&alarm, &points("X X 0 - - -")), NO_DATA);
        assert_eq!(evaluate(&alarm, &points("X X X - -")), ALARM);
        assert_eq!(evaluate(&alarm, &points("X 0")), OK);
        assert_eq!(evaluate(&alarm, &[]), NO_DATA);
    }

    #[test]
    fn comparisons() {
        let cases = [
            (
                Comparison::GreaterThanOrEqualToThreshold,
                [false, true, true],
            ),
            (Comparison::GreaterThanThreshold, [false, false, true]),
            (Comparison::LessThanThreshold, [true, false, false]),
            (Comparison::LessThanOrEqualToThreshold, [true, true, false]),
        ];
        for (comparison, expected) in cases {
            let breaches = [1.0, 2.0, 3.0].map(|value| comparison.breaches(value, 2.0));
            assert_eq!(breaches, expected, "{comparison:?}");
        }
    }
}
