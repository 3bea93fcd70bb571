//! `safelight workflow cost`: what images cost on AWS, item by item, computed from the definition, the
//! manifests, and a file of prices and of what is assumed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use safelight_schema::Manifest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{OrNextStep as _, usage};
use crate::terminal;

/// The prices that this binary knows.
pub const PRICES: &str = include_str!("../../../../workflows/prices.json");

/// Memory of a function of the trunk, MB: what its `function.json` says.
const TRUNK_MEMORY_MB: f64 = 256.0;

/// Functions of the trunk that a clean run calls.
const CLEAN_TRUNK: [&str; 3] = ["validate", "route", "complete"];

/// Functions that the state machine does not call; the queues' batches do.
const FED_BY_QUEUES: [&str; 2] = ["start", "record"];

/// Prices, and what is assumed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Whose prices.
    region: String,
    /// Of when.
    as_of: String,
    #[serde(rename = "note")]
    _note: String,
    per_million: PerMillion,
    /// Of actions that a branch's manifest asks for: one call an image.
    per_million_calls: BTreeMap<String, f64>,
    assumed: Assumed,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PerMillion {
    state_transitions: f64,
    lambda_requests: f64,
    lambda_gb_seconds: f64,
    dynamodb_write_units: f64,
    dynamodb_read_units: f64,
    s3_puts: f64,
    s3_gets: f64,
    sns_publishes: f64,
    sqs_requests: f64,
    kms_requests: f64,
    log_megabytes: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Assumed {
    trunk: Usage,
    branch: Usage,
    batch: f64,
    log_bytes_an_invocation: f64,
    milliseconds: BTreeMap<String, f64>,
    milliseconds_of_others: f64,
}

/// What an image uses, or one of its branches.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Usage {
    write_units: f64,
    read_units: f64,
    s3_puts: f64,
    s3_gets: f64,
    sns_publishes: f64,
    sqs_requests: f64,
    kms_requests: f64,
}

/// What `workflow cost --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Cost {
    /// Images.
    pub images: u64,
    /// Branches that every image goes to.
    pub branches: Vec<String>,
    /// Whose prices, and of when.
    pub prices: String,
    /// Item by item.
    pub items: Vec<Line>,
    /// The sum, US dollars.
    pub dollars: f64,
}

/// One item of the bill.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Line {
    /// What.
    pub item: String,
    /// How many of it an image needs.
    pub each: f64,
    /// Price of a million, US dollars.
    pub per_million: f64,
    /// Of all images, US dollars.
    pub dollars: f64,
}

impl Prices {
    /// Reads a file of the form of `workflows/prices.json`, or what this binary knows.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else {
            return serde_json::from_str(PRICES).context("the prices of this binary");
        };
        let next = "start from workflows/prices.json: every key of it is needed";
        let text = std::fs::read_to_string(file)
            .or_next_step(&format!("{} cannot be read", file.display()), next)?;
        serde_json::from_str(&text).or_next_step(&format!("{} has no prices", file.display()), next)
    }
}

/// States that a clean run enters: the trunk's, and for each branch its Dispatch and its own.
pub fn states_entered(definition: &Value, branches: &[String]) -> Option<u64> {
    let walk = Walk {
        states: definition.get("States")?,
        branch: None,
        branches,
    };
    walk.longest(definition.get("StartAt")?.as_str()?, &mut BTreeSet::new())
}

/// A flow, and what is done in it.
struct Walk<'a> {
    states: &'a Value,
    /// The branch whose states are walked through.
    branch: Option<&'a str>,
    branches: &'a [String],
}

impl Walk<'_> {
    /// The longest way from a state to an end that is no failure; none if every way is one.
    fn longest(&self, name: &str, seen: &mut BTreeSet<String>) -> Option<u64> {
        let state = self.states.get(name)?;
        // A loop is entered once: how often it turns, nobody knows here.
        if !seen.insert(name.to_owned()) {
            return None;
        }
        let text = |key: &str| state.get(key).and_then(Value::as_str);
        let found = match text("Type")? {
            "Fail" => None,
            "Succeed" => Some(1),
            "Choice" => {
                let choices = state.get("Choices").and_then(Value::as_array);
                let ways = choices.into_iter().flatten();
                let ways = ways.filter_map(|way| way.get("Next").and_then(Value::as_str));
                ways.chain(text("Default"))
                    .filter(|way| self.leads_to_branch(way))
                    .filter_map(|way| self.longest(way, seen))
                    .max()
                    .map(|rest| rest + 1)
            }
            _ => {
                let inside = self.inside(state)?;
                match text("Next") {
                    Some(next) => self.longest(next, seen).map(|rest| rest + 1 + inside),
                    None => Some(1 + inside),
                }
            }
        };
        seen.remove(name);
        found
    }

    /// Within the Map over the branches a Choice dispatches: only to the branch that is walked.
    fn leads_to_branch(&self, way: &str) -> bool {
        self.branch
            .is_none_or(|branch| way.starts_with(&format!("{branch}/")))
    }

    /// States that a Map enters, once for each branch; other states enter none.
    fn inside(&self, state: &Value) -> Option<u64> {
        let Some(processor) = state.get("ItemProcessor") else {
            return Some(0);
        };
        let (states, start) = (
            processor.get("States")?,
            processor.get("StartAt")?.as_str()?,
        );
        self.branches
            .iter()
            .map(|branch| {
                let walk = Walk {
                    states,
                    branch: Some(branch),
                    branches: &[],
                };
                walk.longest(start, &mut BTreeSet::new())
            })
            .sum()
    }
}

/// The functions that a definition calls beside its branches'.
fn called(definition: &Value, found: &mut BTreeSet<String>) {
    match definition {
        Value::Object(fields) => {
            if let Some(Value::String(name)) = fields.get("FunctionName") {
                let name = name.strip_prefix(safelight_compose::FUNCTION_PREFIX);
                found.extend(name.map(str::to_owned));
            }
            fields.values().for_each(|value| called(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| called(value, found)),
        _ => {}
    }
}

/// What `images` cost that go to all of `manifests`.
pub fn cost(
    definition: &Value,
    manifests: &[&Manifest],
    prices: &Prices,
    images: u64,
) -> anyhow::Result<Cost> {
    let branches: Vec<String> = manifests.iter().map(|it| it.name.clone()).collect();
    let states = states_entered(definition, &branches).ok_or_else(|| {
        usage(
            "the definition has no way through these branches",
            "`safelight branch list` names them",
        )
    })?;
    let assumed = &prices.assumed;
    let time = |name: &str| {
        let known = assumed.milliseconds.get(name);
        known.copied().unwrap_or(assumed.milliseconds_of_others) / 1_000.0
    };
    let mut functions = BTreeSet::new();
    called(definition, &mut functions);
    functions.retain(|name| CLEAN_TRUNK.contains(&name.as_str()) || branches.contains(name));
    functions.extend(FED_BY_QUEUES.map(str::to_owned));
    let (mut requests, mut gigabyte_seconds) = (0.0, 0.0);
    for name in &functions {
        requests += if FED_BY_QUEUES.contains(&name.as_str()) {
            1.0 / assumed.batch
        } else {
            1.0
        };
        let manifest = manifests.iter().find(|it| it.name == *name);
        let memory = manifest.map_or(TRUNK_MEMORY_MB, |it| f64::from(it.memory_mb));
        gigabyte_seconds += memory / 1_024.0 * time(name);
    }
    let many = branches.len() as f64;
    let usage = |of: fn(&Usage) -> f64| of(&assumed.trunk) + many * of(&assumed.branch);
    let unit = &prices.per_million;
    let mut items = vec![
        item(
            "Step Functions: state transitions",
            states as f64,
            unit.state_transitions,
        ),
        item("Lambda: requests", requests, unit.lambda_requests),
        item(
            "Lambda: GB-seconds",
            gigabyte_seconds,
            unit.lambda_gb_seconds,
        ),
        item(
            "DynamoDB: write units",
            usage(|it| it.write_units),
            unit.dynamodb_write_units,
        ),
        item(
            "DynamoDB: read units",
            usage(|it| it.read_units),
            unit.dynamodb_read_units,
        ),
        item("S3: PUT", usage(|it| it.s3_puts), unit.s3_puts),
        item("S3: GET", usage(|it| it.s3_gets), unit.s3_gets),
        item(
            "SNS: publishes",
            usage(|it| it.sns_publishes),
            unit.sns_publishes,
        ),
        item(
            "SQS: requests",
            usage(|it| it.sqs_requests),
            unit.sqs_requests,
        ),
        item(
            "KMS: requests",
            usage(|it| it.kms_requests),
            unit.kms_requests,
        ),
        item(
            "CloudWatch Logs: MB",
            functions.len() as f64 * assumed.log_bytes_an_invocation / 1e6,
            unit.log_megabytes,
        ),
    ];
    for (action, price) in &prices.per_million_calls {
        let asks = |manifest: &&&Manifest| {
            let mut permissions = manifest.permissions.iter();
            permissions.any(|permission| permission.actions.contains(action))
        };
        let calls = manifests.iter().filter(asks).count();
        if calls > 0 {
            items.push(item(action, calls as f64, *price));
        }
    }
    for item in &mut items {
        item.dollars = item.each * item.per_million * images as f64 / 1e6;
    }
    Ok(Cost {
        images,
        branches,
        prices: format!("{}, {}", prices.region, prices.as_of),
        dollars: items.iter().map(|item| item.dollars).sum(),
        items,
    })
}

fn item(name: &str, each: f64, per_million: f64) -> Line {
    Line {
        item: name.to_owned(),
        each,
        per_million,
        dollars: 0.0,
    }
}

/// Prints it.
pub fn print(cost: &Cost, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(cost)?);
        return Ok(());
    }
    let mut table = terminal::table(&["Item", "An image", "$ a million", "$"]);
    for item in &cost.items {
        table.add_row([
            item.item.clone(),
            format!("{:.3}", item.each),
            format!("{:.3}", item.per_million),
            format!("{:.2}", item.dollars),
        ]);
    }
    println!("{table}\n");
    println!(
        "{} images through {}: {:.2} US dollars by the prices of {}",
        cost.images,
        match cost.branches.as_slice() {
            [] => "no branch".to_owned(),
            branches => branches.join(", "),
        },
        cost.dollars,
        cost.prices
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use safelight_compose::IMAGE_ASL;

    use super::*;

    fn computed(names: &[&str]) -> Cost {
        let all = safelight_functions::manifests().unwrap();
        let chosen: Vec<&Manifest> = all
            .iter()
            .filter(|it| names.contains(&it.name.as_str()))
            .collect();
        assert_eq!(chosen.len(), names.len());
        let definition = serde_json::from_str(IMAGE_ASL).unwrap();
        cost(
            &definition,
            &chosen,
            &Prices::read(None).unwrap(),
            1_000_000,
        )
        .unwrap()
    }

    fn each(cost: &Cost, name: &str) -> f64 {
        let found = cost.items.iter().find(|item| item.item.contains(name));
        found.map_or(0.0, |item| item.each)
    }

    #[test]
    fn a_clean_run_of_three_branches_enters_at_most_eleven_states() {
        let cost = computed(&["compress", "label", "thumbnail"]);
        let states = each(&cost, "state transitions");
        assert!((states - 11.0).abs() < 1e-9, "{states}");
        assert!(each(&cost, "write units") <= 25.0);
        assert!(each(&cost, "read units") <= 20.0);
        // validate, route, complete, three branches, and two that are fed by batches of ten.
        assert!((each(&cost, "requests") - 6.2).abs() < 1e-9);
    }

    #[test]
    fn cost_grows_with_the_branches_that_an_image_goes_to() {
        let (one, two) = (
            computed(&["thumbnail"]),
            computed(&["compress", "thumbnail"]),
        );
        assert!((each(&one, "state transitions") - 7.0).abs() < 1e-9);
        assert!((each(&two, "state transitions") - 9.0).abs() < 1e-9);
        assert!(one.dollars < two.dollars);
        assert!(each(&one, "rekognition").abs() < 1e-9);
        let labelled = computed(&["label"]);
        assert!((each(&labelled, "rekognition") - 1.0).abs() < 1e-9);
        assert!(labelled.dollars > 1_000.0);
        let sum: f64 = one.items.iter().map(|item| item.dollars).sum();
        assert!((sum - one.dollars).abs() < 1e-6);
    }

    #[test]
    fn a_price_that_is_missing_or_misspelt_is_an_error() {
        let mut prices: Value = serde_json::from_str(PRICES).unwrap();
        prices["per_million"]["s3_put"] = 1.0.into();
        assert!(serde_json::from_value::<Prices>(prices.clone()).is_err());
        let fields = prices["per_million"].as_object_mut().unwrap();
        fields.remove("s3_put");
        fields.remove("s3_puts");
        assert!(serde_json::from_value::<Prices>(prices).is_err());
    }
}
