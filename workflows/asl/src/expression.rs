//! A JSONata expression, parsed once when the definition is read.

use std::sync::Arc;

use jsonata_core::ast::AstNode;
use jsonata_core::parser::{Lexer, Token};

use crate::bounds;

/// The longest expression that is parsed, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 64 * 1024;
/// How deeply parentheses, brackets and braces may nest in an expression.
const MAX_NESTING: usize = 100;
/// How many tokens an expression may have: a chain of operators nests too.
const MAX_TOKENS: usize = 4_000;

/// The text between `{%` and `%}` with its syntax tree.
#[derive(Debug, Clone)]
pub struct Expression {
    source: Arc<str>,
    tree: Arc<AstNode>,
    references: References,
}

/// Which parts of `$states` and which variables an expression can look at, so
/// that nothing else is converted for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag for each field of $states"
)]
pub(crate) struct References {
    pub(crate) input: bool,
    pub(crate) result: bool,
    pub(crate) error_output: bool,
    pub(crate) context: bool,
    pub(crate) variables: Vec<String>,
}

impl Expression {
    /// Parses the text between the delimiters; the error says what is wrong.
    pub fn parse(source: &str) -> Result<Self, String> {
        let source = source.trim();
        if source.is_empty() {
            return Err("the expression is empty".to_owned());
        }
        if source.len() > MAX_EXPRESSION_BYTES {
            return Err(format!(
                "the expression is longer than {MAX_EXPRESSION_BYTES} bytes"
            ));
        }
        let references = scan(source)?;
        let mut tree = jsonata_core::parser::parse(source).map_err(|e| e.to_string())?;
        bounds::apply(&mut tree);
        Ok(Self {
            source: source.into(),
            tree: Arc::new(tree),
            references,
        })
    }

    /// The text, without the delimiters and the blanks around it.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn shared_source(&self) -> Arc<str> {
        Arc::clone(&self.source)
    }

    pub(crate) fn tree(&self) -> &AstNode {
        &self.tree
    }

    pub(crate) const fn references(&self) -> &References {
        &self.references
    }
}

/// The text inside `{% … %}`, or `None` for a plain string.
pub(crate) fn inside_delimiters(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

fn scan(source: &str) -> Result<References, String> {
    let mut tokens = Vec::new();
    let mut lexer = Lexer::new(source.to_owned());
    let mut depth = 0usize;
    loop {
        let token = lexer.next_token().map_err(|e| e.to_string())?;
        match token {
            Token::Eof => break,
            Token::LeftParen | Token::LeftBracket | Token::LeftBrace => depth += 1,
            Token::RightParen | Token::RightBracket | Token::RightBrace => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(format!(
                "the expression nests deeper than {MAX_NESTING} levels"
            ));
        }
        if tokens.len() >= MAX_TOKENS {
            return Err(format!("the expression has more than {MAX_TOKENS} tokens"));
        }
        tokens.push(token);
    }
    let mut references = References::default();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Variable(name) = token else {
            continue;
        };
        match name.as_str() {
            "eval" => return Err("the function $eval is not supported".to_owned()),
            "distinct" if !is_called(&tokens, at) => {
                return Err(
                    "the function $distinct has to be called, as in $distinct(…): as a value its work has no bound"
                        .to_owned(),
                );
            }
            "states" => references.note_states(&tokens[at + 1..]),
            _ => {
                if !references.variables.contains(name) {
                    references.variables.push(name.clone());
                }
            }
        }
    }
    Ok(references)
}

/// Whether the function at `at` is called there, with arguments that are known there: `$f(…)` or
/// `… ~> $f`, and not `$f(?)`.
fn is_called(tokens: &[Token], at: usize) -> bool {
    match &tokens[at + 1..] {
        [Token::LeftParen, Token::Question, ..] => false,
        [Token::LeftParen, ..] => true,
        _ => at > 0 && tokens[at - 1] == Token::TildeArrow,
    }
}

impl References {
    fn note_states(&mut self, following: &[Token]) {
        if let [Token::Dot, Token::Identifier(field), ..] = following {
            match field.as_str() {
                "input" => self.input = true,
                "result" => self.result = true,
                "errorOutput" => self.error_output = true,
                "context" => self.context = true,
                _ => {}
            }
        } else {
            self.input = true;
            self.result = true;
            self.error_output = true;
            self.context = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_what_is_looked_at() {
        let e = Expression::parse("$states.input.a + $x & \"$states.result\"").unwrap();
        assert!(e.references().input);
        assert!(!e.references().result && !e.references().context);
        assert_eq!(e.references().variables, ["x"]);
        let all = Expression::parse("$states").unwrap();
        assert!(all.references().result && all.references().error_output);
    }

    #[test]
    fn refuses_eval_in_any_position() {
        for text in ["$eval('1')", "$map([1], $eval)", "'1' ~> $eval"] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        assert!(Expression::parse("'$eval'").is_ok());
    }

    #[test]
    fn refuses_distinct_where_it_is_a_value() {
        for text in [
            "$map([[1]], $distinct)",
            "($d := $distinct; $d([1]))",
            "($distinct)([1])",
            "$distinct(?)([1])",
            "[$distinct]",
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        for text in [
            "$distinct([1, 1])",
            "[1, 1] ~> $distinct",
            "[1, 1] ~> $distinct()",
            "$map([[1]], function($x) {$distinct($x)})",
        ] {
            assert!(Expression::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_what_would_cost_too_much_to_parse() {
        let deep = format!("{}1{}", "(".repeat(500), ")".repeat(500));
        assert!(Expression::parse(&deep).is_err());
        assert!(Expression::parse(&"1+".repeat(10_000)).is_err());
        assert!(Expression::parse("").is_err());
        assert!(Expression::parse("$states.").is_err());
    }

    #[test]
    fn delimiters() {
        assert_eq!(inside_delimiters("{% 1 %}"), Some(" 1 "));
        assert_eq!(inside_delimiters("{% 1"), None);
        assert_eq!(inside_delimiters("{%}"), None);
    }
}
