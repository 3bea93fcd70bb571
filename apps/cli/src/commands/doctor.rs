//! `safelight doctor`: what is configured, what is missing, and the command that mends it.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use safelight_local::HostFile;
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::Place;
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::failure;
use crate::reader::Reader;
use crate::terminal;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// Works, but something is not set.
    Note,
    /// Does not work.
    Broken,
}

/// One check.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// The command or setting that mends it.
    pub mend: Option<String>,
}

/// Runs the command.
pub async fn run(place: &Place) -> anyhow::Result<Exit> {
    let mut checks = Vec::new();
    match Config::load(place.config.as_deref(), |name| std::env::var(name).ok()) {
        Ok(mut config) => {
            if let Some(folder) = &place.state_dir {
                config.state_dir.clone_from(folder);
            }
            checks.push(configuration(place));
            #[cfg(feature = "aws")]
            if let Some(aws) = &config.aws {
                checks.extend(deployment(aws).await);
                return finish(&checks, place);
            }
            checks.push(folder("results", &config.out, "--out DIR"));
            checks.push(folder("state", &config.state_dir, "--state-dir DIR"));
            checks.push(record(&config).await);
            checks.push(owner(&config));
            checks.push(functions());
            checks.push(slack(&config));
            checks.push(rekognition(&config));
            checks.push(listen(&config));
        }
        Err(error) => checks.push(Check {
            what: "configuration".into(),
            verdict: Verdict::Broken,
            found: failure::what(&error),
            mend: failure::next_step_of(&error).map(str::to_owned),
        }),
    }
    finish(&checks, place)
}

fn finish(checks: &[Check], place: &Place) -> anyhow::Result<Exit> {
    print(checks, place.json)?;
    let broken = checks.iter().any(|check| check.verdict == Verdict::Broken);
    Ok(if broken { Exit::Error } else { Exit::Fine })
}

fn print(checks: &[Check], json: bool) -> anyhow::Result<()> {
    if json {
        for check in checks {
            println!("{}", serde_json::to_string(check)?);
        }
        return Ok(());
    }
    let mut table = terminal::table(&["", "What", "Found", "To mend it"]);
    for check in checks {
        let mark = match check.verdict {
            Verdict::Fine => "✓",
            Verdict::Note => "·",
            Verdict::Broken => "✗",
        };
        table.add_row([
            mark,
            &check.what,
            &terminal::safe_lines(&check.found),
            check.mend.as_deref().unwrap_or(""),
        ]);
    }
    println!("{table}");
    Ok(())
}

fn check(what: &str, verdict: Verdict, found: impl Into<String>, mend: Option<&str>) -> Check {
    Check {
        what: what.into(),
        verdict,
        found: found.into(),
        mend: mend.map(str::to_owned),
    }
}

/// What the deployment's parts answer.
#[cfg(feature = "aws")]
async fn deployment(aws: &config::AwsConfig) -> Vec<Check> {
    let probed = crate::cloud::Cloud::open(aws).await.probe().await;
    let checks = probed.into_iter().map(|(what, answer)| match answer {
        Ok(found) => check(what, Verdict::Fine, found, None),
        Err(error) => check(
            what,
            Verdict::Broken,
            error,
            Some("compare [aws] with `terraform output`; look at AWS_PROFILE and AWS_REGION"),
        ),
    });
    checks.collect()
}

fn configuration(place: &Place) -> Check {
    let found = match &place.config {
        Some(file) => format!("read from {}", file.display()),
        None if Path::new(config::FILE).exists() => format!("read from {}", config::FILE),
        None => "built-in defaults".into(),
    };
    check("configuration", Verdict::Fine, found, None)
}

/// A folder that exists must be writable; one that does not must have a parent that is.
fn folder(what: &str, folder: &Path, mend: &str) -> Check {
    let existing = folder
        .ancestors()
        .map(|folder| {
            if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            }
        })
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("."));
    match tempfile_in(existing) {
        Ok(()) if folder.exists() => check(
            what,
            Verdict::Fine,
            format!("{} can be written", folder.display()),
            None,
        ),
        Ok(()) => check(
            what,
            Verdict::Fine,
            format!("{} will be made", folder.display()),
            None,
        ),
        Err(error) => check(
            what,
            Verdict::Broken,
            format!("{} cannot be written: {error}", existing.display()),
            Some(&format!(
                "give another folder with {mend}, or the right to write there"
            )),
        ),
    }
}

fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".safelight-doctor-{}", std::process::id()));
    std::fs::File::create_new(&probe)?;
    std::fs::remove_file(probe)
}

async fn record(config: &Config) -> Check {
    if !config.state_dir.join(crate::host::DATABASE).exists() {
        return check(
            "record",
            Verdict::Note,
            "empty: nothing was processed yet",
            Some("safelight process samples"),
        );
    }
    let read = async {
        let reader = Reader::open(config).await?;
        let executions = reader.engine_executions().await?.len();
        let failures = reader.browse(crate::host::DEAD_LETTERS).await?.len();
        anyhow::Ok((executions, failures))
    };
    match read.await {
        Ok((executions, 0)) => check(
            "record",
            Verdict::Fine,
            format!("{}, no failures", terminal::count(executions, "execution")),
            None,
        ),
        Ok((executions, failures)) => check(
            "record",
            Verdict::Note,
            format!(
                "{}, {failures} in the dead-letter queue",
                terminal::count(executions, "execution")
            ),
            Some("safelight failures list"),
        ),
        Err(error) => {
            let mend = if failure::is_damaged(&error) {
                failure::mend_damaged(&config.state_dir.join(crate::host::DATABASE))
            } else {
                "mend that, or give another state folder with --state-dir".to_owned()
            };
            check(
                "record",
                Verdict::Broken,
                failure::what(&error),
                Some(&mend),
            )
        }
    }
}

fn owner(config: &Config) -> Check {
    // What a killed host left behind names an address at which nobody is.
    let reachable =
        |host: &HostFile| TcpStream::connect_timeout(&host.address, Duration::from_secs(1)).is_ok();
    match HostFile::read(&config.state_dir).filter(reachable) {
        Some(host) => check(
            "host",
            Verdict::Fine,
            format!("running: process {} at {}", host.pid, host.address),
            None,
        ),
        None => check("host", Verdict::Fine, "not running", None),
    }
}

fn functions() -> Check {
    let names: Vec<&str> = safelight_functions::names().collect();
    check("functions", Verdict::Fine, names.join(", "), None)
}

fn slack(config: &Config) -> Check {
    match &config.slack_webhook {
        Some(_) => check("Slack", Verdict::Fine, "the webhook is set", None),
        None => check(
            "Slack",
            Verdict::Note,
            "no webhook: alarms are logged only",
            Some("export SAFELIGHT_SLACK_WEBHOOK=https://hooks.slack.com/services/…"),
        ),
    }
}

fn rekognition(config: &Config) -> Check {
    // That a build without Rekognition was told to use it, the configuration says already.
    let found = if crate::host::labels_by_rekognition(config) {
        "from Rekognition"
    } else {
        "from image properties, on this machine"
    };
    check("labels", Verdict::Fine, found, None)
}

fn listen(config: &Config) -> Check {
    match config.serve.check_listen() {
        Ok(()) => check(
            "serve",
            Verdict::Fine,
            format!("would listen on {}", config.serve.listen),
            None,
        ),
        Err(error) => check(
            "serve",
            Verdict::Broken,
            failure::what(&error),
            failure::next_step_of(&error),
        ),
    }
}
