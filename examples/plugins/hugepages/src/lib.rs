//! A hoststate plugin: huge pages of a NUMA node now, and for the whole host from every boot on.
//!
//! ```lua
//! vm.hugepages { size = "1G", pages = 4, node = 0, at_boot = 8 }
//! ```

use std::path::{Path, PathBuf};

use hoststate_abi::description::Example;
use hoststate_abi::export_plugin;
use hoststate_abi::message::{Inspection, Refusal};
use hoststate_abi::plugin::{Context, Plugin, Resource};
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

/// A size of pages that the kernel knows by a word.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
enum Size {
    /// Two MiB.
    #[serde(rename = "2M")]
    TwoMebibytes,
    /// One GiB.
    #[serde(rename = "1G")]
    OneGibibyte,
}

impl Size {
    fn word(self) -> &'static str {
        match self {
            Self::TwoMebibytes => "2M",
            Self::OneGibibyte => "1G",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Self::TwoMebibytes => "hugepages-2048kB",
            Self::OneGibibyte => "hugepages-1048576kB",
        }
    }
}

/// Huge pages of a NUMA node.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hugepages {
    /// Size of the pages.
    size: Size,
    /// Number of the pages that the node has now.
    pages: u32,
    /// The node; 0 where the machine has one.
    #[serde(default)]
    node: u32,
    /// Number of pages that the kernel sets aside at boot, for all nodes together. Left out: the command line is
    /// left alone.
    at_boot: Option<u32>,
}

impl Resource for Hugepages {
    const NAME: &'static str = "vm.hugepages";
    const KEY: &'static [&'static str] = &["size", "node"];

    fn inspect(&self, cx: Context<'_>) -> Result<Inspection, Refusal> {
        let path = self.attribute();
        let Some(actual) = cx.host.attribute(&path)? else {
            let what = format!("this machine has no node {} with pages of {}", self.node, self.size.word());
            return Err(Refusal::new(what, "`ls /sys/devices/system/node` shows the nodes and their sizes."));
        };
        let desired = self.pages.to_string();
        let state = if actual == desired {
            State::Converged
        } else {
            let write = Step::WriteAttribute { path: path.clone(), value: desired.clone() };
            State::Drifted {
                actual: Some(actual),
                desired: Some(desired),
                remedy: Remedy::Steps(vec![write]),
            }
        };
        let settings = vec![Setting::runtime(path.display().to_string(), Disruption::None, state)];
        // hoststate knows every boot loader; this plugin need not.
        let resources = self.at_boot.map(|pages| {
            let words = [format!("hugepagesz={}", self.size.word()), format!("hugepages={pages}")];
            Map::from_iter([("type".into(), json!("kernel_cmdline")), ("present".into(), json!(words))])
        });
        Ok(Inspection { settings, resources: resources.into_iter().collect() })
    }

    fn examples() -> Vec<Example> {
        let files = |size: &str| {
            let path = format!("/sys/devices/system/node/node0/hugepages/{size}/nr_hugepages");
            [(PathBuf::from(path), "0\n".to_owned())].into()
        };
        let example = |desired, size| Example {
            desired: serde_json::from_value(desired).unwrap_or_default(),
            files: files(size),
            links: Default::default(),
        };
        vec![
            example(json!({ "size": "2M", "pages": 512 }), "hugepages-2048kB"),
            example(json!({ "size": "1G", "pages": 2, "node": 0, "at_boot": 4 }), "hugepages-1048576kB"),
        ]
    }
}

impl Hugepages {
    fn attribute(&self) -> PathBuf {
        Path::new("/sys/devices/system/node")
            .join(format!("node{}", self.node))
            .join("hugepages")
            .join(self.size.directory())
            .join("nr_hugepages")
    }
}

export_plugin!(Plugin::new("hugepages", env!("CARGO_PKG_VERSION")).with::<Hugepages>());
