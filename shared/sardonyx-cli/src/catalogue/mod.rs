mod pack;
mod publish;

use clap::Subcommand;

pub(crate) use pack::{PackArgs, pack};
pub(crate) use publish::{PublishArgs, publish};

#[derive(Subcommand)]
pub(crate) enum CatalogueCommand {
    /// Check the offers of a file and make them into a catalogue that one read makes usable
    Pack(PackArgs),
    /// Put a packed catalogue into the artifact bucket, and make it the one that the functions use
    Publish(PublishArgs),
}
