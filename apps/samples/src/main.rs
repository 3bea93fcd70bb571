//! Makes every sample below the folder that is named, and the page that lists them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use safelight_samples::{Make, SAMPLES, page};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), list, None) = (arguments.next(), arguments.next(), arguments.next()) else {
        bail!("usage: safelight-samples FOLDER [LIST.md]");
    };
    let mut bytes = 0;
    for sample in SAMPLES {
        let path = Path::new(&folder).join(sample.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        }
        let made = match sample.make {
            Make::Here(make) => Some(make().with_context(|| sample.path)?),
            Make::By(encoder, picture) => {
                let made = encoder.encode(&picture()).with_context(|| sample.path)?;
                if made.is_none() {
                    let kept = if path.exists() {
                        "is left as it is"
                    } else {
                        "is missing"
                    };
                    eprintln!(
                        "skipped: {} {kept}: {} is not installed (apt install {})",
                        sample.path,
                        encoder.program(),
                        encoder.package()
                    );
                }
                made
            }
        };
        if let Some(file) = made {
            std::fs::write(&path, &file)
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("{:>9}  {}", file.len(), sample.path);
            bytes += file.len();
        }
    }
    println!("{bytes:>9}  in all");
    if let Some(list) = list {
        std::fs::write(&list, page()).with_context(|| format!("cannot write {list}"))?;
    }
    Ok(())
}
