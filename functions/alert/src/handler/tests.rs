use std::sync::{Arc, Mutex};

use super::*;
use crate::limits;
use safelight_kit::testing::{Bench, HttpServer, Request, Response, image, invocation, sqs_event};
use safelight_ports::Record;
use safelight_schema::{ErrorInfo, EventData, FailureClass, Lane};

/// Slack on loopback: it enforces the documented limits, and answers what it is told.
struct Slack {
    server: HttpServer,
    messages: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<Vec<Response>>>,
}

impl Slack {
    fn start() -> Self {
        let messages = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(Vec::<Response>::new()));
        let (taken, next) = (Arc::clone(&messages), Arc::clone(&answers));
        let server = HttpServer::start(move |request: Request| {
            if let Some(answer) = next.lock().unwrap().pop() {
                return answer;
            }
            let Ok(message) = serde_json::from_slice::<Value>(&request.body) else {
                return Response::new(400, "invalid_payload");
            };
            if let Err(why) = limits::check(&message) {
                return Response::new(400, format!("invalid_blocks: {why}"));
            }
            taken.lock().unwrap().push(message);
            Response::new(200, "ok")
        });
        Self {
            server,
            messages,
            answers,
        }
    }

    fn answer_next(&self, answer: Response) {
        self.answers.lock().unwrap().push(answer);
    }

    fn texts(&self) -> Vec<String> {
        let messages = self.messages.lock().unwrap();
        messages
            .iter()
            .map(|m| m["text"].as_str().unwrap().to_owned())
            .collect()
    }

    fn alert(&self, bench: &Bench) -> Alert {
        let url = format!("{}/services/T/B/hush", self.server.url());
        Alert::new(bench.adapters(), Some(Webhook::new(&url).unwrap())).unwrap()
    }
}

const DEPTH: &str = "safelight-dead-letters-depth";
const NEW: &str = "safelight-dead-letters-new-label";
const AGE: &str = "safelight-dead-letters-age";

async fn fail(bench: &Bench, execution: &str, error: &str) {
    let header = bench.header(execution, &image(&format!("<!channel>{execution}.jpg")));
    bench.claim(&header).await;
    let error = ErrorInfo::new(error, "because");
    let pointers = letters::pointers(execution, &letters::kinds(&error, &[]), bench.clock.time());
    let failed = EventData::ImageFailed {
        class: FailureClass::Failed,
        error,
        completed: Vec::new(),
        failed: Vec::new(),
    };
    let draft = bench.draft(execution, Lane::Trunk, failed);
    bench.record.append(&[draft], &pointers).await.unwrap();
}

async fn dropped(bench: &Bench, execution: &str) {
    let event = EventData::FailureDropped {
        actor: "me".into(),
        reason: "known".into(),
    };
    let draft = bench.draft(execution, Lane::Operator, event);
    bench.record.append(&[draft], &[]).await.unwrap();
}

fn change(alarm: &str, state: &str, minute: u32) -> String {
    json!({
        "AlarmName": alarm, "NewStateValue": state, "NewStateReason": "Threshold Crossed",
        "StateChangeTime": format!("2026-11-21T12:{minute:02}:00.000+0000"),
    })
    .to_string()
}

fn recheck(alarm: &str) -> String {
    json!({ "alert": "recheck", "alarm": alarm }).to_string()
}

async fn tell(alert: &Alert, bodies: &[String]) -> usize {
    let answer = alert
        .handle(sqs_event(bodies), &invocation())
        .await
        .unwrap();
    answer["batchItemFailures"].as_array().unwrap().len()
}

#[tokio::test]
async fn two_alarms_make_one_message_and_only_new_kinds_another() {
    // Invariants 1, 2 and 4.
    let (bench, slack) = (Bench::new(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    fail(&bench, "x-2", "Image.Empty").await;
    let alert = slack.alert(&bench);
    let both = [change(DEPTH, "ALARM", 0), change(NEW, "ALARM", 0)];
    assert_eq!(tell(&alert, &both).await, 0);
    assert_eq!(slack.texts(), ["2 images failed, first of all Image.Empty"]);
    // A duplicate, and a recheck by a process that was started anew.
    fail(&bench, "x-3", "Image.Empty").await;
    tell(&alert, &both).await;
    let restarted = slack.alert(&bench);
    tell(&restarted, &[recheck(DEPTH)]).await;
    assert_eq!(slack.texts().len(), 1);
    fail(&bench, "x-4", "Label.Refused").await;
    tell(&restarted, &[recheck(DEPTH), recheck(NEW)]).await;
    assert_eq!(slack.texts().len(), 2);
    assert_eq!(
        slack.texts()[1],
        "A new kind of failure: 1 image, first of all Label.Refused"
    );
    // The schedule of a deployment names no alarm, and comes without a queue.
    let scheduled = json!({ "alert": "recheck" });
    let answer = restarted.handle(scheduled.clone(), &invocation()).await;
    assert_eq!(answer.unwrap(), json!({ "posted": false }));
    fail(&bench, "x-5", "Label.Throttled").await;
    let answer = restarted.handle(scheduled.clone(), &invocation()).await;
    assert_eq!(answer.unwrap(), json!({ "posted": true }));
    tell(&restarted, &[change(DEPTH, "OK", 3), change(NEW, "OK", 3)]).await;
    fail(&bench, "x-6", "Image.Truncated").await;
    let answer = restarted.handle(scheduled, &invocation()).await;
    assert_eq!(
        answer.unwrap(),
        json!({ "posted": false }),
        "no alarm is on"
    );
}

#[tokio::test]
async fn recovery_is_said_once_and_begins_anew() {
    let (bench, slack) = (Bench::new(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    let alert = slack.alert(&bench);
    tell(
        &alert,
        &[change(DEPTH, "ALARM", 0), change(NEW, "ALARM", 0)],
    )
    .await;
    // One of two went off, and the failure is still open.
    tell(&alert, &[change(NEW, "OK", 2)]).await;
    assert_eq!(slack.texts().len(), 1);
    tell(&alert, &[change(DEPTH, "OK", 3), change(DEPTH, "OK", 3)]).await;
    assert_eq!(slack.texts().len(), 2);
    assert!(slack.texts()[1].starts_with("Recovered"));
    // What went before is late by now.
    tell(&alert, &[change(DEPTH, "ALARM", 0)]).await;
    assert_eq!(slack.texts().len(), 2);
    tell(&alert, &[change(DEPTH, "ALARM", 4)]).await;
    assert_eq!(slack.texts().len(), 3);
}

#[tokio::test]
async fn what_is_no_more_open_is_recovered_even_while_the_rate_is_high() {
    let (bench, slack) = (Bench::new(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    let alert = slack.alert(&bench);
    tell(
        &alert,
        &[change(DEPTH, "ALARM", 0), change(NEW, "ALARM", 0)],
    )
    .await;
    dropped(&bench, "x-1").await;
    tell(&alert, &[change(DEPTH, "OK", 1)]).await;
    assert_eq!(slack.texts().len(), 2);
    tell(&alert, &[change(NEW, "OK", 2)]).await;
    assert_eq!(slack.texts().len(), 2);
}

#[tokio::test]
async fn other_alarms_are_told_of_whatever_else_is_on() {
    // Invariant 6.
    let (bench, slack) = (Bench::new(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    let alert = slack.alert(&bench);
    tell(&alert, &[change(DEPTH, "ALARM", 0)]).await;
    let aged = [change(AGE, "ALARM", 1), change(AGE, "ALARM", 1)];
    tell(&alert, &aged).await;
    tell(&alert, &[recheck(DEPTH)]).await;
    assert_eq!(
        slack.texts()[1..],
        ["safelight-dead-letters-age is on".to_owned()]
    );
    // It neither keeps failures from being recovered nor is recovered by them.
    tell(&alert, &[change(DEPTH, "OK", 2)]).await;
    assert!(slack.texts()[2].starts_with("Recovered"));
    let off = [change(AGE, "OK", 3), change(AGE, "OK", 3)];
    tell(&alert, &off).await;
    assert_eq!(
        slack.texts()[3..],
        ["safelight-dead-letters-age is off again".to_owned()]
    );
}

/// A secret that has no value until it is given one.
struct Later(Arc<Mutex<Option<String>>>);

#[async_trait]
impl safelight_ports::Secret for Later {
    async fn text(&self) -> Result<String, safelight_ports::SecretError> {
        let value = self.0.lock().unwrap().clone();
        value.ok_or_else(|| safelight_ports::SecretError {
            name: "webhook".into(),
            why: "it has no value".into(),
        })
    }
}

#[tokio::test]
async fn an_alarm_before_the_webhook_is_told_of_by_the_next_recheck() {
    // Invariant 3: whatever became of the notice.
    let (bench, slack) = (Bench::new(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    let secret = Arc::new(Mutex::new(None));
    let mut adapters = bench.adapters();
    adapters.webhook = Some(Arc::new(Later(Arc::clone(&secret))));
    let alert = Alert::new(adapters, None).unwrap();
    let notices = [change(DEPTH, "ALARM", 0), change(AGE, "ALARM", 0)];
    assert_eq!(tell(&alert, &notices).await, 2);
    *secret.lock().unwrap() = Some(format!("{}/services/T/B/hush", slack.server.url()));
    for _ in 0..3 {
        let scheduled = json!({ "alert": "recheck" });
        alert.handle(scheduled, &invocation()).await.unwrap();
    }
    assert_eq!(
        slack.texts(),
        [
            "1 image failed, first of all Image.Empty",
            "safelight-dead-letters-age is on"
        ]
    );
}

/// A secret that is kept until it is asked for anew.
struct Kept(Mutex<String>, String);

#[async_trait]
impl safelight_ports::Secret for Kept {
    async fn text(&self) -> Result<String, safelight_ports::SecretError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn renewed(&self) -> Result<String, safelight_ports::SecretError> {
        self.0.lock().unwrap().clone_from(&self.1);
        self.text().await
    }
}

#[tokio::test]
async fn who_is_refused_with_an_old_webhook_asks_for_the_new_one() {
    let (bench, old, new) = (Bench::new(), Slack::start(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    old.answer_next(Response::new(403, "invalid_token"));
    let webhook = |slack: &Slack| format!("{}/services/T/B/hush", slack.server.url());
    let mut adapters = bench.adapters();
    let secret = Kept(Mutex::new(webhook(&old)), webhook(&new));
    adapters.webhook = Some(Arc::new(secret));
    let alert = Alert::new(adapters, None).unwrap();
    assert_eq!(tell(&alert, &[change(DEPTH, "ALARM", 0)]).await, 0);
    assert_eq!(new.texts(), ["1 image failed, first of all Image.Empty"]);
    // Where there is none, the refusal stands.
    new.answer_next(Response::new(403, "invalid_token"));
    fail(&bench, "x-2", "Image.TruncatedHeader").await;
    assert_eq!(tell(&alert, &[recheck(DEPTH)]).await, 1);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let (bench, slack) = (Bench::new(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    slack.answer_next(Response::new(429, "").with_header("retry-after", "7"));
    assert_eq!(
        tell(&slack.alert(&bench), &[change(DEPTH, "ALARM", 0)]).await,
        0
    );
    assert_eq!(bench.clock.slept(), [Duration::from_secs(7)]);
    assert_eq!(slack.texts().len(), 1);
}

#[tokio::test]
async fn what_slack_does_not_take_comes_again() {
    // Invariant 3: too long a wait, a fault, a refusal.
    for answer in [
        Response::new(429, "").with_header("retry-after", "3600"),
        Response::new(503, "down"),
        Response::new(404, "no_service"),
    ] {
        let (bench, slack) = (Bench::new(), Slack::start());
        fail(&bench, "x-1", "Image.Empty").await;
        slack.answer_next(answer);
        let alert = slack.alert(&bench);
        let alarm = [change(DEPTH, "ALARM", 0)];
        assert_eq!(tell(&alert, &alarm).await, 1);
        assert!(slack.texts().is_empty());
        assert_eq!(tell(&alert, &alarm).await, 0);
        assert_eq!(slack.texts().len(), 1);
    }
}

#[tokio::test]
async fn while_another_posts_this_one_waits_its_turn() {
    let (bench, slack) = (Bench::new(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    state::change(bench.objects.as_ref(), |state| {
        state.pending = Some(Pending {
            by: "another".into(),
            until: invocation().deadline,
        });
    })
    .await
    .unwrap();
    let alert = slack.alert(&bench);
    let alarm = [change(DEPTH, "ALARM", 0)];
    assert_eq!(tell(&alert, &alarm).await, 1);
    // It died: its time is over.
    bench.clock.advance(Duration::from_secs(61));
    assert_eq!(tell(&alert, &alarm).await, 0);
    assert_eq!(slack.texts().len(), 1);
}

#[tokio::test]
async fn an_alarm_without_a_failure_in_the_record_tells_of_the_queue() {
    let (bench, slack) = (Bench::new(), Slack::start());
    let raw = ["not read".to_owned()];
    bench
        .adapters()
        .queue
        .send(letters::QUEUE, &raw)
        .await
        .unwrap();
    tell(&slack.alert(&bench), &[change(DEPTH, "ALARM", 0)]).await;
    assert_eq!(slack.texts(), ["1 message in the dead-letter queue"]);
}

#[tokio::test]
async fn without_a_webhook_nothing_is_posted_and_the_next_incident_is_told_of() {
    let (bench, slack) = (Bench::new(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    tell(&slack.alert(&bench), &[change(DEPTH, "ALARM", 0)]).await;
    // Its end, and nobody who could be told.
    let mute = Alert::new(bench.adapters(), None).unwrap();
    let off = serde_json::from_str(&change(DEPTH, "OK", 1)).unwrap();
    let answer = mute.handle(off, &invocation()).await.unwrap();
    assert_eq!(answer, json!({ "posted": false }));
    fail(&bench, "x-2", "Image.Empty").await;
    tell(&slack.alert(&bench), &[change(DEPTH, "ALARM", 2)]).await;
    assert_eq!(
        slack.texts()[1..],
        ["2 images failed, first of all Image.Empty".to_owned()]
    );
}

#[tokio::test]
async fn an_alarm_that_comes_after_all_is_mended_is_not_told_of() {
    let (bench, slack) = (Bench::new(), Slack::start());
    tell(&slack.alert(&bench), &[change(NEW, "ALARM", 0)]).await;
    assert!(slack.texts().is_empty());
    // It did not begin anything that could be recovered.
    tell(&slack.alert(&bench), &[change(NEW, "OK", 1)]).await;
    assert!(slack.texts().is_empty());
}

#[tokio::test]
async fn errors_do_not_hold_the_webhook() {
    // Invariant 5.
    let (bench, slack) = (Bench::new(), Slack::start());
    fail(&bench, "x-1", "Image.Empty").await;
    let alert = slack.alert(&bench);
    slack.answer_next(Response::new(403, "invalid_token"));
    let event: Value = serde_json::from_str(&change(DEPTH, "ALARM", 0)).unwrap();
    let refused = alert
        .handle(event.clone(), &invocation())
        .await
        .unwrap_err();
    assert_eq!(refused.name(), "Slack.Refused");
    drop(slack);
    let gone = alert.handle(event, &invocation()).await.unwrap_err();
    assert_eq!(gone.name(), "Slack.Unavailable");
    for error in [refused, gone] {
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
}
