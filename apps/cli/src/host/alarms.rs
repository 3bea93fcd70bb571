//! The two alarms, as the configuration sets them.

use chrono::Duration;
use safelight_local::SqliteQueue;
use safelight_local::alarm::{AlarmConfig, AlarmRunner, Comparison, dead_letter_alarms};

use crate::config::{self, Config};
use crate::host::{ALERTS, DEAD_LETTERS, Role};

/// Opens the alarms.
pub fn open(config: &Config, role: Role, queue: &SqliteQueue) -> anyhow::Result<AlarmRunner> {
    let settings = [&config.alarm_depth, &config.alarm_new];
    let mut alarms = dead_letter_alarms(DEAD_LETTERS, 0.0, 0.0);
    for (watched, settings) in alarms.iter_mut().zip(settings) {
        let config::AlarmConfig {
            threshold,
            period_seconds,
            evaluation_periods,
            datapoints_to_alarm,
        } = settings;
        watched.alarm.threshold = *threshold;
        watched.alarm.period_seconds = *period_seconds;
        watched.alarm.evaluation_periods = *evaluation_periods;
        watched.alarm.datapoints_to_alarm = *datapoints_to_alarm;
        watched.alarm.comparison = Comparison::GreaterThanOrEqualToThreshold;
    }
    let recheck = match role {
        // It looks once, at its end: whatever is new is to be said then.
        Role::Batch => Duration::zero(),
        Role::Serve => Duration::seconds(i64::from(config.alarm_depth.period_seconds)),
    };
    let config = AlarmConfig {
        alarms,
        alerts_queue: ALERTS.into(),
        recheck,
    };
    Ok(AlarmRunner::open(queue.clone(), config)?)
}
