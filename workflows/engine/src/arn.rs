//! ARNs and the rules for names.

use crate::error::EngineError;

/// Most characters of a state machine's or an execution's name.
const MAX_NAME: usize = 80;
/// Most characters of an ARN that is looked at.
const MAX_ARN: usize = 512;

/// Where the ARNs of this engine say that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Such as `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
        }
    }
}

impl Names {
    /// The ARN of the state machine of this name.
    pub fn state_machine_arn(&self, name: &str) -> String {
        format!(
            "arn:aws:states:{}:{}:stateMachine:{name}",
            self.region, self.account
        )
    }

    /// The ARN of an execution.
    pub fn execution_arn(&self, state_machine_name: &str, name: &str) -> String {
        format!(
            "arn:aws:states:{}:{}:execution:{state_machine_name}:{name}",
            self.region, self.account
        )
    }
}

/// Checks the rules of `CreateStateMachine` and `StartExecution` for names: 1 to 80 characters,
/// none of which is white space, a bracket, a wildcard, a control character or one of ``"#%\^|~`$&,;:/``.
pub(crate) fn check_name(name: &str) -> Result<(), EngineError> {
    let refused = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c)
            || matches!(c as u32, 0xFFFE..=0xFFFF | 0xD800..=0xDFFF | 0x10_FFFF)
    };
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(refused) {
        return Err(EngineError::InvalidName(shortened(name)));
    }
    Ok(())
}

/// Checks that a text is an ARN of Step Functions of this kind (`stateMachine`, `execution`).
pub(crate) fn check_arn(arn: &str, kind: &str) -> Result<(), EngineError> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    let well_formed = arn.len() <= MAX_ARN
        && matches!(parts.as_slice(), [scheme, partition, service, _, _, resource, name]
            if *scheme == "arn" && partition.starts_with("aws") && *service == "states"
                && *resource == kind && !name.is_empty());
    if well_formed {
        Ok(())
    } else if parts.first() == Some(&"arn")
        && parts.get(5).is_some_and(|resource| *resource != kind)
    {
        Err(EngineError::InvalidArn(format!(
            "Resource type not valid in this context: {}",
            shortened(parts.get(5).copied().unwrap_or_default())
        )))
    } else {
        Err(EngineError::InvalidArn(format!(
            "Invalid ARN prefix: {}",
            shortened(arn)
        )))
    }
}

/// At most 256 characters of a text that somebody sent, for a message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_documented_rules() {
        for good in [
            "a",
            "20261121-0123456789abcdef",
            "한글",
            "a_b-c.d!",
            &"x".repeat(80),
        ] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a\u{0}b",
            "a/b",
            "a:b",
            "a*",
            "a\"b",
            "a`b",
            "\u{85}",
            &"x".repeat(81),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn arns_are_checked_by_kind() {
        let names = Names::default();
        assert_eq!(
            check_arn(&names.state_machine_arn("m"), "stateMachine"),
            Ok(())
        );
        assert_eq!(
            check_arn(&names.execution_arn("m", "n"), "execution"),
            Ok(())
        );
        assert!(check_arn(&names.execution_arn("m", "n"), "stateMachine").is_err());
        for bad in [
            "",
            "m",
            "arn:aws:states",
            "arn:aws:s3:::b:execution:x",
            "arn:aws:states:r:a:execution:",
        ] {
            assert!(check_arn(bad, "execution").is_err(), "{bad}");
        }
    }
}
