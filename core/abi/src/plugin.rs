//! Writing a plugin in Rust: implement [`Resource`], and [`export_plugin!`](crate::export_plugin).
//!
//! This is a complete plugin. Built as a `cdylib`, it gives playbooks the type `vm.swappiness`:
//!
//! ```
//! use std::path::Path;
//!
//! use hoststate_abi::export_plugin;
//! use hoststate_abi::message::{Inspection, Refusal};
//! use hoststate_abi::plugin::{Context, Plugin, Resource};
//! use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
//! use hoststate_abi::step::Step;
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// How readily the kernel swaps.
//! #[derive(Debug, Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Swappiness {
//!     /// 0 to 200; 60 is the kernel's own choice.
//!     #[schemars(range(max = 200))]
//!     value: u8,
//! }
//!
//! impl Resource for Swappiness {
//!     const NAME: &'static str = "vm.swappiness";
//!
//!     fn inspect(&self, cx: Context<'_>) -> Result<Inspection, Refusal> {
//!         let path = Path::new("/proc/sys/vm/swappiness");
//!         let desired = self.value.to_string();
//!         let actual = cx.host.attribute(path)?;
//!         let state = if actual.as_deref() == Some(&desired) {
//!             State::Converged
//!         } else {
//!             let write = Step::WriteAttribute { path: path.into(), value: desired.clone() };
//!             State::Drifted { actual, desired: Some(desired), remedy: Remedy::Steps(vec![write]) }
//!         };
//!         Ok(vec![Setting::runtime("/proc/sys/vm/swappiness", Disruption::None, state)].into())
//!     }
//! }
//!
//! export_plugin!(Plugin::new("swappiness", "1.0.0").with::<Swappiness>());
//! ```

use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::description::{Example, TypeDescription};
use crate::host_view::HostView;
use crate::message::{
    Answer, Asks, Description, Distro, Hello, Inspect, Inspection, Message, PROTOCOL, Refusal, Request,
    Response, Seconds, User, Welcome,
};

/// A resource type of a plugin: its desired state is the implementing struct itself.
pub trait Resource: DeserializeOwned + JsonSchema + 'static {
    /// Name in playbooks: `vendor.type`.
    const NAME: &'static str;

    /// The fields whose values name a declaration that has no `name`.
    const KEY: &'static [&'static str] = &[];

    /// Returns every setting this resource governs, as found and as wanted.
    ///
    /// Writes nothing and does not sleep; the same host gives the same settings.
    ///
    /// # Errors
    /// When the host cannot be read, or cannot be what is wanted for a reason the user must mend.
    fn inspect(&self, cx: Context<'_>) -> Result<Inspection, Refusal>;

    /// Returns values and hosts that `hoststate plugin test` tries the type on.
    fn examples() -> Vec<Example> {
        Vec::new()
    }
}

/// What a resource compares itself with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The host, as it will be when the resources before this one are applied.
    pub host: &'a HostView,
    /// The distribution.
    pub distro: &'a Distro,
}

type Inspector = Box<dyn Fn(Map<String, Value>, Context<'_>) -> Result<Inspection, Refusal>>;

/// A plugin: its name, what it asks for, and its types.
pub struct Plugin {
    description: Description,
    inspectors: Vec<Inspector>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("description", &self.description).finish_non_exhaustive()
    }
}

impl Plugin {
    /// Returns a plugin without types.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let (name, version) = (name.into(), version.into());
        Self {
            description: Description { name, version, asks: Asks::default(), types: Vec::new() },
            inspectors: Vec::new(),
        }
    }

    /// Returns this plugin with one more type.
    #[must_use]
    pub fn with<T: Resource>(self) -> Self {
        let description = TypeDescription {
            name: T::NAME.to_owned(),
            schema: schemars::schema_for!(T),
            key: T::KEY.iter().map(|it| (*it).to_owned()).collect(),
            examples: T::examples(),
        };
        self.with_type(description, |desired, cx| {
            let desired: T = serde_json::from_value(Value::Object(desired)).map_err(|err| {
                Refusal::new(format!("{}: {err}", T::NAME), "Give the fields the values they take.")
            })?;
            desired.inspect(cx)
        })
    }

    /// Returns this plugin with one more type, which is known only when the plugin runs: what hosts types that are
    /// written in another language. `inspect` keeps the rules of [`Resource::inspect`].
    #[must_use]
    pub fn with_type(
        mut self,
        description: TypeDescription,
        inspect: impl Fn(Map<String, Value>, Context<'_>) -> Result<Inspection, Refusal> + 'static,
    ) -> Self {
        self.description.types.push(description);
        self.inspectors.push(Box::new(inspect));
        self
    }

    /// Returns what the plugin says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Returns this plugin, asking to run as root.
    #[must_use]
    pub fn as_root(mut self) -> Self {
        self.description.asks.user = User::Root;
        self
    }

    /// Returns this plugin, asking to propose runs of `program`, an absolute path.
    #[must_use]
    pub fn runs(mut self, program: impl Into<PathBuf>) -> Self {
        self.description.asks.runs.push(program.into());
        self
    }

    /// Returns this plugin, asking to propose writes to what these patterns match, and to nothing else.
    #[must_use]
    pub fn writes(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.description.asks.writes.get_or_insert_default().extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Returns this plugin, asking for that long to answer.
    #[must_use]
    pub fn within(mut self, seconds: Seconds) -> Self {
        self.description.asks.seconds = seconds;
        self
    }

    /// Returns the answer to the request in a line of JSON, as a line without its end.
    pub fn answer(&self, line: &[u8]) -> String {
        let (id, answer) = match serde_json::from_slice::<Message>(line) {
            Ok(Message { id, request }) => (id, self.respond(request)),
            Err(err) => {
                let id = serde_json::from_slice::<Value>(line).ok().and_then(|it| it.get("id")?.as_u64());
                let what = format!("this is not a request of protocol {PROTOCOL}: {err}");
                (id.unwrap_or_default(), Err(Refusal { what, hint: None }))
            }
        };
        let answer = answer.unwrap_or_else(Answer::Error);
        serde_json::to_string(&Response { id, answer }).unwrap_or_else(|err| {
            format!("{{\"id\":{id},\"answer\":{{\"error\":{{\"what\":{:?}}}}}}}", err.to_string())
        })
    }

    /// Answers requests on standard input until it ends: what the `main` of a plugin that is a program calls.
    ///
    /// # Errors
    /// When standard input or output fails.
    pub fn serve(&self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        for line in io::stdin().lock().split(b'\n') {
            writeln!(stdout, "{}", self.answer(&line?))?;
            stdout.flush()?;
        }
        Ok(())
    }

    fn respond(&self, request: Request) -> Result<Answer, Refusal> {
        match request {
            Request::Hello(hello) => welcome(&hello).map(Answer::Hello),
            Request::Describe(_) => Ok(Answer::Describe(self.description.clone())),
            Request::Inspect(inspect) => {
                // Whoever panics leaves nothing behind: each request brings a host view and a value of its own.
                catch_unwind(AssertUnwindSafe(|| self.inspect(*inspect)))
                    .unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
                    .map(Answer::Inspect)
            }
        }
    }

    fn inspect(&self, inspect: Inspect) -> Result<Inspection, Refusal> {
        let Inspect { kind, desired, root, predicted, distro } = inspect;
        let mut host = HostView::new(root);
        for (path, text) in predicted {
            host.predict(&path, text)?;
        }
        let types = self.description.types.iter().zip(&self.inspectors);
        match types.into_iter().find(|(it, _)| it.name == kind) {
            Some((_, inspector)) => inspector(desired, Context { host: &host, distro: &distro }),
            None => Err(Refusal { what: format!("this plugin has no type {kind:?}"), hint: None }),
        }
    }
}

fn welcome(hello: &Hello) -> Result<Welcome, Refusal> {
    if !(hello.oldest..=hello.protocol).contains(&PROTOCOL) {
        let what = format!(
            "hoststate speaks the protocols {} to {}, this plugin speaks {PROTOCOL}",
            hello.oldest, hello.protocol
        );
        return Err(Refusal::new(what, "Build the plugin for this version of hoststate."));
    }
    let features = crate::message::FEATURES.iter().map(|it| (*it).to_owned());
    Ok(Welcome { protocol: PROTOCOL, features: features.filter(|it| hello.features.contains(it)).collect() })
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Refusal {
    let message = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Refusal::new(
        format!("the plugin panicked: {message}"),
        "This is a bug of the plugin; report it to its author.",
    )
}
