//! The function around the transform: settings, results, errors.

use safelight_kit::branch::{self, Common, Picture, Work};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Place};
use safelight_pixels::{Limits, Output};

use crate::settings::Settings;
use crate::thumbnail;

const NAME: &str = "thumbnail";

/// The branch's function.
pub const FUNCTION: Function = Function {
    name: NAME,
    place: Place::Branch,
    build,
};

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    branch::pure(NAME, adapters, check, work)
}

fn check(settings: &Settings) -> Result<(), FunctionError> {
    settings
        .check()
        .map_err(|error| FunctionError::named(error.name(), error.to_string()))
}

fn work(picture: &Picture, common: &Common, settings: &Settings) -> Result<Work, FunctionError> {
    let limits = Limits {
        max_pixels: common.max_pixels(),
        max_bytes: common.max_decoded_bytes(),
        max_frames: common.max_frames,
    };
    let outcome = thumbnail::run(&picture.bytes, picture.facts.format, settings, &limits)
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
    async fn the_thumbnail_is_written_once() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", TINY_GIF);
        let first = bench.call(&FUNCTION, tiny_gif_event(NAME)).await.unwrap();
        assert_eq!(
            first,
            bench.call(&FUNCTION, tiny_gif_event(NAME)).await.unwrap()
        );
        assert_eq!(first["details"]["width"], 1);
        assert_eq!(
            bench.objects.keys("results"),
            ["results/thumbnail/a.gif/thumbnail.png"]
        );
        assert_eq!(bench.objects.writes(), 1);
    }

    #[tokio::test]
    async fn settings_are_checked_and_limits_hold() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", TINY_GIF);
        let mut adapters = bench.adapters();
        adapters.settings = json!({ "scale": 2.0 });
        let error = bench
            .call_with(&FUNCTION, adapters.clone(), tiny_gif_event(NAME))
            .await;
        assert_eq!(error.unwrap_err().name(), "Settings.Invalid");
        adapters.settings = json!({ "max_megapixels": 0.000_001 });
        let error = bench
            .call_with(&FUNCTION, adapters, tiny_gif_event(NAME))
            .await;
        assert_eq!(error.unwrap_err().name(), "Image.TooManyMegapixels");
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_has_a_name() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", &TINY_GIF[..30]);
        let error = bench
            .call(&FUNCTION, tiny_gif_event(NAME))
            .await
            .unwrap_err();
        assert!(error.name().starts_with("Image."), "{error}");
        assert!(bench.objects.keys("results").is_empty());
    }
}
