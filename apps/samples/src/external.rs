//! Encoders of other formats, as Debian packages them. Their output depends on their version, so that
//! it is committed, and not compared.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use image::RgbImage;

/// A program that is looked for when the samples are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    /// `heif-enc` of libheif.
    Heic,
    /// `avifenc` of libavif.
    Avif,
    /// `cjxl` of libjxl.
    Jxl,
    /// `opj_compress` of OpenJPEG.
    Jp2,
}

impl Encoder {
    /// The program's name.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Heic => "heif-enc",
            Self::Avif => "avifenc",
            Self::Jxl => "cjxl",
            Self::Jp2 => "opj_compress",
        }
    }

    /// The Debian package that has it.
    pub const fn package(self) -> &'static str {
        match self {
            Self::Heic => "libheif-examples",
            Self::Avif => "libavif-bin",
            Self::Jxl => "libjxl-tools",
            Self::Jp2 => "libopenjp2-tools",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Heic => "heic",
            Self::Avif => "avif",
            Self::Jxl => "jxl",
            Self::Jp2 => "jp2",
        }
    }

    /// Encodes a picture; none when the program is not installed.
    pub fn encode(self, picture: &RgbImage) -> Result<Option<Vec<u8>>> {
        let folder = tempfile::tempdir().context("no scratch folder could be made")?;
        let input = folder.path().join("in.png");
        let output = folder.path().join("out").with_extension(self.extension());
        picture.save(&input)?;
        let mut command = Command::new(self.program());
        match self {
            Self::Heic => command.args(["-q", "45", "-o"]).arg(&output).arg(&input),
            Self::Avif => command
                .args([
                    "-s", "4", "-j", "1", "--min", "28", "--max", "34", "-y", "420",
                ])
                .arg(&input)
                .arg(&output),
            Self::Jxl => command
                .arg(&input)
                .arg(&output)
                .args(["-d", "2.5", "-e", "7"]),
            Self::Jp2 => command
                .arg("-i")
                .arg(&input)
                .arg("-o")
                .arg(&output)
                .args(["-r", "22", "-I"]),
        };
        let run = command.stdin(Stdio::null()).output();
        let result = match run {
            Ok(result) => result,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(self.program()),
        };
        if !result.status.success() {
            bail!(
                "{} failed ({}): {}",
                self.program(),
                result.status,
                String::from_utf8_lossy(&result.stderr)
            );
        }
        let file =
            std::fs::read(&output).with_context(|| format!("{} wrote nothing", self.program()))?;
        Ok(Some(file))
    }
}
