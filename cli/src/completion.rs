//! What a shell offers to complete a command line with: options and commands, and what the host has at that moment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, CompletionCandidate, Shell};
use hoststate_abi::host_view::HostView;
use hoststate_core::machine::pci_bus::devices;
use hoststate_core::record::STATE_DIRECTORY;
use hoststate_core::record::history;
use hoststate_core::record::store::RecordStore;
use hoststate_lua::composites::COMPOSITES;

use crate::args::{ActivateMode, CaptureOption, HostOptions, PluginOptions};
use crate::commands::schema::ANSWERS;
use crate::manual::examples;
use crate::plugins::Plugins;
use crate::target::Target;

/// The variable in which a script of [`script`] names its shell.
const VARIABLE: &str = "_HOSTSTATE_COMPLETE";
const PROGRAM: &str = "hoststate";

/// Read as a function by compinit, the script is run by the first completion, which it answers as well.
const ZSH: &str = r#"[ "$funcstack[1]" = "_hoststate" ] && _clap_dynamic_completer_hoststate "$@"
"#;

/// bash takes a colon for the end of a word, and addresses have two: bash-completion puts such words together again.
const BASH: &str = r#"_hoststate() {
    local cur words cword
    if ! declare -F _get_comp_words_by_ref __ltrim_colon_completions >/dev/null; then
        _clap_complete_hoststate "$@"
        return
    fi
    _get_comp_words_by_ref -n : cur words cword
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$cword
    _clap_complete_hoststate "$1" "$cur" "$3"
    __ltrim_colon_completions "$cur"
}
complete -o nospace -o bashdefault -F _hoststate hoststate
"#;

/// Answers a shell that asks, and ends the process; returns where nobody asks.
pub(crate) fn answer() {
    CompleteEnv::with_factory(examples::plain).var(VARIABLE).bin(PROGRAM).completer(PROGRAM).complete();
}

/// Returns what a shell reads so that it asks.
pub(crate) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    if let Some(it) = shells.completer(&shell.to_string()) {
        // A vector takes all that is written.
        it.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script).unwrap_or_default();
    }
    let mut script = String::from_utf8_lossy(&script).into_owned();
    script.push_str(match shell {
        Shell::Zsh => ZSH,
        Shell::Bash => BASH,
        _ => "",
    });
    script
}

/// The PCI devices of the host.
pub(crate) fn addresses() -> Vec<CompletionCandidate> {
    let Ok(devices) = devices(&HostView::new(root())) else { return Vec::new() };
    let shown = devices.iter().map(|it| {
        let driver = it.driver.as_deref().unwrap_or("no driver");
        let ids = format!("{:04x}:{:04x}", it.id.vendor, it.id.device);
        CompletionCandidate::new(it.address.to_string()).help(Some(format!("{ids}, {driver}").into()))
    });
    shown.collect()
}

/// The runs in the history of the host, the newest first.
pub(crate) fn runs() -> Vec<CompletionCandidate> {
    let store = RecordStore::new(root(), STATE_DIRECTORY);
    let machine = HostView::new(Path::new("/"));
    let Ok(runs) = history::newest_first(&store, &machine) else { return Vec::new() };
    let shown = runs.filter_map(Result::ok).enumerate().map(|(index, it)| {
        let help = it.record.command.to_string();
        CompletionCandidate::new(it.record.id).help(Some(help.into())).display_order(Some(index))
    });
    shown.collect()
}

/// The types of declarations, and the answers that have a schema.
pub(crate) fn types() -> Vec<CompletionCandidate> {
    let plugins = Plugins::new(&PluginOptions { plugin_dir: Vec::new() });
    let Ok(registry) = plugins.and_then(|it| it.registry()) else { return Vec::new() };
    let types = registry.entries().iter().map(|it| it.name().to_owned());
    let composites = COMPOSITES.iter().map(|it| it.name.to_owned());
    let all = types.chain(composites).chain(ANSWERS.map(str::to_owned));
    all.map(CompletionCandidate::new).collect()
}

/// What guards refuse of the playbook on the command line: the ids that `--accept` takes.
pub(crate) fn hazards() -> Vec<CompletionCandidate> {
    let hazards = || -> Option<Vec<CompletionCandidate>> {
        let playbook = words().find(|it| Path::new(it).is_file())?;
        let plugins = PluginOptions { plugin_dir: Vec::new() };
        let (root, activate, accept) = (root(), ActivateMode::Auto, Vec::new());
        let options = HostOptions { root, activate, detailed_exitcode: false, accept, plugins };
        let target = Target::look(&options, &CaptureOption { capture: None }).ok()?;
        let declared = target.playbook(Path::new(&playbook)).ok()?.declared;
        let plan = target.plan(&declared).ok()?;
        let shown = plan
            .refusals()
            .map(|it| CompletionCandidate::new(it.id.to_string()).help(Some(it.message.clone().into())));
        Some(shown.collect())
    };
    hazards().unwrap_or_default()
}

/// The words of the command line that is completed: they stand behind `--`.
fn words() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip_while(|it| it != "--").skip(2)
}

/// Returns the root of the host that the command line is about.
fn root() -> PathBuf {
    let mut words = words();
    while let Some(word) = words.next() {
        if word == "--root" {
            return words.next().unwrap_or_default().into();
        }
        if let Some(joined) = word.to_str().and_then(|it| it.strip_prefix("--root=")) {
            return joined.into();
        }
    }
    PathBuf::from("/")
}
