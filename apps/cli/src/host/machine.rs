//! The state machine of the images.

use safelight_engine::{CreateStateMachine, EngineError, EngineHandle, Names, UpdateStateMachine};

use crate::failure::OrNextStep as _;

/// Its name.
pub const NAME: &str = "safelight-image";

/// Its ARN.
pub fn arn() -> String {
    Names::default().state_machine_arn(NAME)
}

/// Creates it, or gives it this definition. Open executions keep theirs.
pub async fn deploy(engine: &EngineHandle, definition: &str) -> anyhow::Result<()> {
    let next = "run `safelight workflow validate`";
    match engine.describe_state_machine(&arn()).await {
        Ok(found) if found.definition == definition => Ok(()),
        Ok(_) => {
            let update = UpdateStateMachine {
                state_machine_arn: arn(),
                definition: Some(definition.to_owned()),
                role_arn: None,
                configuration: None,
            };
            engine
                .update_state_machine(update)
                .await
                .or_next_step("the workflow cannot be updated", next)?;
            Ok(())
        }
        Err(EngineError::StateMachineDoesNotExist(_)) => {
            let create = CreateStateMachine {
                name: NAME.to_owned(),
                definition: definition.to_owned(),
                role_arn: "arn:aws:iam::000000000000:role/safelight-workflow".to_owned(),
                kind: None,
                configuration: "{}".to_owned(),
            };
            engine
                .create_state_machine(create)
                .await
                .or_next_step("the workflow cannot be created", next)?;
            Ok(())
        }
        Err(error) => {
            Err(error).or_next_step("the workflow cannot be read", "run `safelight doctor`")
        }
    }
}
