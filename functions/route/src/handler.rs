//! Applies the rules of every branch of the workflow and records the choice.

use std::collections::BTreeSet;

use safelight_kit::task::{Done, Failure, Recorded, Task, TaskCall};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Place};
use safelight_schema::manifest::MAX_BRANCHES;
use safelight_schema::task::{BranchRule, RouteInput, RouteOutput};
use safelight_schema::{EventData, Lane, SkippedBranch, WantedBranch, error_name};
use serde::Deserialize;

use crate::rules::{BranchSettings, SkipReason, explain_with};

/// The function.
pub const FUNCTION: Function = Function {
    name: "route",
    place: Place::Trunk,
    build,
};

/// The settings of `route`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The features of the build, such as `heic`.
    pub features: BTreeSet<String>,
    /// The settings of each branch: a manifest may narrow its rule by them, as `label` does with
    /// Rekognition.
    pub branches: BranchSettings,
}

struct Route {
    settings: Settings,
}

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    let task = Route {
        settings: adapters.settings(FUNCTION.name)?,
    };
    Ok(Box::new(Recorded::new(
        FUNCTION.name,
        Lane::Trunk,
        adapters,
        task,
    )))
}

impl Task for Route {
    type Input = RouteInput;
    type Output = RouteOutput;

    async fn run(&self, call: TaskCall<RouteInput>) -> Result<Done<RouteOutput>, Failure> {
        let (wanted, skipped) = self.choose(&call.input, &call.image.key)?;
        let names = wanted.iter().map(|wanted| wanted.branch.clone()).collect();
        Ok(Done {
            output: RouteOutput {
                wanted: names,
                skipped: skipped.clone(),
            },
            events: vec![EventData::ImageRouted { wanted, skipped }],
            pointers: Vec::new(),
        })
    }
}

impl Route {
    fn choose(
        &self,
        input: &RouteInput,
        key: &str,
    ) -> Result<(Vec<WantedBranch>, Vec<SkippedBranch>), FunctionError> {
        let only = input.only.as_deref();
        if let Some(unknown) = only.unwrap_or_default().iter().find(|name| {
            let known = |rule: &BranchRule| rule.branch == **name;
            !input.branches.iter().any(known)
        }) {
            return Err(FunctionError::new(
                &error_name::BRANCH_UNKNOWN,
                format!(
                    "the execution is for branch '{unknown}', which the workflow does not have"
                ),
            ));
        }
        let (mut wanted, mut skipped) = (Vec::new(), Vec::new());
        for rule in &input.branches {
            match self.wants(rule, input, key) {
                Ok(()) => wanted.push(WantedBranch {
                    branch: rule.branch.clone(),
                    version: rule.version.clone(),
                }),
                Err(SkipReason { reason, error }) => skipped.push(SkippedBranch {
                    branch: rule.branch.clone(),
                    reason,
                    error: error.map(Into::into),
                }),
            }
        }
        if wanted.len() > MAX_BRANCHES {
            return Err(FunctionError::new(
                &error_name::BRANCH_TOO_MANY,
                format!(
                    "{} branches want the image; at most {MAX_BRANCHES} may",
                    wanted.len()
                ),
            ));
        }
        Ok((wanted, skipped))
    }

    fn wants(&self, rule: &BranchRule, input: &RouteInput, key: &str) -> Result<(), SkipReason> {
        if let Some(only) = &input.only
            && !only.contains(&rule.branch)
        {
            return Err(SkipReason::not_asked_for());
        }
        let Settings { features, branches } = &self.settings;
        explain_with(rule, &input.facts, key, features, branches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_kit::testing::{Bench, facts, image, task_event};
    use safelight_schema::Format;
    use safelight_schema::manifest::{Narrowing, When};
    use serde_json::{Value, json};

    fn rule(branch: &str, when: When) -> BranchRule {
        BranchRule {
            branch: branch.into(),
            version: "1".into(),
            when,
        }
    }

    fn event(branches: Vec<BranchRule>, only: Option<Vec<String>>) -> Value {
        let input = RouteInput {
            facts: facts(),
            branches,
            only,
        };
        task_event("Route", 0, &image("photos/a.jpg"), &input)
    }

    fn png_only() -> When {
        When {
            formats: Some(vec![Format::Png]),
            ..When::default()
        }
    }

    #[tokio::test]
    async fn every_branch_is_wanted_or_skipped_with_a_reason() {
        // Invariants 1 and 2.
        let bench = Bench::new();
        let event = event(
            vec![rule("label", When::default()), rule("sprite", png_only())],
            None,
        );
        let answer = bench.call(&FUNCTION, event.clone()).await.unwrap();
        assert_eq!(
            answer,
            json!({
                "wanted": ["label"],
                "skipped": [{ "branch": "sprite", "reason": "jpeg; it takes png" }],
            })
        );
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            ["state.entered.v1", "image.routed.v1", "state.succeeded.v1"]
        );
        let appends = bench.record.appends();
        assert_eq!(bench.call(&FUNCTION, event).await.unwrap(), answer);
        assert_eq!(bench.record.appends(), appends);
    }

    #[tokio::test]
    async fn only_what_is_asked_for_is_wanted() {
        let bench = Bench::new();
        let branches = vec![
            rule("label", When::default()),
            rule("sprite", When::default()),
        ];
        let answer = bench
            .call(
                &FUNCTION,
                event(branches.clone(), Some(vec!["sprite".into()])),
            )
            .await
            .unwrap();
        assert_eq!(answer["wanted"], json!(["sprite"]));
        assert_eq!(answer["skipped"][0]["reason"], "not asked for");
        let error = bench
            .call(&FUNCTION, event(branches, Some(vec!["gone".into()])))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Branch.Unknown");
    }

    #[tokio::test]
    async fn at_most_24_are_wanted() {
        // Invariant 3.
        let many = |count: usize| {
            (0..count)
                .map(|index| rule(&format!("b{index}"), When::default()))
                .collect()
        };
        let answer = Bench::new().call(&FUNCTION, event(many(24), None)).await;
        assert_eq!(answer.unwrap()["wanted"].as_array().unwrap().len(), 24);
        let error = Bench::new().call(&FUNCTION, event(many(25), None)).await;
        assert_eq!(error.unwrap_err().name(), "Branch.TooMany");
    }

    #[tokio::test]
    async fn the_settings_narrow_a_branch() {
        let bench = Bench::new();
        let when = When {
            narrow: vec![Narrowing {
                setting: "provider".into(),
                value: "rekognition".into(),
                when: png_only(),
            }],
            ..When::default()
        };
        let event = event(vec![rule("label", when)], None);
        let mut adapters = bench.adapters();
        for (provider, wanted) in [("properties", true), ("rekognition", false)] {
            adapters.settings = json!({ "branches": { "label": { "provider": provider } } });
            let answer = bench.call_with(&FUNCTION, adapters.clone(), event.clone());
            let answer = answer.await.unwrap();
            assert_eq!(answer["wanted"] == json!(["label"]), wanted, "{answer}");
            if !wanted {
                assert_eq!(
                    answer["skipped"][0]["reason"],
                    "jpeg; it takes png (with provider rekognition)"
                );
            }
        }
    }
}
