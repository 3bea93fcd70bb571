//! The function around the transform: settings, results, errors.

use safelight_kit::branch::{self, Artifact, Branch, Common, Picture, Work};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Place};
use safelight_pixels::Limits;
use safelight_schema::error_name;

use crate::compress::{self, Settings};

const NAME: &str = "compress";

/// The branch's function.
pub const FUNCTION: Function = Function {
    name: NAME,
    place: Place::Branch,
    build,
};

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    let (common, settings): (Common, Settings) = branch::settings(&adapters, NAME)?;
    settings
        .check()
        .map_err(|error| FunctionError::named(error.name(), error.to_string()))?;
    Ok(branch::handler(
        NAME,
        adapters,
        Compress { common, settings },
    ))
}

struct Compress {
    common: Common,
    settings: Settings,
}

impl Branch for Compress {
    fn max_bytes(&self) -> u64 {
        self.common.max_bytes
    }

    async fn work(&self, picture: Picture) -> Result<Work, FunctionError> {
        let limits = Limits {
            max_pixels: (self.common.max_megapixels * 1e6) as u64,
            max_bytes: u64::from(self.common.max_decoded_mb) << 20,
            max_frames: self.common.max_frames,
        };
        let outcome = compress::run(
            &picture.bytes,
            picture.facts.format,
            &self.settings,
            &limits,
        )
        .map_err(|error| FunctionError::named(error.name(), error.to_string()))?;
        let details = serde_json::to_value(outcome.details).map_err(|error| {
            FunctionError::new(&error_name::IMAGE_ENCODE_FAILED, error.to_string())
        })?;
        let artifacts = outcome.outputs.into_iter().map(|output| Artifact {
            name: output.file_name,
            media_type: output.content_type.into(),
            bytes: output.bytes,
        });
        Ok(Work {
            artifacts: artifacts.collect(),
            details,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_kit::testing::{Bench, facts, image, task_event};
    use safelight_schema::task::BranchInput;
    use safelight_schema::{Format, ImageFacts};
    use serde_json::{Value, json};

    /// A GIF of 2 × 1.
    const GIF: &[u8] =
        b"GIF89a\x02\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02\x44\x0a\x00\x3b";

    fn event() -> Value {
        let input = BranchInput {
            branch: NAME.into(),
            version: "1".into(),
            facts: ImageFacts {
                format: Format::Gif,
                ..facts()
            },
        };
        task_event("compress/Run", 0, &image("a.gif"), &input)
    }

    #[tokio::test]
    async fn the_result_is_written_once_and_never_larger() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", GIF);
        let first = bench.call(&FUNCTION, event()).await.unwrap();
        assert_eq!(first, bench.call(&FUNCTION, event()).await.unwrap());
        assert!(first["outputs"][0]["bytes"].as_u64().unwrap() <= GIF.len() as u64);
        assert_eq!(
            bench.objects.keys("results"),
            ["results/compress/a.gif/compressed.gif"]
        );
        assert_eq!(bench.objects.writes(), 1);
    }

    #[tokio::test]
    async fn settings_are_checked() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", GIF);
        let mut adapters = bench.adapters();
        adapters.settings = json!({ "jpeg_quality": 0 });
        let error = bench.call_with(&FUNCTION, adapters.clone(), event()).await;
        assert_eq!(error.unwrap_err().name(), "Settings.Invalid");
        adapters.settings = json!({ "unknown": 0 });
        let error = bench.call_with(&FUNCTION, adapters, event()).await;
        assert_eq!(error.unwrap_err().name(), "Settings.Invalid");
    }
}
