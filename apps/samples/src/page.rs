//! The page that lists the samples.

use std::fmt::Write as _;

use crate::catalogue::{Make, Outcome, SAMPLES};

/// `docs/samples.md`, made from the catalogue.
pub fn page() -> String {
    let mut page = String::from(
        "# Samples\n\n\
         The files under `samples/` are drawn by a program, so that none of them has an owner but this\n\
         project:\n\n\
         \x20   cargo run -p safelight-samples -- samples docs/samples.md\n\n\
         makes them again, with the same bytes. HEIC, AVIF, JPEG XL and JPEG 2000 need an encoder of\n\
         Debian's (`apt install libheif-examples libavif-bin libjxl-tools libopenjp2-tools`); where one is\n\
         missing, the program says so and leaves the committed file. This page is made by the same run.\n",
    );
    let mut folder = "";
    for sample in SAMPLES {
        let (here, name) = sample.path.split_once('/').unwrap_or(("", sample.path));
        if here != folder {
            folder = here;
            page.push_str("\n## ");
            page.push_str(here);
            page.push_str("\n\n| file | what it is | outcome with the defaults |\n|---|---|---|\n");
        }
        let made = match sample.make {
            Make::Here(_) => String::new(),
            Make::By(encoder, _) => format!(" (by `{}`)", encoder.program()),
        };
        let (what, outcome) = (sample.what, outcome(sample.outcome));
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| `{name}` | {what}{made} | {outcome} |");
    }
    page.push_str(
        "\n`rejected` is validate's word: no branch sees the image. `failed` means that the header was sound\n\
         and a branch failed later. A branch without a decoder for a format skips the image and says\n\
         `Image.DecoderMissing`; the image itself succeeds.\n",
    );
    page
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Succeeded => "succeeded".to_owned(),
        Outcome::Warned => "succeeded, with a warning that the extension lies".to_owned(),
        Outcome::Rejected(name) => format!("rejected: `{name}`"),
        Outcome::Failed(name) => format!("failed: `{name}` in the branches that decode it"),
        Outcome::SucceededWithDecoder => "succeeded; branches without a decoder skip it".to_owned(),
    }
}
