//! The alarm runner on queues in SQLite, with a clock of the test's own.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use chrono::{DateTime, Duration, Utc};
use safelight_local::alarm::{AlarmConfig, AlarmRunner, AlarmState, dead_letter_alarms};
use safelight_local::{Clock, QueueConfig, SqliteQueue};
use safelight_ports::Queue;
use safelight_sqlite::{Database, Options};
use serde_json::Value;

const DEPTH: &str = "safelight-dead-letters-depth";
const NEW: &str = "safelight-dead-letters-new";

struct Setup {
    queue: SqliteQueue,
    runner: AlarmRunner,
    clock: Clock,
}

fn start() -> DateTime<Utc> {
    // A whole minute.
    DateTime::from_timestamp(1_790_000_040, 0).unwrap()
}

fn open(folder: &Path, clock: &Clock) -> Setup {
    let database = Database::open(folder.join("state.db"), Options::default()).unwrap();
    let queues = ["dead", "alerts"].map(|name| (name.to_owned(), QueueConfig::default()));
    let queue = SqliteQueue::open(database, clock.clone(), queues).unwrap();
    let config = AlarmConfig {
        alarms: dead_letter_alarms("dead", 0.0, 1.0),
        alerts_queue: "alerts".into(),
        recheck: Duration::minutes(5),
    };
    Setup {
        runner: AlarmRunner::open(queue.clone(), config).unwrap(),
        queue,
        clock: clock.clone(),
    }
}

impl Setup {
    async fn dead_letters(&self, count: usize) {
        let bodies = vec!["dead".to_owned(); count];
        self.queue.send("dead", &bodies).await.unwrap();
    }

    async fn next_minute(&mut self) -> Vec<Value> {
        self.clock.advance(Duration::minutes(1));
        self.runner.tick().await.unwrap();
        self.alerts().await
    }

    async fn alerts(&self) -> Vec<Value> {
        let hidden = Duration::days(1);
        let received = self.queue.receive("alerts", 10, hidden).await.unwrap();
        received
            .iter()
            .map(|it| serde_json::from_str(&it.body).unwrap())
            .collect()
    }

    async fn state(&self, alarm: &str) -> Option<AlarmState> {
        let state = self.runner.state(alarm).await.unwrap();
        state.map(|(state, _)| state)
    }
}

fn changes(alerts: &[Value]) -> Vec<(String, String, String)> {
    alerts
        .iter()
        .map(|alert| {
            let message: Value = serde_json::from_str(alert["Message"].as_str().unwrap()).unwrap();
            let text = |field: &str| message[field].as_str().unwrap().to_owned();
            (
                text("AlarmName"),
                text("OldStateValue"),
                text("NewStateValue"),
            )
        })
        .collect()
}

fn change(alarm: &str, from: &str, to: &str) -> (String, String, String) {
    (alarm.into(), from.into(), to.into())
}

#[tokio::test]
async fn alarms_follow_the_dead_letter_queue() {
    let folder = tempfile::tempdir().unwrap();
    let mut it = open(folder.path(), &Clock::manual(start()));
    assert_eq!(it.state(DEPTH).await, None);
    it.runner.tick().await.unwrap();
    let first = it.alerts().await;
    assert_eq!(
        changes(&first),
        [DEPTH, NEW].map(|name| change(name, "INSUFFICIENT_DATA", "OK"))
    );
    assert!(it.next_minute().await.is_empty(), "nothing changed");

    it.dead_letters(1).await;
    let alerts = it.next_minute().await;
    assert_eq!(changes(&alerts), [change(DEPTH, "OK", "ALARM")]);
    assert_eq!(it.state(DEPTH).await, Some(AlarmState::Alarm));
    it.dead_letters(2).await;
    let alerts = it.next_minute().await;
    assert_eq!(changes(&alerts), [change(NEW, "OK", "ALARM")]);
    let alerts = it.next_minute().await;
    assert_eq!(changes(&alerts), [change(NEW, "ALARM", "OK")]);

    let received = it.queue.receive("dead", 10, Duration::days(1)).await;
    for message in received.unwrap() {
        it.queue.delete("dead", &message.receipt).await.unwrap();
    }
    let alerts = it.next_minute().await;
    assert_eq!(changes(&alerts), [change(DEPTH, "ALARM", "OK")]);
    // Called again in the same period, nothing is evaluated.
    it.runner.tick().await.unwrap();
    assert!(it.alerts().await.is_empty());
}

#[tokio::test]
async fn the_message_has_the_shape_of_cloudwatch_and_sns() {
    let folder = tempfile::tempdir().unwrap();
    let mut it = open(folder.path(), &Clock::manual(start()));
    it.dead_letters(3).await;
    it.runner.tick().await.unwrap();
    let alerts = it.alerts().await;
    let sns = &alerts[0];
    assert_eq!(sns["Type"], "Notification");
    assert!(
        sns["TopicArn"]
            .as_str()
            .unwrap()
            .starts_with("arn:aws:sns:")
    );
    assert!(sns["Subject"].as_str().unwrap().starts_with("ALARM: "));
    let message: Value = serde_json::from_str(sns["Message"].as_str().unwrap()).unwrap();
    assert_eq!(message["AlarmName"], DEPTH);
    assert_eq!(message["NewStateValue"], "ALARM");
    assert_eq!(message["StateChangeTime"], "2026-09-21T14:14:00.000+0000");
    assert_eq!(
        message["NewStateReason"],
        "Threshold Crossed: 1 out of the last 1 datapoints [3.0] was greater than the threshold (0.0)."
    );
    let expected = serde_json::json!({
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Namespace": "AWS/SQS",
        "StatisticType": "Statistic",
        "Statistic": "MAXIMUM",
        "Unit": null,
        "Dimensions": [{ "value": "dead", "name": "QueueName" }],
        "Period": 60,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "TreatMissingData": "ignore",
        "EvaluateLowSampleCountPercentile": "",
    });
    assert_eq!(message["Trigger"], expected);
}

#[tokio::test]
async fn while_an_alarm_stays_on_a_recheck_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut it = open(folder.path(), &Clock::manual(start()));
    it.dead_letters(1).await;
    it.runner.tick().await.unwrap();
    assert_eq!(it.alerts().await.len(), 2);
    for _ in 0..4 {
        assert!(it.next_minute().await.is_empty());
    }
    let alerts = it.next_minute().await;
    let expected = serde_json::json!({
        "alert": "recheck", "alarm": DEPTH, "time": "2026-09-21T14:19:00.000Z",
    });
    assert_eq!(alerts, [expected]);
    assert!(it.next_minute().await.is_empty());
}

#[tokio::test]
async fn states_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(start());
    let mut it = open(folder.path(), &clock);
    it.dead_letters(1).await;
    it.runner.tick().await.unwrap();
    it.alerts().await;
    drop(it);
    clock.advance(Duration::hours(3));
    let mut it = open(folder.path(), &clock);
    assert_eq!(it.state(DEPTH).await, Some(AlarmState::Alarm));
    it.runner.tick().await.unwrap();
    let alerts = it.alerts().await;
    assert_eq!(alerts.len(), 1, "still on: {alerts:?}");
    assert_eq!(alerts[0]["alert"], "recheck");
}

#[tokio::test]
async fn a_run_that_is_over_sooner_is_evaluated_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut it = open(folder.path(), &Clock::manual(start()));
    it.runner.tick().await.unwrap();
    it.alerts().await;
    it.clock.advance(Duration::seconds(7));
    it.dead_letters(2).await;
    it.runner.tick().await.unwrap();
    assert!(it.alerts().await.is_empty(), "the period is not over");
    it.runner.finish().await.unwrap();
    let alerts = it.alerts().await;
    assert_eq!(
        changes(&alerts),
        [DEPTH, NEW].map(|name| change(name, "OK", "ALARM"))
    );
    // And again, with what came since: nothing changes.
    it.dead_letters(1).await;
    it.runner.finish().await.unwrap();
    assert!(it.alerts().await.is_empty());
}

#[tokio::test]
async fn it_runs_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(start() + Duration::seconds(30));
    let Setup {
        queue, mut runner, ..
    } = open(folder.path(), &clock);
    let running = tokio::spawn(async move { runner.run().await });
    queue.wait("alerts").await.unwrap();
    while queue.depth("alerts").await.unwrap().visible < 2 {
        tokio::task::yield_now().await;
    }
    queue
        .receive("alerts", 10, Duration::days(1))
        .await
        .unwrap();
    queue.send("dead", &["dead".to_owned()]).await.unwrap();
    // It may not sleep yet when the clock is moved: then it sleeps until the next minute.
    while queue.depth("alerts").await.unwrap().visible == 0 {
        clock.advance(Duration::seconds(30));
        tokio::task::yield_now().await;
    }
    running.abort();
}
