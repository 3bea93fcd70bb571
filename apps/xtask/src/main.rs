//! `cargo xtask …`: chores of this repository.
//!
//! What it does: measures the product beside a bare loop over the same pure code (`bench`), kills it
//! in the middle of real photographs and checks what is left (`kill`), runs the fuzz targets (`fuzz`), puts
//! thousands of broken images through the image functions (`hostile`), and builds the functions for Lambda
//! (`package`). It installs nothing outside of the target folder, and never fails because a measure missed
//! its target.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bench;
mod corpus;
mod distinct;
mod fuzz;
mod hostile;
mod kill;
mod package;
mod product;
mod tools;
mod usage;
mod workspace;

use clap::Parser;

/// Chores of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    /// Use what was built before, as it is
    #[arg(long, global = true)]
    no_build: bool,
    /// What to do.
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, clap::Subcommand)]
enum Chore {
    /// Measure the product: a table of figures beside their targets, and the commands that were run
    Bench(bench::Options),
    /// Kill the host with SIGKILL in the middle of real photographs, resume, and check what is left
    Kill(kill::Options),
    /// Run every fuzz target of fuzz/, one after the other
    Fuzz(fuzz::Options),
    /// Put thousands of broken and odd images through validate and the branches, and compare with others
    Hostile(hostile::Options),
    /// Build a zip of every function for Lambda: target/lambda/<function>/bootstrap.zip
    Package(package::Options),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let workspace = workspace::Workspace::here().with_builds(!arguments.no_build);
    match arguments.chore {
        Chore::Bench(options) => bench::run(&workspace, &options),
        Chore::Kill(options) => kill::run(&workspace, &options),
        Chore::Fuzz(options) => fuzz::run(&workspace, &options),
        Chore::Hostile(options) => hostile::run(&workspace, &options),
        Chore::Package(options) => package::run(&workspace, &options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_parser_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
