//! A check as metrics in the text format of Prometheus (exposition format 0.0.4), for the textfile collector of its
//! node exporter.

use std::fmt::Write;

use hoststate_core::plan::planned::Plan;
use hoststate_core::plan::scene::Severity;
use hoststate_core::record::RunRecord;
use jiff::Timestamp;

use crate::render::when;

/// Returns the counts of a check, whether a reboot is waited for, and when the last run was.
pub(crate) fn text(plan: &Plan, last: Option<&RunRecord>, now: Timestamp) -> String {
    let mut out = String::new();
    let summary = &plan.summary;
    let states = [
        ("in_desired_state", summary.in_desired_state),
        ("drifted", summary.to_change),
        ("waits_for_reboot", summary.only_reboot),
        ("deferred", summary.deferred),
        ("conflict", plan.conflicts.len()),
    ];
    let states = states.map(|(state, count)| (format!("{{state=\"{state}\"}}"), count as i64));
    family(
        &mut out,
        "hoststate_settings",
        "Settings that the playbook declares, by how the host has them.",
        &states,
    );
    let severities = [("refuse", Severity::Refuse), ("warn", Severity::Warn)].map(|(name, severity)| {
        let count = plan.guards.iter().filter(|it| it.severity == severity && !it.accepted).count();
        (format!("{{severity=\"{name}\"}}"), count as i64)
    });
    family(&mut out, "hoststate_guards", "Hazards that guards see, by what they do about them.", &severities);
    let mut one =
        |name: &str, help: &str, value: i64| family(&mut out, name, help, &[(String::new(), value)]);
    one(
        "hoststate_in_desired_state",
        "Whether every setting was read and is as wanted.",
        plan.in_desired_state().into(),
    );
    one("hoststate_reboot_required", "Whether something waits for a reboot.", plan.reboot.required.into());
    one(
        "hoststate_boot_in_vain",
        "Whether a boot was to make something right and did not.",
        plan.is_beyond_boot().into(),
    );
    one(
        "hoststate_no_longer_declared",
        "Settings of earlier runs that are in place and no longer declared.",
        plan.no_longer_declared.len() as i64,
    );
    one("hoststate_verify_timestamp_seconds", "When this was looked at.", now.as_second());
    let Some(last) = last else { return out };
    if let Some(began) = when::parsed(&last.id) {
        one("hoststate_last_run_timestamp_seconds", "When the last run began.", began.as_second());
        let age = now.as_second() - began.as_second();
        one("hoststate_last_run_age_seconds", "How long ago that was.", age);
    }
    let outcome = serde_json::to_value(last.outcome).ok();
    let outcome = outcome.as_ref().and_then(|it| it.as_str()).unwrap_or("cut");
    let labels = [("run", last.id.as_str()), ("command", &last.command.to_string()), ("outcome", outcome)];
    let labels = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).join(",");
    let help = "The last run, and how it ended.";
    family(&mut out, "hoststate_last_run_info", help, &[(format!("{{{labels}}}"), 1)]);
    out
}

fn family(out: &mut String, name: &str, help: &str, samples: &[(String, i64)]) {
    let lines = samples.iter().map(|(labels, value)| format!("{name}{labels} {value}\n"));
    let lines: String = lines.collect();
    write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{lines}")
        .expect("a String takes all that is written");
}

/// Returns the value of a label as it stands between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
