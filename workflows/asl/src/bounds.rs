//! Puts checks of size into a syntax tree.
//!
//! jsonata-core has limits of time, depth and sequence length, but none of
//! memory: `$s & $s` forty times over is a terabyte, and arrays share their
//! items, so `[$x, $x]` forty times over is small until something walks it.
//! Whatever can make a value grow by a factor is wrapped in a call that
//! measures it, so that growth stops within a few megabytes.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage, StepId};
use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::value::{JValue, with_stack};

use crate::convert::{MAX_RESULT_BYTES, MAX_RESULT_DEPTH};

/// The function that measures a value and gives it back.
pub(crate) const WITHIN_LIMITS: &str = "withinLimits";
/// The same for values that a result repeats many times.
pub(crate) const WITHIN_SMALL_LIMITS: &str = "withinSmallLimits";
/// The function that measures a value of which all items are compared with each other.
pub(crate) const WITHIN_FEW_ITEMS: &str = "withinFewItems";
/// The most items that are compared with each other: that is done without a look at the clock.
const FEW_ITEMS: usize = 10_000;
/// The most bytes of a separator or a replacement that is computed.
const SMALL_BYTES: usize = 1024;

/// Functions whose result can hold an argument more than once.
const REPEATING: &[&str] = &[
    "map", "each", "zip", "append", "reduce", "spread", "sift", "merge", "split", "match",
];

/// Wraps what can grow.
pub(crate) fn apply(tree: &mut AstNode) {
    visit(tree, false);
}

/// `WITHIN_LIMITS`, as a function of the evaluator.
pub(crate) fn within_limits(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    measured(args, MAX_RESULT_BYTES)
}

/// `WITHIN_SMALL_LIMITS`, as a function of the evaluator.
pub(crate) fn within_small_limits(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    measured(args, SMALL_BYTES)
}

/// `WITHIN_FEW_ITEMS`, as a function of the evaluator. What is piped may be a function: then the pipe
/// makes a function of the two, and nobody measures what that is called with.
pub(crate) fn within_few_items(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    if let Some(JValue::Lambda(_) | JValue::Builtin { .. }) = args.first() {
        return Err(EvaluatorError::EvaluationError(
            "T2006: A function that ends in $distinct cannot be made: call $distinct itself".into(),
        ));
    }
    if let Some(JValue::Array(items)) = args.first()
        && items.len() > FEW_ITEMS
    {
        return Err(EvaluatorError::EvaluationError(format!(
            "D2015: More than {FEW_ITEMS} items to compare with each other"
        )));
    }
    measured(args, MAX_RESULT_BYTES)
}

fn measured(args: &[JValue], limit: usize) -> Result<JValue, EvaluatorError> {
    let value = args.first().cloned().unwrap_or(JValue::Undefined);
    let mut left = limit;
    if fits(&value, MAX_RESULT_DEPTH, &mut left) {
        Ok(value)
    } else {
        Err(EvaluatorError::EvaluationError(format!(
            "D2015: A value of more than {limit} bytes or {MAX_RESULT_DEPTH} levels"
        )))
    }
}

fn fits(value: &JValue, depth: usize, left: &mut usize) -> bool {
    let own = match value {
        JValue::String(text) => text.len() + 2,
        _ => 2,
    };
    let Some(rest) = left.checked_sub(own) else {
        return false;
    };
    *left = rest;
    if depth == 0 {
        return false;
    }
    match value {
        JValue::Array(items) => items.iter().all(|item| fits(item, depth - 1, left)),
        JValue::Object(fields) => fields.iter().all(|(name, item)| {
            *left = left.saturating_sub(name.len());
            fits(item, depth - 1, left)
        }),
        _ => true,
    }
}

/// `keep`: the node's own type matters where it stands.
fn visit(node: &mut AstNode, keep: bool) {
    with_stack(|| {
        visit_children(node);
        match node {
            AstNode::Binary { op, lhs, rhs } => match op {
                BinaryOp::Concatenate => {
                    wrap(lhs, WITHIN_LIMITS);
                    wrap(rhs, WITHIN_LIMITS);
                }
                BinaryOp::ColonEqual => wrap(rhs, WITHIN_LIMITS),
                BinaryOp::ChainPipe => {
                    wrap(lhs, limits_before(rhs));
                    bound_piped(rhs);
                    if !keep {
                        wrap(node, WITHIN_LIMITS);
                    }
                }
                _ => {}
            },
            AstNode::Function { name, args, .. } => match name.as_str() {
                "string" => args
                    .iter_mut()
                    .take(1)
                    .for_each(|arg| wrap(arg, WITHIN_LIMITS)),
                "distinct" => args
                    .iter_mut()
                    .take(1)
                    .for_each(|arg| wrap(arg, WITHIN_FEW_ITEMS)),
                "join" => wrap_repeated(args, 1),
                "replace" => wrap_repeated(args, 2),
                name if REPEATING.contains(&name) && !keep => wrap(node, WITHIN_LIMITS),
                _ => {}
            },
            // As a step of a path, a constructor has a meaning of its own.
            AstNode::Array(_) | AstNode::Object(_) if !keep => wrap(node, WITHIN_LIMITS),
            _ => {}
        }
    });
}

/// What measures a value that is piped into `function`.
fn limits_before(function: &AstNode) -> &'static str {
    match function {
        AstNode::Function { name, .. } | AstNode::Variable(name) if name == "distinct" => {
            WITHIN_FEW_ITEMS
        }
        _ => WITHIN_LIMITS,
    }
}

/// A call that gets its first argument from a pipe.
fn bound_piped(call: &mut AstNode) {
    let AstNode::Function { name, args, .. } = call else {
        return;
    };
    visit_all(args);
    let repeated = match name.as_str() {
        "join" => 0,
        "replace" => 1,
        _ => return,
    };
    if let Some(arg) = args.get_mut(repeated) {
        wrap(arg, WITHIN_SMALL_LIMITS);
    }
}

/// Wraps the first argument, and the one that the result repeats.
fn wrap_repeated(args: &mut [AstNode], repeated: usize) {
    for (i, arg) in args.iter_mut().enumerate() {
        if i == 0 {
            wrap(arg, WITHIN_LIMITS);
        } else if i == repeated {
            wrap(arg, WITHIN_SMALL_LIMITS);
        }
    }
}

fn wrap(node: &mut AstNode, function: &str) {
    // A text that stands in the expression is small unless it is repeated.
    let short = |text: &str| function == WITHIN_LIMITS || text.len() <= SMALL_BYTES;
    let is_function = matches!(node, AstNode::Lambda { .. } | AstNode::Transform { .. });
    if matches!(node, AstNode::String(text) if short(text))
        || matches!(
            node,
            AstNode::Number(_)
                | AstNode::Boolean(_)
                | AstNode::Null
                | AstNode::Undefined
                | AstNode::Placeholder
                | AstNode::Regex { .. }
        )
        || (is_function && function != WITHIN_FEW_ITEMS)
        || matches!(node, AstNode::Function { name, .. } if name == WITHIN_LIMITS && function == WITHIN_LIMITS)
    {
        return;
    }
    let inner = std::mem::replace(node, AstNode::Null);
    *node = AstNode::Function {
        name: function.to_owned(),
        args: vec![inner],
        is_builtin: true,
    };
}

fn visit_all(nodes: &mut [AstNode]) {
    for node in nodes {
        visit(node, false);
    }
}

fn visit_pairs(pairs: &mut [(AstNode, AstNode)]) {
    for (name, value) in pairs {
        visit(name, false);
        visit(value, false);
    }
}

fn visit_step(step: &mut PathStep) {
    visit(&mut step.node, true);
    step.id = StepId::default();
    for stage in &mut step.stages {
        match stage {
            Stage::Filter(filter) => visit(filter, false),
            Stage::KeepArray | Stage::Index(_) => {}
        }
    }
}

/// Every variant is named, so that a new one has to be thought of.
fn visit_children(node: &mut AstNode) {
    match node {
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
        AstNode::Path { steps } => steps.iter_mut().for_each(visit_step),
        // What stands behind a pipe is a call that lacks an argument.
        AstNode::Binary {
            op: BinaryOp::ChainPipe,
            lhs,
            rhs,
        } => {
            visit(lhs, true);
            if !matches!(**rhs, AstNode::Function { .. }) {
                visit(rhs, true);
            }
        }
        AstNode::Binary { lhs, rhs, .. } => {
            visit(lhs, false);
            visit(rhs, false);
        }
        AstNode::Unary { operand, .. } => visit(operand, false),
        AstNode::Function { args, .. } => visit_all(args),
        AstNode::Call { procedure, args } => {
            visit(procedure, false);
            visit_all(args);
        }
        AstNode::Lambda { body, .. } => visit(body, false),
        AstNode::Block(items) => visit_all(items),
        // An array written inside an array is kept; anything else is spread.
        AstNode::Array(items) | AstNode::ArrayGroup(items) => {
            for item in items {
                let nested = matches!(item, AstNode::Array(_));
                visit(item, nested);
            }
        }
        AstNode::Object(pairs) => visit_pairs(pairs),
        AstNode::ObjectTransform { input, pattern } => {
            visit(input, false);
            visit_pairs(pattern);
        }
        AstNode::Conditional {
            condition,
            then_branch,
            else_branch,
        } => {
            visit(condition, false);
            visit(then_branch, false);
            if let Some(branch) = else_branch {
                visit(branch, false);
            }
        }
        AstNode::FunctionApplication(inner) => visit(inner, false),
        AstNode::Sort { input, terms } => {
            visit(input, false);
            for (term, _) in terms {
                visit(term, false);
            }
        }
        // The update of a transform has to stay an object constructor.
        AstNode::Transform {
            location,
            update,
            delete,
        } => {
            visit(location, false);
            visit(update, true);
            if let Some(delete) = delete {
                visit(delete, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use jsonata_core::evaluator::{Evaluator, EvaluatorOptions};
    use jsonata_core::parser;
    use proptest::prelude::*;

    use super::*;

    fn run(tree: &AstNode) -> Result<String, String> {
        let mut evaluator = Evaluator::with_options(
            jsonata_core::evaluator::Context::new(),
            EvaluatorOptions {
                timeout_ms: Some(1_000),
                max_stack_depth: Some(300),
                max_sequence_length: Some(1_000),
                ..EvaluatorOptions::default()
            },
        );
        evaluator.register_fn(WITHIN_LIMITS, within_limits).unwrap();
        evaluator
            .register_fn(WITHIN_SMALL_LIMITS, within_small_limits)
            .unwrap();
        let item = |n: f64| JValue::object(IndexMap::from([("n".to_owned(), JValue::Number(n))]));
        let data = JValue::object(IndexMap::from([
            ("a".to_owned(), JValue::array(vec![item(1.0), item(2.0)])),
            ("b".to_owned(), JValue::string("x,y")),
        ]));
        let result = evaluator.evaluate(tree, &data);
        result.map(|v| format!("{v:?}")).map_err(|e| e.to_string())
    }

    fn same(source: &str) -> bool {
        let Ok(plain) = parser::parse(source) else {
            return true;
        };
        let mut bounded = plain.clone();
        apply(&mut bounded);
        match run(&plain) {
            Ok(value) => run(&bounded) == Ok(value),
            Err(_) => true,
        }
    }

    #[test]
    fn small_values_are_what_they_were() {
        for source in [
            "b & 1 & missing",
            "a.n",
            "a.[n, n]",
            "a.{'k': n}",
            "a{$string(n): n}",
            "[a.n, [1, 2]]",
            "[[1], [2]].$",
            "{'a': [1], 'b': a[n > 1].n}",
            "$map(a, function($v, $i) {$v.n + $i})",
            "a.n ~> $map($string) ~> $join('-')",
            "$split(b, ',') ~> $join",
            "$replace(b, /[a-z]/, '_')",
            "$replace(b, 'x', 'z')",
            "($x := [1, 2]; $x[0] & $x[1])",
            "($f := function($n) {$n = 0 ? 'end' : $f($n - 1)}; $f(90))",
            "($g := $uppercase ~> $lowercase; $g('Ab'))",
            "$reduce([1, 2, 3], function($s, $i) {$s & $i}, '')",
            "a ~> |$|{'m': 1}|",
            "$zip([1, 2], [3, 4])",
            "$append([1], 2)[1]",
            "$append(1, 1)[]",
            "$spread({'a': 1, 'b': 2})",
            "a^(>n).n",
            "$merge([{'a': 1}, {'b': 2}])",
            "$string()",
            "a.$string()",
            "a.n.$join(['p', 'q'], $string($))",
            "a@$v.{'x': $v.n}",
            "a#$i.[n, $i]",
            "a.n.(%.n)",
            "[1..3].($ & '')",
            "$each({'a': 1}, function($v, $k) {$k & $v})",
            "function($x) {[$x]}(1)",
            "missing ~> $string",
            "{}",
            "[]",
        ] {
            assert!(same(source), "{source}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_what_it_was(source in "[abn$xy0-3+&.()\\[\\]{}',:=?~>]{1,24}") {
            prop_assert!(same(&source), "{}", source);
        }
    }
}
