//! A definition as a picture: Mermaid's text, or an indented list.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The definition as a Mermaid flowchart, its inner flows as subgraphs. Errors are dotted.
pub fn mermaid(definition: &Value) -> String {
    let mut picture = Mermaid::default();
    picture.text.push_str("flowchart TD\n");
    if let Some(flow) = definition.as_object() {
        picture.flow(flow, 1);
    }
    picture.text
}

/// The definition as an indented list: a state, its type, and where it leads.
pub fn text(definition: &Value) -> String {
    let mut list = String::new();
    if let Some(flow) = definition.as_object() {
        list_flow(flow, 0, &mut list);
    }
    list
}

/// A state of a definition, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub state: String,
    /// Its type, such as `Choice`.
    pub kind: String,
    /// The Map or Parallel state that it is in; none at the top.
    pub inside: Option<String>,
    /// Whether its flow starts with it.
    pub starts: bool,
    /// Where it leads.
    pub ways: Vec<Way>,
}

/// A way from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The state that it leads to.
    pub to: String,
    /// When it is taken: a condition, `otherwise`, or `error` and names; none where it is the only one.
    pub when: Option<String>,
}

/// The definition as data: every state, those of an inner flow after the state that holds it.
pub fn nodes(definition: &Value) -> Vec<Node> {
    let mut nodes = Vec::new();
    if let Some(flow) = definition.as_object() {
        collect(flow, None, &mut nodes);
    }
    nodes
}

fn collect(flow: &Map<String, Value>, inside: Option<&str>, nodes: &mut Vec<Node>) {
    let start = flow.get("StartAt").and_then(Value::as_str);
    for (name, state) in states_of(flow) {
        let ways = transitions(state).into_iter().map(|(when, to)| Way {
            to: to.to_owned(),
            when,
        });
        nodes.push(Node {
            state: name.clone(),
            kind: kind_of(state).to_owned(),
            inside: inside.map(str::to_owned),
            starts: start == Some(name.as_str()),
            ways: ways.collect(),
        });
        for inner in inner_flows(state) {
            collect(inner, Some(name), nodes);
        }
    }
}

/// Where a state leads, and by what: `None` is the ordinary way.
fn transitions(state: &Map<String, Value>) -> Vec<(Option<String>, &str)> {
    let mut ways = Vec::new();
    for choice in list(state, "Choices") {
        let condition = choice
            .get("Condition")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let condition = condition
            .trim_start_matches("{%")
            .trim_end_matches("%}")
            .trim();
        if let Some(next) = choice.get("Next").and_then(Value::as_str) {
            ways.push((Some(condition.to_owned()), next));
        }
    }
    for field in ["Next", "Default"] {
        if let Some(next) = state.get(field).and_then(Value::as_str) {
            ways.push(((field == "Default").then(|| "otherwise".to_owned()), next));
        }
    }
    for catcher in list(state, "Catch") {
        let names: Vec<&str> = list_of(catcher.get("ErrorEquals"))
            .filter_map(Value::as_str)
            .collect();
        if let Some(next) = catcher.get("Next").and_then(Value::as_str) {
            ways.push((Some(format!("error {}", names.join(", "))), next));
        }
    }
    ways
}

fn list<'a>(state: &'a Map<String, Value>, field: &str) -> impl Iterator<Item = &'a Value> {
    list_of(state.get(field))
}

fn list_of(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// The flows inside of a Map or Parallel state.
fn inner_flows(state: &Map<String, Value>) -> Vec<&Map<String, Value>> {
    state
        .get("ItemProcessor")
        .into_iter()
        .chain(list(state, "Branches"))
        .filter_map(Value::as_object)
        .collect()
}

fn states_of(flow: &Map<String, Value>) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
    flow.get("States")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, state)| Some((name, state.as_object()?)))
}

fn kind_of(state: &Map<String, Value>) -> &str {
    state.get("Type").and_then(Value::as_str).unwrap_or("?")
}

#[derive(Default)]
struct Mermaid {
    text: String,
    ids: Vec<String>,
}

impl Mermaid {
    /// A node's id: state names hold characters that Mermaid gives a meaning.
    fn id(&mut self, name: &str) -> usize {
        self.ids
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                self.ids.push(name.to_owned());
                self.ids.len() - 1
            })
    }

    fn flow(&mut self, flow: &Map<String, Value>, depth: usize) {
        let indent = "    ".repeat(depth);
        for (name, state) in states_of(flow) {
            let id = self.id(name);
            let label = escape(name);
            let inner = inner_flows(state);
            // Writing to a String does not fail, here and below.
            let _ = if inner.is_empty() {
                match kind_of(state) {
                    "Choice" => writeln!(self.text, "{indent}s{id}{{\"{label}\"}}"),
                    "Fail" | "Succeed" => writeln!(self.text, "{indent}s{id}([\"{label}\"])"),
                    "Pass" => writeln!(self.text, "{indent}s{id}(\"{label}\")"),
                    _ => writeln!(self.text, "{indent}s{id}[\"{label}\"]"),
                }
            } else {
                writeln!(self.text, "{indent}subgraph s{id}[\"{label}\"]")
            };
            if !inner.is_empty() {
                for flow in inner {
                    self.flow(flow, depth + 1);
                }
                let _ = writeln!(self.text, "{indent}end");
            }
        }
        for (name, state) in states_of(flow) {
            let from = self.id(name);
            for (label, to) in transitions(state) {
                let to = self.id(to);
                let _ = match label {
                    None => writeln!(self.text, "{indent}s{from} --> s{to}"),
                    Some(label) if label.starts_with("error ") => {
                        writeln!(self.text, "{indent}s{from} -.-> s{to}")
                    }
                    Some(label) => {
                        writeln!(
                            self.text,
                            "{indent}s{from} -- \"{}\" --> s{to}",
                            escape(&label)
                        )
                    }
                };
            }
        }
    }
}

/// Mermaid's entities for what would end a label.
fn escape(text: &str) -> String {
    text.replace('#', "#35;")
        .replace('"', "#quot;")
        .replace('<', "#lt;")
}

fn list_flow(flow: &Map<String, Value>, depth: usize, out: &mut String) {
    let start = flow
        .get("StartAt")
        .and_then(Value::as_str)
        .unwrap_or_default();
    for (name, state) in states_of(flow) {
        let indent = "  ".repeat(depth);
        let mark = if name == start { ">" } else { " " };
        let _ = write!(out, "{indent}{mark} {name} ({})", kind_of(state));
        let ways: Vec<String> = transitions(state)
            .into_iter()
            .map(|(label, to)| match label {
                None => to.to_owned(),
                Some(label) => format!("{to} [{label}]"),
            })
            .collect();
        if !ways.is_empty() {
            let _ = write!(out, " -> {}", ways.join(", "));
        }
        out.push('\n');
        for inner in inner_flows(state) {
            list_flow(inner, depth + 2, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition() -> Value {
        json!({
            "StartAt": "Each",
            "States": {
                "Each": {
                    "Type": "Map", "Next": "Done",
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Bad \"end\""}],
                    "ItemProcessor": {"StartAt": "a/Run", "States": {
                        "a/Run": {"Type": "Choice", "Choices": [
                            {"Condition": "{% $x = 1 %}", "Next": "a/End"}], "Default": "a/End"},
                        "a/End": {"Type": "Pass", "End": true}
                    }}
                },
                "Done": {"Type": "Succeed"},
                "Bad \"end\"": {"Type": "Fail"}
            }
        })
    }

    #[test]
    fn mermaid_has_every_state_and_every_way() {
        assert_eq!(
            mermaid(&definition()),
            r#"flowchart TD
    subgraph s0["Each"]
        s1{"a/Run"}
        s2("a/End")
        s1 -- "$x = 1" --> s2
        s1 -- "otherwise" --> s2
    end
    s3(["Done"])
    s4(["Bad #quot;end#quot;"])
    s0 --> s3
    s0 -.-> s4
"#
        );
    }

    #[test]
    fn data_has_every_state_and_every_way() {
        let nodes = nodes(&definition());
        let names: Vec<&str> = nodes.iter().map(|node| node.state.as_str()).collect();
        assert_eq!(names, ["Each", "a/Run", "a/End", "Done", "Bad \"end\""]);
        assert!(nodes[0].starts && nodes[1].starts && !nodes[2].starts);
        assert_eq!(nodes[1].inside.as_deref(), Some("Each"));
        let way = |to: &str, when: Option<&str>| Way {
            to: to.into(),
            when: when.map(Into::into),
        };
        assert_eq!(
            nodes[0].ways,
            [
                way("Done", None),
                way("Bad \"end\"", Some("error States.ALL"))
            ]
        );
    }

    #[test]
    fn text_is_an_indented_list() {
        assert_eq!(
            text(&definition()),
            "> Each (Map) -> Done, Bad \"end\" [error States.ALL]\n\
             \x20   > a/Run (Choice) -> a/End [$x = 1], a/End [otherwise]\n\
             \x20     a/End (Pass)\n\
             \x20 Done (Succeed)\n\
             \x20 Bad \"end\" (Fail)\n"
        );
    }
}
