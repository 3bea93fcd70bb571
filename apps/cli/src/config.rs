//! One typed configuration: built-in defaults, then `safelight.toml`, then the environment, then flags.
//!
//! Unknown keys are errors. It is read once, in `main`, and passed down.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs as _;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use safelight_schema::Token;
use safelight_validate::policy::Policy;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{OrNextStep as _, with_next_step};
use crate::settings;

/// A text that never prints.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("…")
    }
}

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of the results.
    pub out: PathBuf,
    /// Folder of the record, the queues and the engine's history.
    pub state_dir: PathBuf,
    /// Executions that are open at once.
    pub max_executions: usize,
    /// What `validate` allows.
    pub validate: Policy,
    /// Whether rejected images become dead letters, too (`true`), or are recorded only.
    pub dead_letter_rejected: bool,
    /// Settings of each branch by name, and what they mean, in the branch's README.
    pub branches: BTreeMap<String, Value>,
    /// The alarm on the depth of the dead-letter queue.
    pub alarm_depth: AlarmConfig,
    /// The alarm on new dead letters a minute.
    pub alarm_new: AlarmConfig,
    /// `safelight serve`.
    pub serve: ServeConfig,
    /// A deployment on AWS that `history`, `audit`, `failures`, `backfill` and `doctor` work on, in
    /// place of the state folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsConfig>,
    /// Slack's incoming webhook; only from `SAFELIGHT_SLACK_WEBHOOK`.
    #[serde(skip)]
    pub slack_webhook: Option<Secret>,
}

/// A deployment on AWS, by what Terraform's outputs say. Region and credentials are the SDKs' own to
/// find: environment, profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsConfig {
    /// Name of the record's table.
    pub table: String,
    /// Bucket of the results.
    pub results_bucket: String,
    /// Bucket of the images, so that an image can be called by its key.
    #[serde(default)]
    pub images_bucket: Option<String>,
    /// URL of the queue of notifications.
    pub ingest_queue_url: String,
    /// URL of the queue of dead letters.
    pub dead_letter_queue_url: String,
    /// ARN of the state machine.
    pub state_machine_arn: String,
    /// Days after which what a command writes expires, as the functions' `SAFELIGHT_RETENTION_DAYS`: 1 to 65,535.
    #[serde(default)]
    pub retention_days: Option<NonZeroU16>,
}

/// When an alarm goes off, in CloudWatch's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmConfig {
    /// It goes off at this value or above.
    pub threshold: f64,
    /// Seconds of a period.
    pub period_seconds: u32,
    /// Periods that are looked at.
    pub evaluation_periods: u32,
    /// Periods of these that must be at the threshold.
    pub datapoints_to_alarm: u32,
}

impl Default for AlarmConfig {
    fn default() -> Self {
        Self {
            threshold: 1.0,
            period_seconds: 60,
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
        }
    }
}

/// `safelight serve`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// Address to listen on. Anything but loopback needs a token.
    pub listen: String,
    /// Largest upload, bytes.
    pub max_upload_bytes: u64,
    /// Buckets: names and folders.
    pub buckets: BTreeMap<String, BucketConfig>,
    /// Bearer token; only from `SAFELIGHT_TOKEN`.
    #[serde(skip)]
    pub token: Option<Token>,
}

/// A bucket: a folder with a name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// The folder.
    pub path: PathBuf,
    /// Whether files that appear in it are processed.
    #[serde(default = "yes")]
    pub watch: bool,
}

const fn yes() -> bool {
    true
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7878".into(),
            max_upload_bytes: 512 << 20,
            buckets: BTreeMap::new(),
            token: None,
        }
    }
}

impl ServeConfig {
    /// Refuses to listen beyond loopback without a token.
    pub fn check_listen(&self) -> anyhow::Result<()> {
        let addresses = self.listen.to_socket_addrs().map_err(|error| {
            with_next_step(
                format!("'{}' is not an address to listen on: {error}", self.listen),
                "give HOST:PORT, such as 127.0.0.1:7878",
            )
        })?;
        let beyond = addresses
            .into_iter()
            .any(|address| !address.ip().is_loopback());
        if beyond && self.token.is_none() {
            return Err(with_next_step(
                format!(
                    "{} can be reached from other machines, and no token is set",
                    self.listen
                ),
                "set SAFELIGHT_TOKEN to a long random text, or listen on 127.0.0.1",
            ));
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            out: "results".into(),
            state_dir: ".safelight".into(),
            max_executions: 32,
            validate: Policy::default(),
            dead_letter_rejected: true,
            branches: BTreeMap::new(),
            alarm_depth: AlarmConfig::default(),
            alarm_new: AlarmConfig::default(),
            serve: ServeConfig::default(),
            aws: None,
            slack_webhook: None,
        }
    }
}

/// Name of the file that is read when no other is given.
pub const FILE: &str = "safelight.toml";

impl Config {
    /// Reads `file` (or `safelight.toml`, if it is there), then the environment.
    pub fn load(file: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let file = file.or_else(|| Some(Path::new(FILE)).filter(|file| file.exists()));
        let mut config = match file {
            Some(file) => Self::read(file)?,
            None => Self::default(),
        };
        config.apply_environment(env);
        config.check()?;
        // Only the file has settings of branches.
        if let Some(file) = file {
            settings::check(&config.branches, &file.display().to_string())?;
        }
        Ok(config)
    }

    fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).or_next_step(
            &format!("the configuration {} cannot be read", file.display()),
            "name a file that is there with --config, or leave it out: ./safelight.toml is read if it is there",
        )?;
        Self::parse(&text).map_err(|error| {
            with_next_step(
                format!("the configuration {} is not valid: {error}", file.display()),
                "docs/configuration.md lists every key",
            )
        })
    }

    /// Parses the text of a `safelight.toml`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    fn apply_environment(&mut self, env: impl Fn(&str) -> Option<String>) {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        if let Some(out) = set("SAFELIGHT_OUT") {
            self.out = out.into();
        }
        if let Some(folder) = set("SAFELIGHT_STATE_DIR") {
            self.state_dir = folder.into();
        }
        if let Some(listen) = set("SAFELIGHT_LISTEN") {
            self.serve.listen = listen;
        }
        self.serve.token = set("SAFELIGHT_TOKEN").and_then(Token::new);
        self.slack_webhook = set("SAFELIGHT_SLACK_WEBHOOK").map(Secret::new);
    }

    /// What the types do not check.
    fn check(&self) -> anyhow::Result<()> {
        let bad = |key: &str, problem: &str| {
            Err(with_next_step(
                format!("{key} {problem}"),
                "docs/configuration.md lists every key and its range",
            ))
        };
        if self.aws.is_some() && !cfg!(feature = "aws") {
            return Err(with_next_step(
                "[aws] is set, and this build has no adapters of AWS",
                "build with `--features aws`, or leave the section out",
            ));
        }
        if self.max_executions == 0 || self.max_executions > 10_000 {
            return bad("max_executions", "must be within 1 to 10000");
        }
        let validate = &self.validate;
        if validate.formats.is_empty() {
            return bad("validate.formats", "is empty: no image would pass");
        }
        // NaN is in no range.
        if !(0.0..=1e6).contains(&validate.max_megapixels) || validate.max_megapixels == 0.0 {
            return bad(
                "validate.max_megapixels",
                "must be above 0, at most 1000000",
            );
        }
        if validate.min_side > validate.max_side || validate.max_side == 0 {
            return bad(
                "validate.min_side",
                "must not be above validate.max_side: no image would pass",
            );
        }
        if validate.max_bytes == 0 || validate.max_frames == 0 {
            return bad(
                "validate.max_bytes and validate.max_frames",
                "must be 1 or more",
            );
        }
        for (name, alarm) in [
            ("alarm_depth", &self.alarm_depth),
            ("alarm_new", &self.alarm_new),
        ] {
            if !(10..=86_400).contains(&alarm.period_seconds) {
                return bad(name, "period_seconds must be within 10 to 86400");
            }
            if !(1..=100).contains(&alarm.evaluation_periods)
                || !(1..=alarm.evaluation_periods).contains(&alarm.datapoints_to_alarm)
            {
                return bad(
                    name,
                    "needs 1 ≤ datapoints_to_alarm ≤ evaluation_periods ≤ 100",
                );
            }
            if !alarm.threshold.is_finite() || alarm.threshold <= 0.0 {
                return bad(name, "threshold must be above 0");
            }
        }
        for name in self.serve.buckets.keys() {
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
            let allowed = |character: char| {
                character.is_ascii_lowercase()
                    || character.is_ascii_digit()
                    || "-.".contains(character)
            };
            if !(3..=63).contains(&name.len()) || !name.chars().all(allowed) || name == "results" {
                return bad(
                    &format!("serve.buckets.{name}"),
                    "is not a bucket name: 3 to 63 lower-case letters, digits, hyphens and dots, and not 'results'",
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn load(text: &str) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("safelight.toml");
        std::fs::write(&file, text)?;
        Config::load(Some(&file), |_| None)
    }

    #[test]
    fn the_documented_file_is_the_defaults() {
        let documented = load(include_str!("../../../docs/safelight.toml")).unwrap();
        assert_eq!(
            serde_json::to_value(documented).unwrap(),
            serde_json::to_value(Config::default()).unwrap()
        );
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = load("stat_dir = \"x\"").unwrap_err();
        assert!(
            crate::failure::render(&error).contains("stat_dir"),
            "{error:?}"
        );
    }

    #[test]
    fn the_environment_is_above_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("safelight.toml");
        std::fs::write(&file, "out = \"from-file\"").unwrap();
        let config = Config::load(Some(&file), |name| {
            (name == "SAFELIGHT_OUT").then(|| "from-environment".into())
        })
        .unwrap();
        assert_eq!(config.out, PathBuf::from("from-environment"));
    }

    #[test]
    fn ranges_are_checked() {
        for text in [
            "max_executions = 0",
            "[alarm_new]\nthreshold = 0.0",
            "[validate]\nformats = []",
            "[validate]\nmax_megapixels = nan",
            "[validate]\nmin_side = 100\nmax_side = 10",
            "[validate]\nmax_frames = 0",
            "[alarm_new]\nevaluation_periods = 2\ndatapoints_to_alarm = 3",
            "[serve.buckets.results]\npath = \"x\"",
            "[serve.buckets.UPPER]\npath = \"x\"",
        ] {
            assert!(load(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_deployment_is_named_whole_and_needs_a_build_that_reaches_it() {
        let whole = "[aws]\ntable = \"t\"\nresults_bucket = \"r\"\ningest_queue_url = \"i\"\n\
                     dead_letter_queue_url = \"d\"\nstate_machine_arn = \"s\"\n";
        let loaded = load(whole);
        if cfg!(feature = "aws") {
            assert_eq!(loaded.unwrap().aws.unwrap().table, "t");
        } else {
            let error = crate::failure::render(&loaded.unwrap_err());
            assert!(error.contains("--features aws"), "{error}");
        }
        for part in ["table", "state_machine_arn"] {
            let lines = whole.lines().filter(|line| !line.starts_with(part));
            let text: Vec<&str> = lines.collect();
            let error = crate::failure::render(&load(&text.join("\n")).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        assert!(load(&format!("{whole}tabel = \"t\"\n")).is_err());
        for days in ["0", "65536", "-1", "1.5"] {
            let text = format!("{whole}retention_days = {days}\n");
            let error = crate::failure::render(&load(&text).unwrap_err());
            assert!(error.contains("retention_days"), "{error}");
        }
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hush");
        assert!(!format!("{secret:?}{}", serde_json::to_string(&secret).unwrap()).contains("hush"));
    }

    /// Text that is close enough to a configuration to get past the parser now and then.
    fn tomlish() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            Just("out"),
            Just("state_dir"),
            Just("max_executions"),
            Just("validate"),
            Just("alarm_new"),
            Just("alarm_depth.threshold"),
            Just("period_seconds"),
            Just("threshold"),
            Just("serve"),
            Just("listen"),
            Just("buckets.photos"),
            Just("branches.label"),
            Just("path"),
            Just("\"ü.x\""),
        ];
        let value = prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| number.to_string()),
            any::<String>().prop_map(|text| format!("{text:?}")),
            Just("{ path = \"p\", watch = true }".to_owned()),
            Just("[".repeat(500)),
            Just("1979-05-27T07:32:00Z".to_owned()),
            Just("\"\"\"".to_owned()),
            Just("true".to_owned()),
        ];
        let line = prop_oneof![
            8 => (key.clone(), value).prop_map(|(key, value)| format!("{key} = {value}")),
            2 => key.prop_map(|key| format!("[{key}]")),
            1 => any::<String>(),
        ];
        proptest::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #[test]
        fn any_text_is_a_configuration_or_an_error_that_says_why(text in tomlish()) {
            match load(&text) {
                Ok(config) => prop_assert!((1..=10_000).contains(&config.max_executions)),
                Err(error) => {
                    let shown = crate::failure::render(&error);
                    let (what, next) = shown.split_once("\n  next: ").unwrap_or((&shown, ""));
                    prop_assert!(what.len() > "error: ".len() && !next.is_empty(), "{}", shown);
                }
            }
        }
    }
}
