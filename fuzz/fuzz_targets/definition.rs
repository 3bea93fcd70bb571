//! Definitions: no panic, whatever the text; a machine that is accepted is one that can be walked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use safelight_asl::lint::{self, VALID_DEFINITION};
use safelight_asl::{MAX_NAME_CHARACTERS, StateMachine, Transition};

fuzz_target!(|definition: &str| {
    let findings = lint::check(definition, |name| name.starts_with("Image."));
    for finding in &findings {
        assert!(!finding.message.is_empty() && !finding.advice.is_empty());
    }
    match StateMachine::parse(definition) {
        Ok(machine) => {
            assert!(
                findings
                    .iter()
                    .all(|finding| finding.rule != VALID_DEFINITION)
            );
            assert_eq!(machine.definition(), definition);
            assert!(!machine.flows().is_empty());
            for flow in machine.flows() {
                let start = flow.state(flow.start_at());
                assert!(flow.find(&start.name) == Some(flow.start_at()));
                for state in flow.states() {
                    assert!(state.name.chars().count() <= MAX_NAME_CHARACTERS);
                    if let Transition::Next(next) = state.transition {
                        assert!(!flow.state(next).location.is_empty());
                    }
                    for catcher in &state.catch {
                        assert!(!flow.state(catcher.next).location.is_empty());
                    }
                }
            }
        }
        Err(error) => {
            assert!(!error.diagnostics.is_empty() && !error.to_string().is_empty());
            assert!(!findings.is_empty());
        }
    }
});
