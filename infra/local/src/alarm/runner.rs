//! Measures queues, keeps the alarms' states, and sends a message when one changes.

use chrono::{DateTime, Duration, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use safelight_ports::{Queue, QueueError};
use safelight_sqlite::DatabaseError;

use super::message::{Change, notification, reason, recheck};
use super::{Alarm, AlarmState, Comparison, EXTRA_PERIODS, TreatMissingData, evaluate};
use crate::queue::SqliteQueue;
use crate::refusal::Refusal;

const MIGRATIONS: &[&str] = &["
    CREATE TABLE alarms (
        name TEXT NOT NULL PRIMARY KEY,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        changed INTEGER NOT NULL,
        asked INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE alarm_points (
        alarm TEXT NOT NULL,
        period_end INTEGER NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (alarm, period_end)
    ) WITHOUT ROWID;
"];

/// What of a queue is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Messages that can be received, when the period ends.
    Visible,
    /// Messages that came in during the period, which is counted in steps of ten seconds.
    Sent,
}

/// An alarm, and where its datapoints come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The alarm.
    pub alarm: Alarm,
    /// What is measured.
    pub metric: Metric,
    /// Of which queue.
    pub queue: String,
}

/// The two alarms of a dead-letter queue: how many are there, and how many came in a minute.
pub fn dead_letter_alarms(queue: &str, depth_over: f64, new_a_minute_over: f64) -> Vec<Watched> {
    let alarm = |name: &str, description: &str, metric: &str, statistic: &str, threshold| Alarm {
        name: name.to_owned(),
        description: description.to_owned(),
        namespace: "AWS/SQS".to_owned(),
        metric_name: metric.to_owned(),
        statistic: statistic.to_owned(),
        dimensions: vec![("QueueName".to_owned(), queue.to_owned())],
        period_seconds: 60,
        evaluation_periods: 1,
        datapoints_to_alarm: 1,
        threshold,
        comparison: Comparison::GreaterThanThreshold,
        treat_missing_data: TreatMissingData::Ignore,
    };
    let depth = alarm(
        "safelight-dead-letters-depth",
        "There are dead letters.",
        "ApproximateNumberOfMessagesVisible",
        "Maximum",
        depth_over,
    );
    let new = alarm(
        "safelight-dead-letters-new",
        "New dead letters come in.",
        "NumberOfMessagesSent",
        "Sum",
        new_a_minute_over,
    );
    let watched = |alarm, metric| Watched {
        alarm,
        metric,
        queue: queue.to_owned(),
    };
    vec![
        // While no host runs nobody measures, and nothing gets better or worse.
        watched(depth, Metric::Visible),
        watched(
            Alarm {
                treat_missing_data: TreatMissingData::NotBreaching,
                ..new
            },
            Metric::Sent,
        ),
    ]
}

/// What a runner does.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmConfig {
    /// The alarms; each name once.
    pub alarms: Vec<Watched>,
    /// The queue that messages about them go to.
    pub alerts_queue: String,
    /// How often, while an alarm stays on, the alert function is asked to look for what is new.
    pub recheck: Duration,
}

/// Evaluates alarms as time goes by. One a state folder.
pub struct AlarmRunner {
    queue: SqliteQueue,
    config: AlarmConfig,
    /// The last period's end that was evaluated, milliseconds, by alarm.
    evaluated: Vec<Option<i64>>,
}

impl AlarmRunner {
    /// Makes its tables where they are not there. Blocks until that is durable.
    pub fn open(queue: SqliteQueue, config: AlarmConfig) -> Result<Self, DatabaseError> {
        queue.database().migrate("alarm", MIGRATIONS)?;
        let evaluated = vec![None; config.alarms.len()];
        Ok(Self {
            queue,
            config,
            evaluated,
        })
    }

    /// Evaluates whenever a period ends, until the future is dropped.
    pub async fn run(&mut self) {
        loop {
            if let Err(error) = self.tick().await {
                tracing::error!(error.name = error.name(), %error, "the alarms could not be evaluated");
            }
            self.queue.clock().sleep_until(self.next_time()).await;
        }
    }

    /// Evaluates the alarms whose period has ended since the last call.
    pub async fn tick(&mut self) -> Result<(), QueueError> {
        let now = self.queue.clock().now();
        for index in 0..self.config.alarms.len() {
            let period = self.period(index);
            let end = now.timestamp_millis().div_euclid(period) * period;
            self.evaluate(index, end, now).await?;
        }
        Ok(())
    }

    /// Evaluates all alarms as if their period ended now: for a run that is over sooner.
    pub async fn finish(&mut self) -> Result<(), QueueError> {
        let now = self.queue.clock().now();
        for index in 0..self.config.alarms.len() {
            let period = self.period(index);
            let end = (now.timestamp_millis().div_euclid(period) + 1) * period;
            self.evaluated[index] = None;
            self.evaluate(index, end, now).await?;
        }
        Ok(())
    }

    /// The state of an alarm, and since when; `None` if it was never evaluated.
    pub async fn state(
        &self,
        alarm: &str,
    ) -> Result<Option<(AlarmState, DateTime<Utc>)>, QueueError> {
        let name = alarm.to_owned();
        let read = self.queue.database().read(move |db| {
            let row = db
                .prepare_cached("SELECT state, changed FROM alarms WHERE name = ?1")?
                .query_row([name], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()?;
            Ok::<_, DatabaseError>(row)
        });
        let row = read.await.map_err(|error| unavailable(&error))?;
        Ok(row.map(|(state, changed)| {
            let since = DateTime::from_timestamp_millis(changed).unwrap_or_default();
            (AlarmState::of_name(&state), since)
        }))
    }

    /// Milliseconds of an alarm's period.
    fn period(&self, index: usize) -> i64 {
        let watched = self.config.alarms.get(index);
        let seconds = watched.map_or(60, |it| it.alarm.period_seconds.max(1));
        i64::from(seconds) * 1_000
    }

    fn next_time(&self) -> DateTime<Utc> {
        let now = self.queue.clock().now();
        let ends = (0..self.config.alarms.len()).map(|index| {
            let period = self.period(index);
            (now.timestamp_millis().div_euclid(period) + 1) * period
        });
        let next = ends.min().and_then(DateTime::from_timestamp_millis);
        next.unwrap_or(now + Duration::minutes(1))
    }

    async fn measure(&self, watched: &Watched, start: i64, end: i64) -> Result<f64, QueueError> {
        let value = match watched.metric {
            Metric::Visible => self.queue.depth(&watched.queue).await?.visible,
            Metric::Sent => {
                let time = |at| DateTime::from_timestamp_millis(at).unwrap_or_default();
                self.queue
                    .sent_between(&watched.queue, time(start), time(end))
                    .await?
            }
        };
        Ok(value as f64)
    }

    async fn evaluate(
        &mut self,
        index: usize,
        end: i64,
        now: DateTime<Utc>,
    ) -> Result<(), QueueError> {
        let known = self.evaluated.get(index).copied().flatten();
        let Some(watched) = self.config.alarms.get(index) else {
            return Ok(());
        };
        if known.is_some_and(|known| known >= end) {
            return Ok(());
        }
        let step = Step {
            value: self.measure(watched, end - self.period(index), end).await?,
            alarm: watched.alarm.clone(),
            end,
            now,
            alerts: self.config.alerts_queue.clone(),
            recheck: self.config.recheck,
            queue: self.queue.clone(),
        };
        let sent = self
            .queue
            .database()
            .write(move |tx| step.run(tx))
            .await
            .map_err(|refusal: Refusal<QueueError>| refusal.into_port(QueueError::Unavailable))?;
        if sent {
            self.queue.wake(&self.config.alerts_queue);
        }
        self.evaluated[index] = Some(end);
        Ok(())
    }
}

fn unavailable(error: &DatabaseError) -> QueueError {
    QueueError::Unavailable(error.to_string())
}

/// One evaluation: datapoint, state and message are saved together (invariant 5).
struct Step {
    queue: SqliteQueue,
    alarm: Alarm,
    value: f64,
    end: i64,
    now: DateTime<Utc>,
    alerts: String,
    recheck: Duration,
}

impl Step {
    /// Says whether a message was sent.
    fn run(&self, tx: &Connection) -> Result<bool, Refusal<QueueError>> {
        let points = self.points(tx)?;
        let now = self.now.timestamp_millis();
        let stored: Option<(String, i64)> = tx
            .prepare_cached("SELECT state, asked FROM alarms WHERE name = ?1")?
            .query_row([&self.alarm.name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (from, asked) = stored.map_or((AlarmState::InsufficientData, now), |(name, asked)| {
            (AlarmState::of_name(&name), asked)
        });
        let to = evaluate(&self.alarm, &points).unwrap_or(from);
        if to != from {
            let reason = reason(&self.alarm, to, &points);
            tx.prepare_cached(
                "INSERT OR REPLACE INTO alarms (name, state, reason, changed, asked)
                 VALUES (?1, ?2, ?3, ?4, ?4)",
            )?
            .execute(params![self.alarm.name, to.name(), reason, now])?;
            let change = Change {
                alarm: &self.alarm,
                from,
                to,
                reason: &reason,
                time: self.now,
            };
            self.queue
                .enqueue(tx, &self.alerts, &notification(&change))?;
            return Ok(true);
        }
        if to == AlarmState::Alarm && now - asked >= self.recheck.num_milliseconds() {
            tx.prepare_cached("UPDATE alarms SET asked = ?2 WHERE name = ?1")?
                .execute(params![self.alarm.name, now])?;
            let message = recheck(&self.alarm, self.now);
            self.queue.enqueue(tx, &self.alerts, &message)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Saves the datapoint; answers those of the evaluation range, oldest first.
    fn points(&self, tx: &Connection) -> Result<Vec<Option<f64>>, Refusal<QueueError>> {
        let name = &self.alarm.name;
        tx.prepare_cached(
            "INSERT INTO alarm_points (alarm, period_end, value) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
        )?
        .execute(params![name, self.end, self.value])?;
        let period = i64::from(self.alarm.period_seconds.max(1)) * 1_000;
        let periods = i64::from(self.alarm.evaluation_periods.max(1) + EXTRA_PERIODS);
        tx.prepare_cached("DELETE FROM alarm_points WHERE alarm = ?1 AND period_end <= ?2")?
            .execute(params![name, self.end - periods * period])?;
        let mut select = tx.prepare_cached(
            "SELECT value FROM alarm_points WHERE alarm = ?1 AND period_end = ?2",
        )?;
        let mut points = Vec::new();
        for age in (0..periods).rev() {
            let point = select
                .query_row(params![name, self.end - age * period], |row| row.get(0))
                .optional()?;
            points.push(point);
        }
        Ok(points)
    }
}
