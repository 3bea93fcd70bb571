//! Slack's incoming webhook.

use std::time::Duration;

use safelight_kit::{Clock, FunctionError};
use safelight_schema::error_name;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{StatusCode, Uri};

/// Environment variable with the webhook.
pub const WEBHOOK: &str = "SAFELIGHT_SLACK_WEBHOOK";

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is waited after a 429 that does not say how long: a webhook takes one message a second.
const USUAL_WAIT: Duration = Duration::from_secs(1);

/// How much of Slack's answer is kept, bytes.
const MAX_ANSWER: u64 = 4 << 10;

/// The webhook's URL: a secret, since whoever has it can post.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook(String);

impl Webhook {
    /// The webhook: https, or http on loopback.
    pub fn new(url: &str) -> Result<Self, FunctionError> {
        // The URL is in none of these messages (invariant 5).
        let invalid = |why: &str| {
            FunctionError::new(
                &error_name::SETTINGS_INVALID,
                format!("{WEBHOOK} {why}: it must be Slack's https address of an incoming webhook"),
            )
        };
        let uri: Uri = url.parse().map_err(|_| invalid("is not a URL"))?;
        let host = uri.host().ok_or_else(|| invalid("names no host"))?;
        let loopback = ["127.0.0.1", "localhost", "[::1]", "::1"].contains(&host);
        match uri.scheme_str() {
            Some("https") => Ok(Self(url.to_owned())),
            Some("http") if loopback => Ok(Self(url.to_owned())),
            _ => Err(invalid("is not https")),
        }
    }

    /// The webhook that the environment names, if it names one.
    pub fn from_environment() -> Result<Option<Self>, FunctionError> {
        match std::env::var(WEBHOOK) {
            Ok(url) if !url.is_empty() => Self::new(&url).map(Some),
            _ => Ok(None),
        }
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhook(…)")
    }
}

enum Answer {
    Taken,
    Wait(Duration),
    Refused(String),
    Unavailable(String),
}

/// Posts a message. A 429 is waited for as long as Slack says, within `patience` in all.
pub async fn post(
    webhook: &Webhook,
    message: &Value,
    clock: &dyn Clock,
    mut patience: Duration,
) -> Result<(), FunctionError> {
    let body = message.to_string();
    loop {
        let (webhook, body) = (webhook.clone(), body.clone());
        // The client blocks; the runtime's own thread goes on.
        let answer = tokio::task::spawn_blocking(move || send(&webhook, &body))
            .await
            .unwrap_or_else(|_| Answer::Unavailable("the client failed".into()));
        match answer {
            Answer::Taken => return Ok(()),
            Answer::Wait(wait) if wait < patience => {
                patience = patience.saturating_sub(wait.max(USUAL_WAIT));
                clock.sleep(wait).await;
            }
            Answer::Wait(wait) => {
                return Err(FunctionError::new(
                    &error_name::SLACK_UNAVAILABLE,
                    format!(
                        "Slack asks to wait {} s, longer than is left",
                        wait.as_secs()
                    ),
                ));
            }
            Answer::Refused(why) => {
                return Err(FunctionError::new(&error_name::SLACK_REFUSED, why));
            }
            Answer::Unavailable(why) => {
                return Err(FunctionError::new(&error_name::SLACK_UNAVAILABLE, why));
            }
        }
    }
}

fn send(webhook: &Webhook, body: &str) -> Answer {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(TIMEOUT))
        // A redirect would carry the message elsewhere.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .into();
    let answer = agent
        .post(&webhook.0)
        .header("content-type", "application/json; charset=utf-8")
        .send(body);
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Answer::Unavailable(without_url(&error)),
    };
    let status = answer.status();
    if status.is_success() {
        return Answer::Taken;
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let wait = answer.headers().get("retry-after");
        let seconds = wait.and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
        return Answer::Wait(seconds.map_or(USUAL_WAIT, Duration::from_secs));
    }
    let text = answer
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_string()
        .unwrap_or_default();
    let why = format!("Slack answered {status}: {}", text.escape_debug());
    if status.is_server_error() {
        Answer::Unavailable(why)
    } else {
        Answer::Refused(why)
    }
}

/// What went wrong, by kind: the client's own text may hold the URL (invariant 5).
fn without_url(error: &ureq::Error) -> String {
    let kind = match error {
        ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
        ureq::Error::HostNotFound => "its host is not found".to_owned(),
        ureq::Error::Io(error) => error.kind().to_string(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "TLS failed".to_owned(),
        _ => "the request failed".to_owned(),
    };
    format!("Slack could not be reached: {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_loopback_is_a_webhook() {
        for url in [
            "https://hooks.slack.com/services/T/B/x",
            "http://127.0.0.1:8080/hook",
            "http://localhost/hook",
            "http://[::1]:8080/hook",
        ] {
            Webhook::new(url).unwrap();
        }
        for url in [
            "http://hooks.slack.com/services/T/B/hush",
            "ftp://hooks.slack.com/hush",
            "http://127.0.0.1.example/hush",
            "hush",
            "",
        ] {
            let error = Webhook::new(url).unwrap_err();
            assert_eq!(error.name(), "Settings.Invalid");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_webhook_does_not_print() {
        // Invariant 5.
        let webhook = Webhook::new("https://hooks.slack.com/services/T/B/hush").unwrap();
        assert_eq!(format!("{webhook:?}"), "Webhook(…)");
    }
}
