//! The machine while udev works on an event: attributes are written at once, and what is to be told goes to the kernel's log.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use rustix::fs::{Mode, OFlags};

use super::{Done, Host, child};
use crate::error::{Error, Result};

/// The kernel's log; the journal reads it too, and it is there before the journal is.
const LOG: &str = "/dev/kmsg";

/// The machine, as a program that udev runs may change it: kernel attributes and nothing else. udev itself ends what does
/// not come back (udev.conf(5), `event_timeout`).
#[derive(Debug, Default)]
pub struct EventHost;

impl Host for EventHost {
    fn view(&self) -> HostView {
        HostView::new("/")
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        let Step::WriteAttribute { path, value } = step else {
            return Err(Error::invalid(
                format!("no boot rule does this: {step}"),
                "Use `hoststate converge`.",
            ));
        };
        match child::write_attribute(path, value) {
            Ok(()) => Ok(Done::default()),
            Err(errno) => Err(Error::Attribute {
                path: path.clone(),
                value: value.clone(),
                why: std::io::Error::from(errno).to_string(),
                hint: None,
            }),
        }
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn wait_for_devices(&self, _attempt: u32) -> bool {
        false
    }
}

/// Writes a warning into the log of the kernel, by one write(2) (Documentation/ABI/testing/dev-kmsg).
///
/// # Errors
/// When the log cannot be written.
pub fn log(text: &str) -> std::io::Result<()> {
    /// `LOG_WARNING` of a user's program (syslog(3)).
    const PRIORITY: u8 = 12;
    let file = rustix::fs::open(Path::new(LOG), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, format!("<{PRIORITY}>hoststate: {text}\n").as_bytes())?;
    Ok(())
}
