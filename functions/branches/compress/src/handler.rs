//! The function around the transform: settings, results, errors.

use safelight_kit::branch::{self, Common, Picture, Work};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Place};
use safelight_pixels::{Limits, Output};

use crate::compress::{self, Settings};

const NAME: &str = "compress";

/// The branch's function.
pub const FUNCTION: Function = Function {
    name: NAME,
    place: Place::Branch,
    build,
};

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    branch::pure(NAME, adapters, check, work)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "every branch's settings are lent, whatever their size"
)]
fn check(settings: &Settings) -> Result<(), FunctionError> {
    settings
        .check()
        .map_err(|error| FunctionError::named(error.name(), error.to_string()))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "every branch's settings are lent, whatever their size"
)]
fn work(picture: &Picture, common: &Common, settings: &Settings) -> Result<Work, FunctionError> {
    let limits = Limits {
        max_pixels: common.max_pixels(),
        max_bytes: common.max_decoded_bytes(),
        max_frames: common.max_frames,
    };
    let outcome = compress::run(&picture.bytes, picture.facts.format, settings, &limits)
        .map_err(|error| FunctionError::named(error.name(), error.to_string()))?;
    Work::new(
        outcome.outputs.into_iter().map(Output::into_parts),
        &outcome.details,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_kit::testing::{Bench, TINY_GIF, tiny_gif_event};
    use serde_json::json;

    #[tokio::test]
    async fn the_result_is_written_once_and_never_larger() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", TINY_GIF);
        let first = bench.call(&FUNCTION, tiny_gif_event(NAME)).await.unwrap();
        assert_eq!(
            first,
            bench.call(&FUNCTION, tiny_gif_event(NAME)).await.unwrap()
        );
        assert!(first["outputs"][0]["bytes"].as_u64().unwrap() <= TINY_GIF.len() as u64);
        assert_eq!(
            bench.objects.keys("results"),
            ["results/compress/a.gif/compressed.gif"]
        );
        assert_eq!(bench.objects.writes(), 1);
    }

    #[tokio::test]
    async fn settings_are_checked() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", TINY_GIF);
        let mut adapters = bench.adapters();
        adapters.settings = json!({ "jpeg_quality": 0 });
        let error = bench
            .call_with(&FUNCTION, adapters.clone(), tiny_gif_event(NAME))
            .await;
        assert_eq!(error.unwrap_err().name(), "Settings.Invalid");
        adapters.settings = json!({ "unknown": 0 });
        let error = bench
            .call_with(&FUNCTION, adapters, tiny_gif_event(NAME))
            .await;
        assert_eq!(error.unwrap_err().name(), "Settings.Invalid");
    }
}
