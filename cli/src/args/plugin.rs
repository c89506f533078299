//! The command line of `plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::PluginOptions;

/// A command about plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the plugins that are there, and whether they are trusted
    List(PluginListArguments),
    /// Try out a plugin: check that it keeps the laws that every resource type keeps
    Test(PluginTestArguments),
    /// Show what a plugin asks for, and trust it as it is now
    Trust(PluginTrustArguments),
}

/// Arguments of `plugin list`.
#[derive(Debug, Args)]
pub(crate) struct PluginListArguments {
    #[command(flatten)]
    pub(crate) plugins: PluginOptions,
}

/// Arguments of `plugin test`.
#[derive(Debug, Args)]
pub(crate) struct PluginTestArguments {
    /// The file of the plugin, wherever it is
    pub(crate) plugin: PathBuf,
    #[command(flatten)]
    pub(crate) plugins: PluginOptions,
}

/// Arguments of `plugin trust`.
#[derive(Debug, Args)]
pub(crate) struct PluginTrustArguments {
    /// The file of the plugin, in a folder of plugins
    pub(crate) plugin: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) plugins: PluginOptions,
}
