//! The states of one branch, ready for the flow around the dispatch.

use serde_json::{Map, Value, json};

use crate::error::ComposeError;
use crate::folder::BranchFolder;
use crate::placeholder;

/// Seconds that a Task has beyond its function's own timeout, so that the function's own error comes
/// first: a cold start (10 s at most) and the way there and back.
pub const TASK_TIMEOUT_MARGIN_SECONDS: u32 = 30;

/// The state of a branch that turns its error into its result.
const FAILED: &str = "Failed";

/// The states of a branch and the one that it starts with.
pub(crate) struct BranchStates {
    pub(crate) start_at: String,
    pub(crate) states: Map<String, Value>,
}

/// What stands before a function's name in the definition.
pub const FUNCTION_PREFIX: &str = "safelight-";

/// The functions that are no branch's: a branch of such a name would call one of them.
pub(crate) const RESERVED: [&str; 7] = [
    "start", "validate", "route", "complete", "fail", "record", "alert",
];

/// The name that the definition gives the branch's function.
pub fn function_of(branch: &str) -> String {
    format!("{FUNCTION_PREFIX}{branch}")
}

/// The branch's states, prefixed, with its `Failed` at the end.
pub(crate) fn of(folder: &BranchFolder) -> Result<BranchStates, ComposeError> {
    let branch = Branch { folder };
    if RESERVED.contains(&folder.name()) {
        return Err(branch.refuse(
            "branch.json (name)",
            "is the name of a function of the product",
        ));
    }
    let definition = match &folder.states {
        Some(definition) => definition.clone(),
        None => branch.single_task(),
    };
    let definition = placeholder::expand(definition, "", &|text| branch.placeholder(text))
        .map_err(|(location, text)| {
            branch.refuse(&location, format!("'{text}' stands for nothing here"))
        })?;
    let Value::Object(fields) = definition else {
        return Err(branch.refuse("/", "must be an object with StartAt and States"));
    };
    for (field, value) in &fields {
        match field.as_str() {
            "StartAt" | "States" | "Comment" => {}
            "QueryLanguage" if value == "JSONata" => {}
            "QueryLanguage" => {
                return Err(branch.refuse("/QueryLanguage", "must be JSONata, as the trunk's is"));
            }
            _ => {
                return Err(branch.refuse(
                    &format!("/{field}"),
                    "is not a field of a branch: StartAt, States, Comment and QueryLanguage are",
                ));
            }
        }
    }
    let (start_at, mut states) = branch.flow(fields, "", true)?;
    states.insert(
        branch.prefixed(FAILED),
        json!({
            "Type": "Pass",
            "Output": {
                "branch": folder.name(),
                "error": placeholder::error_of("$states.input"),
            },
            "End": true
        }),
    );
    Ok(BranchStates { start_at, states })
}

struct Branch<'a> {
    folder: &'a BranchFolder,
}

impl Branch<'_> {
    fn prefixed(&self, name: &str) -> String {
        format!("{}/{name}", self.folder.name())
    }

    fn refuse(&self, location: &str, problem: impl Into<String>) -> ComposeError {
        ComposeError::States {
            branch: self.folder.name().to_owned(),
            location: location.to_owned(),
            problem: problem.into(),
        }
    }

    fn timeout(&self) -> u32 {
        self.folder.manifest.timeout_seconds + TASK_TIMEOUT_MARGIN_SECONDS
    }

    fn placeholder(&self, text: &str) -> Option<Value> {
        match text {
            "@function" => Some(Value::String(function_of(self.folder.name()))),
            "@payload" => Some(json!({
                "context": placeholder::context(),
                "image": "{% $image %}",
                "branch": self.folder.name(),
                "version": self.folder.manifest.version,
                "facts": "{% $facts %}"
            })),
            _ => placeholder::common(text),
        }
    }

    /// What a branch without states of its own is. Absent fields of an odd answer are left out, so
    /// that a function in another language cannot make the expression fail.
    fn single_task(&self) -> Value {
        let name = self.folder.name();
        json!({
            "StartAt": "Run",
            "States": {
                "Run": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::lambda:invoke",
                    "Arguments": {"FunctionName": "@function", "Payload": "@payload"},
                    "TimeoutSeconds": self.timeout(),
                    "Output": format!(
                        "{{% {{'branch': '{name}', 'outputs': $states.result.Payload.outputs, 'details': $states.result.Payload.details}} %}}"
                    ),
                    "End": true
                }
            }
        })
    }

    /// A flow with its names prefixed. `outermost` is the branch itself; the others are the flows of
    /// its Map and Parallel states, which hold their own errors.
    fn flow(
        &self,
        mut fields: Map<String, Value>,
        location: &str,
        outermost: bool,
    ) -> Result<(String, Map<String, Value>), ComposeError> {
        let Some(Value::String(start_at)) = fields.remove("StartAt") else {
            return Err(self.refuse(&format!("{location}/StartAt"), "must name the first state"));
        };
        let Some(Value::Object(states)) = fields.remove("States") else {
            return Err(self.refuse(&format!("{location}/States"), "must be an object of states"));
        };
        if !states.contains_key(&start_at) {
            return Err(self.refuse(
                &format!("{location}/StartAt"),
                format!("there is no state '{start_at}'"),
            ));
        }
        let mut prefixed = Map::new();
        for (name, state) in states {
            let at = format!("{location}/States/{name}");
            if name == FAILED {
                return Err(self.refuse(&at, "composition adds the state 'Failed' itself"));
            }
            let full = self.prefixed(&name);
            if full.chars().count() > safelight_asl::MAX_NAME_CHARACTERS {
                return Err(self.refuse(
                    &at,
                    format!(
                        "'{full}' is longer than {} characters",
                        safelight_asl::MAX_NAME_CHARACTERS
                    ),
                ));
            }
            let Value::Object(state) = state else {
                return Err(self.refuse(&at, "must be an object"));
            };
            prefixed.insert(full, Value::Object(self.state(state, &at, outermost)?));
        }
        Ok((self.prefixed(&start_at), prefixed))
    }

    fn state(
        &self,
        mut state: Map<String, Value>,
        at: &str,
        outermost: bool,
    ) -> Result<Map<String, Value>, ComposeError> {
        self.prefix_targets(&mut state);
        let kind = state
            .get("Type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        match kind.as_str() {
            "Task" => self.task(&mut state, at)?,
            "Map" => self.inner(&mut state, "ItemProcessor", at)?,
            "Parallel" => self.parallel(&mut state, at)?,
            "Choice" if outermost && !state.contains_key("Default") => {
                return Err(self.refuse(
                    at,
                    "a Choice needs a Default: without one, an image that no rule matches would stop the other branches",
                ));
            }
            "Fail" if outermost => return Ok(self.fail_to_result(&state)),
            _ => {}
        }
        if outermost && matches!(kind.as_str(), "Task" | "Map" | "Parallel") {
            self.catch_all(&mut state, at)?;
        }
        Ok(state)
    }

    fn prefix_targets(&self, state: &mut Map<String, Value>) {
        for field in ["Next", "Default"] {
            if let Some(Value::String(target)) = state.get_mut(field) {
                *target = self.prefixed(target);
            }
        }
        for list in ["Choices", "Catch"] {
            for entry in state
                .get_mut(list)
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if let Some(Value::String(target)) = entry.get_mut("Next") {
                    *target = self.prefixed(target);
                }
            }
        }
    }

    fn task(&self, state: &mut Map<String, Value>, at: &str) -> Result<(), ComposeError> {
        let resource = state.get("Resource").and_then(Value::as_str);
        if resource != Some("arn:aws:states:::lambda:invoke") {
            return Err(self.refuse(
                &format!("{at}/Resource"),
                "must be arn:aws:states:::lambda:invoke: a branch calls its own function",
            ));
        }
        let own = function_of(self.folder.name());
        let function = state
            .get("Arguments")
            .and_then(|arguments| arguments.get("FunctionName"));
        if function.and_then(Value::as_str) != Some(own.as_str()) {
            return Err(self.refuse(
                &format!("{at}/Arguments/FunctionName"),
                format!("must be @function, which is {own}: a branch calls its own function"),
            ));
        }
        if !state.contains_key("TimeoutSeconds") {
            state.insert("TimeoutSeconds".into(), self.timeout().into());
        }
        if !state.contains_key("Retry") {
            state.insert("Retry".into(), crate::retry::standard());
        }
        Ok(())
    }

    fn inner(
        &self,
        state: &mut Map<String, Value>,
        field: &str,
        at: &str,
    ) -> Result<(), ComposeError> {
        if let Some(value) = state.get_mut(field) {
            self.inner_flow(value, &format!("{at}/{field}"))?;
        }
        Ok(())
    }

    fn parallel(&self, state: &mut Map<String, Value>, at: &str) -> Result<(), ComposeError> {
        let branches = state.get_mut("Branches").and_then(Value::as_array_mut);
        for (index, value) in branches.into_iter().flatten().enumerate() {
            self.inner_flow(value, &format!("{at}/Branches[{index}]"))?;
        }
        Ok(())
    }

    fn inner_flow(&self, value: &mut Value, at: &str) -> Result<(), ComposeError> {
        let Value::Object(fields) = value else {
            return Err(self.refuse(at, "must be an object with StartAt and States"));
        };
        let (start_at, states) = self.flow(fields.clone(), at, false)?;
        fields.insert("StartAt".into(), start_at.into());
        fields.insert("States".into(), states.into());
        Ok(())
    }

    /// A Fail state would end the Map, and with it the other branches: its error becomes the result.
    fn fail_to_result(&self, state: &Map<String, Value>) -> Map<String, Value> {
        let mut output = Map::new();
        for field in ["Error", "Cause"] {
            if let Some(value) = state.get(field) {
                output.insert(field.into(), value.clone());
            }
        }
        if !output.contains_key("Error") {
            output.insert("Error".into(), "States.TaskFailed".into());
        }
        Map::from_iter([
            ("Type".to_owned(), "Pass".into()),
            ("Output".to_owned(), output.into()),
            ("Next".to_owned(), self.prefixed(FAILED).into()),
        ])
    }

    /// Adds the Catch of everything that is not caught yet.
    fn catch_all(&self, state: &mut Map<String, Value>, at: &str) -> Result<(), ComposeError> {
        let all = json!({"ErrorEquals": ["States.ALL"], "Next": self.prefixed(FAILED)});
        let catch = state.entry("Catch").or_insert_with(|| json!([]));
        let Some(catchers) = catch.as_array_mut() else {
            return Err(self.refuse(&format!("{at}/Catch"), "must be an array"));
        };
        let has_all = catchers.iter().any(|catcher| {
            catcher
                .get("ErrorEquals")
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|name| name == "States.ALL"))
        });
        if !has_all {
            catchers.push(all);
        }
        Ok(())
    }
}
