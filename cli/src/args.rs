//! The command line: commands, options, and what their help says.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::{ArgValueCandidates, Shell};

pub(crate) mod plugin;

use plugin::PluginCommand;

use crate::completion;

/// Makes this Linux host match a playbook: kernel command line, module policy, PCI passthrough, SR-IOV.
#[derive(Debug, Parser)]
#[command(name = "hoststate", version, after_help = EXIT_STATUS, after_long_help = EXIT_STATUS_AND_ERRORS)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

const EXIT_STATUS: &str = "\
Exit status: 0 success, 1 error, 4 refused by a guard, 130 interrupted.
With --detailed-exitcode, and always for verify: 0 in the desired state, 2 changes to make or made,
3 nothing left to do but a reboot, 5 done except for tools of the distribution that were not run.";

const EXIT_STATUS_AND_ERRORS: &str = "\
Exit status: 0 success, 1 error, 4 refused by a guard, 130 interrupted.
With --detailed-exitcode, and always for verify: 0 in the desired state, 2 changes to make or made,
3 nothing left to do but a reboot, 5 done except for tools of the distribution that were not run.

With --format json, an error without a plan or a report is also one object on standard output:
{\"format\":\"hoststate.error/1\",\"error\":{\"what\":TEXT,\"where\":PLACE or null,\"hint\":TEXT or null}},
with a \"diff\" if a saved plan or a file has changed.";

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every difference between the host and a playbook; change nothing
    Plan(PlanArguments),
    /// Show every difference, make the changes, read the host again, say what is left
    Converge(ConvergeArguments),
    /// Check strictly whether the host is in the desired state: one line per setting
    Verify(VerifyArguments),
    /// Sum up in three lines: the last run, what waits for a reboot, what has drifted since
    Status(StatusArguments),
    /// Evaluate and validate a playbook without looking at any host
    Check(CheckArguments),
    /// Show what is there now
    Inspect(InspectArguments),
    /// Explain why a PCI device is on its driver and not on another, from the firmware to whoever holds it
    Why(WhyArguments),
    /// Undo what a recorded run changed, and make that take effect
    Rollback(RollbackArguments),
    /// List the recorded runs, or show one of them
    History(HistoryArguments),
    /// Unpack a captured host into a directory, to converge it with --root
    Unpack(UnpackArguments),
    /// Print the JSON Schema of declarations, or of what another command prints
    Schema(SchemaArguments),
    /// List, try out and trust plugins
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Print the completions of a shell
    Completions(CompletionsArguments),
    /// Print a manual page, or write them all
    Man(ManArguments),
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct OutputOptions {
    /// Text for people, one JSON object, or metrics (verify only)
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Colour; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
    /// Show more: every step, and what is in the desired state
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Show less: no diffs, only what needs attention
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// Options of the commands that read a host.
#[derive(Debug, Args)]
pub(crate) struct HostOptions {
    /// The host is the tree below DIR: an image, a chroot, a captured host
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true)]
    pub(crate) root: PathBuf,
    /// How the distribution's tools are run: auto runs them on /, and only names them under --root
    #[arg(long, value_enum, default_value_t = ActivateMode::Auto, value_name = "HOW")]
    pub(crate) activate: ActivateMode,
    /// Let the exit status tell changes (2), a pending reboot (3) and tools not run (5) from the desired state (0)
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Override one guard, by the id it shows; may be repeated
    #[arg(long, value_name = "ID", add = ArgValueCandidates::new(completion::hazards))]
    pub(crate) accept: Vec<String>,
    #[command(flatten)]
    pub(crate) plugins: PluginOptions,
}

/// Options of the commands that compare a host with a playbook.
#[derive(Debug, Args)]
pub(crate) struct OwnerOptions {
    /// Whose declarations these are: what earlier runs of the same owner set is remembered; by default the playbook's
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) owner: Option<String>,
    /// Also take out what earlier runs of the owner set and the playbook no longer declares
    #[arg(long)]
    pub(crate) prune: bool,
}

/// Option of the commands that only look at a host.
#[derive(Debug, Args)]
pub(crate) struct CaptureOption {
    /// Look at a captured host: a file such as those in examples/hosts
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    pub(crate) capture: Option<PathBuf>,
}

/// Options of the commands that know resource types.
#[derive(Debug, Args)]
pub(crate) struct PluginOptions {
    /// Also use the trusted plugins in this folder; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Vec<PathBuf>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For the textfile collector of Prometheus; only of verify.
    Prometheus,
}

/// When text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How the distribution's tools are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActivateMode {
    /// Run on `/`, skip under `--root`.
    Auto,
    /// Run inside the root.
    Chroot,
    /// Name them, do not run them.
    Skip,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// A .lua file, a .json file of declarations, or - for JSON on standard input
    pub(crate) playbook: PathBuf,
    /// Save the plan, for `hoststate converge FILE`
    #[arg(long, value_name = "FILE", conflicts_with = "capture")]
    pub(crate) out: Option<PathBuf>,
    /// Show the boot that `converge --confirm-boot` would try, and what is done once it holds
    #[arg(long, conflicts_with = "out")]
    pub(crate) confirm_boot: bool,
    #[command(flatten)]
    pub(crate) owned: OwnerOptions,
    #[command(flatten)]
    pub(crate) captured: CaptureOption,
    #[command(flatten)]
    pub(crate) host: HostOptions,
}

/// Arguments of `converge`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_THE_BOOT)]
pub(crate) struct ConvergeArguments {
    /// A .lua file, a .json file of declarations, a saved plan, or - for JSON on standard input
    #[arg(required_unless_present = "at_boot")]
    pub(crate) playbook: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Only plan
    #[arg(long)]
    pub(crate) check: bool,
    /// Finish after the next boot what must wait for it; without a playbook: finish now what was left for this boot
    #[arg(long)]
    pub(crate) at_boot: bool,
    /// Try the new kernel command line in the next boot only; it becomes the default when that boot holds
    #[arg(long, conflicts_with = "at_boot")]
    pub(crate) confirm_boot: bool,
    /// Keep a tried boot running although it does not hold, instead of rebooting into the old entry
    #[arg(long, requires = "confirm_boot")]
    pub(crate) stay: bool,
    #[command(flatten)]
    pub(crate) owned: OwnerOptions,
    #[command(flatten)]
    pub(crate) host: HostOptions,
}

const AFTER_THE_BOOT: &str = "\
With --at-boot and --confirm-boot the unit hoststate-at-boot.service runs once, after the next
boot; the diff shows its files. `hoststate history` shows its verdict, the journal its report.
With --confirm-boot nothing else is changed before that boot: the default entry, its sources and
the images stay as they are. The playbook is converged if that boot has the new parameters, the
same root, writable, and the same way to the network (the card and the router, whatever the card
is called). If not, the host reboots into the old default entry after 10 minutes; `systemctl stop
hoststate-go-back.timer` keeps it up, and so does --stay. After a panic or a power cycle the old
entry boots at once. `hoststate rollback` takes back a boot that was not tried yet.";

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// A .lua file, a .json file of declarations, or - for JSON on standard input
    #[arg(required_unless_present = "last")]
    pub(crate) playbook: Option<PathBuf>,
    /// Use the declarations of the last run that was not undone; `status` compares with those of every owner
    #[arg(long, conflicts_with_all = ["playbook", "owner"])]
    pub(crate) last: bool,
    /// Wait up to this many seconds for devices that appear late
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    pub(crate) wait: u32,
    #[command(flatten)]
    pub(crate) owned: OwnerOptions,
    #[command(flatten)]
    pub(crate) captured: CaptureOption,
    #[command(flatten)]
    pub(crate) host: HostOptions,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) host: HostOptions,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// A .lua file, a .json file of declarations, or - for JSON on standard input
    pub(crate) playbook: PathBuf,
    /// Take the facts from a captured host: a file such as those in examples/hosts
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plugins: PluginOptions,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// What to show; everything when left out
    #[arg(value_enum)]
    pub(crate) what: Option<Inspected>,
    #[command(flatten)]
    pub(crate) captured: CaptureOption,
    #[command(flatten)]
    pub(crate) host: HostOptions,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// An address (01:00.0), ids (10de:0ffc), traits (vendor=10de,class=display), or a network interface (ens1f0)
    #[arg(add = ArgValueCandidates::new(completion::addresses))]
    pub(crate) device: String,
    /// A playbook that says which driver is wanted; by default the last run of each playbook says it
    pub(crate) playbook: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) captured: CaptureOption,
    #[command(flatten)]
    pub(crate) host: HostOptions,
}

/// What `inspect` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Inspected {
    /// PCI devices with IOMMU groups, drivers and virtual functions.
    Devices,
    /// The command line of each kernel, and where each parameter comes from.
    Cmdline,
    /// Module configuration, and which line wins.
    Modules,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
#[command(after_help = NEWEST_FIRST)]
pub(crate) struct RollbackArguments {
    /// The run to undo; by default the newest, or one whose rollback was not finished
    #[arg(add = ArgValueCandidates::new(completion::runs))]
    pub(crate) run: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Only show what would be put back
    #[arg(long)]
    pub(crate) check: bool,
    /// Lose what others changed since where that run changed it; what is lost is shown
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) host: HostOptions,
}

const NEWEST_FIRST: &str = "\
Without RUN the newest run is undone, and nothing if that is undone already: to go further
back, name the run. A rollback that was interrupted, or whose tool failed, is continued by the same
command. A rollback is a run of its own: name it to bring back what it took away.";

/// Arguments of `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// Show only this run: what it changed, as a diff, and every step
    #[arg(add = ArgValueCandidates::new(completion::runs))]
    pub(crate) run: Option<String>,
    /// List all runs, not only the newest
    #[arg(long, conflicts_with = "run")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) host: HostOptions,
}

/// Arguments of `unpack`.
#[derive(Debug, Args)]
pub(crate) struct UnpackArguments {
    /// A captured host: a file such as those in examples/hosts
    pub(crate) file: PathBuf,
    /// The directory to make
    pub(crate) directory: PathBuf,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// A resource type, or `plan`, `report`, `verify`, `status`, `history`, `why` or `inspect`; by default a file of declarations
    #[arg(value_name = "TYPE", add = ArgValueCandidates::new(completion::types))]
    pub(crate) kind: Option<String>,
    /// Print the definitions for lua-language-server instead
    #[arg(long, conflicts_with = "kind")]
    pub(crate) luals: bool,
    /// Print the reference of the playbook language instead, in Markdown
    #[arg(long, conflicts_with_all = ["kind", "luals"])]
    pub(crate) reference: bool,
    #[command(flatten)]
    pub(crate) plugins: PluginOptions,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The command whose page is printed, or hoststate.lua for the playbook language; by default that of hoststate
    pub(crate) page: Vec<String>,
    /// Write all pages below DIR, in its man1 and man5
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    pub(crate) out: Option<PathBuf>,
}
