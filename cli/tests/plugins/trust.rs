//! Which plugins are run: those that nobody else could have put there, as they were when they were trusted.

#![expect(clippy::disallowed_methods, reason = "tests make links")]

use expect_test::expect;

use crate::lab::Lab;

/// What a plugin's hash is differs with the compiler.
fn without_hash(shown: &str) -> String {
    let is_hash = |it: &&str| it.len() == 64 && it.bytes().all(|it| it.is_ascii_hexdigit());
    let lines = shown.lines().map(|line| {
        line.split(' ').map(|it| if is_hash(&it) { "HASH" } else { it }).collect::<Vec<_>>().join(" ")
    });
    lines.map(|it| it + "\n").collect()
}

#[test]
fn a_type_that_is_not_known_may_be_that_of_a_plugin_nobody_trusted() {
    let lab = Lab::new();
    lab.compile("cli/tests/plugins/abi1.c", "lamp.so", &[]);
    lab.write(
        "lamp.json",
        "{\"format\":\"hoststate.declarations/1\",\"resources\":[{\"type\":\"acme.lamp\",\"on\":true}]}",
    );
    expect![[r#"
        error: there is no `acme`
          at lamp.lua:1
        hint: LAB/plugins/lamp.so is there and not trusted: `hoststate plugin trust LAB/plugins/lamp.so` shows what it has.
        exit 1
    "#]].assert_eq(&lab.run("check lamp.lua"));
    expect![[r#"
        error: resource 1 (acme.lamp): there is no resource type "acme.lamp"
          at lamp.json:1
        hint: LAB/plugins/lamp.so is there and not trusted: `hoststate plugin trust LAB/plugins/lamp.so` shows what it has.
        exit 1
    "#]].assert_eq(&lab.run("check lamp.json"));
}

#[test]
fn a_plugin_is_not_used_before_it_is_trusted() {
    let lab = Lab::new();
    lab.compile("cli/tests/plugins/abi1.c", "lamp.so", &[]);
    lab.knows_nothing_of("lamp.so", "lamp.lua");
    expect![[r#"
        plugin    lamp 1.0.0
        file      LAB/plugins/lamp.so
        sha256    HASH
        type      acme.lamp: A lamp.
        asks      to read the host as an unprivileged user
        asks      to propose writes to any file as root; each is shown, and you are asked
        asks      for up to 5 s to answer
        error: nobody can be asked whether to trust it: this process has no terminal
        hint: Read what it asks for above, then use --yes.
        exit 1
    "#]]
    .assert_eq(&without_hash(&lab.run("plugin trust plugins/lamp.so")));
    expect![[r#"
        plugin    lamp 1.0.0
        file      LAB/plugins/lamp.so
        sha256    HASH
        type      acme.lamp: A lamp.
        asks      to read the host as an unprivileged user
        asks      to propose writes to any file as root; each is shown, and you are asked
        asks      for up to 5 s to answer
        Trusted.
        exit 0
    "#]]
    .assert_eq(&without_hash(&lab.run("plugin trust plugins/lamp.so --yes")));
    lab.check(
        "plugin list",
        expect![[r#"
        STANDING  TYPES      PLUGIN
        trusted   acme.lamp  LAB/plugins/lamp.so
        exit 0
    "#]],
    );
    lab.check(
        "plugin trust plugins/lamp.so --yes",
        expect![[r#"
        LAB/plugins/lamp.so is trusted as it is.
        exit 0
    "#]],
    );
}

#[test]
fn a_plugin_that_changed_is_refused_until_it_is_trusted_again() {
    let lab = Lab::with(&[]);
    lab.compile("cli/tests/plugins/abi1.c", "lamp.so", &[r#"ASKS="\"asks\":{\"user\":\"root\"},""#]);
    lab.refuses_changed("lamp.so", "lamp.lua");
    lab.check(
        "plugin list",
        expect![[r#"
        STANDING  TYPES      PLUGIN
        changed   acme.lamp  LAB/plugins/lamp.so
        `hoststate plugin trust FILE` shows what a plugin asks for, and trusts it.
        exit 0
    "#]],
    );
    expect![[r#"
        plugin    lamp 1.0.0
        file      LAB/plugins/lamp.so
        sha256    HASH
                  was HASH when it was trusted
        type      acme.lamp: A lamp.
        asks      to run as root: it can do whatever root can, unseen   (new)
        asks      to propose writes to any file as root; each is shown, and you are asked
        asks      for up to 5 s to answer
        Trusted.
        exit 0
    "#]]
    .assert_eq(&without_hash(&lab.run("plugin trust plugins/lamp.so --yes")));
    let plan = lab.run("plan lamp.lua --root root");
    assert!(plan.ends_with("exit 0\n"), "{plan}");
}

#[test]
fn a_plugin_that_others_could_change_is_refused() {
    let lab = Lab::with(&[]);
    lab.mode("plugins/lamp.so", 0o775);
    lab.check(
        "plan lamp.lua --root root",
        expect![[r#"
        error: acme.lamp "lamp": LAB/plugins/lamp.so: can be changed by others than its owner (mode 0775)
          at lamp.lua:1
        hint: Remove that permission: `chmod go-w LAB/plugins/lamp.so`.
        exit 1
    "#]],
    );
    lab.mode("plugins/lamp.so", 0o755);
    lab.mode("plugins", 0o777);
    lab.check(
        "plan lamp.lua --root root",
        expect![[r#"
            error: LAB/plugins: can be changed by others than its owner (mode 0777)
            hint: Remove that permission: `chmod go-w LAB/plugins`.
            exit 1
        "#]],
    );
    // A sticky directory keeps what is in it, but takes more plugins.
    lab.mode("plugins", 0o1777);
    lab.check(
        "plugin list",
        expect![[r#"
            error: LAB/plugins: can be changed by others than its owner (mode 1777)
            hint: Remove that permission: `chmod go-w LAB/plugins`.
            exit 1
        "#]],
    );
}

#[test]
fn a_link_among_the_plugins_is_refused() {
    let lab = Lab::with(&[]);
    std::fs::rename(lab.path("plugins/lamp.so"), lab.path("lamp.so")).expect("it is there");
    std::os::unix::fs::symlink("../lamp.so", lab.path("plugins/lamp.so")).expect("room");
    lab.check(
        "plan lamp.lua --root root",
        expect![[r#"
            error: acme.lamp "lamp": LAB/plugins/lamp.so: is a symbolic link
              at lamp.lua:1
            hint: Plugins are plain files in the folders that `hoststate plugin list` names.
            exit 1
        "#]],
    );
}

#[test]
fn a_plugin_of_another_user_is_refused() {
    // Only root can give a file away; others own what they put there, and may run it.
    if rustix::process::geteuid().is_root() {
        let lab = Lab::with(&[]);
        std::os::unix::fs::chown(lab.path("plugins"), Some(1234), None).expect("root may");
        lab.check(
            "plan lamp.lua --root root",
            expect![[r#"
                error: LAB/plugins: belongs to user 1234, who could change what runs
                hint: Give it to root: `chown root:root LAB/plugins`.
                exit 1
            "#]],
        );
    }
}

#[test]
fn a_file_elsewhere_is_not_trusted() {
    let lab = Lab::new();
    lab.write("lamp.so", "");
    lab.check("plugin trust lamp.so --yes", expect![[r#"
        error: lamp.so is not in a plugin folder
        hint: Copy it to /usr/lib/hoststate/plugins or /etc/hoststate/plugins or LAB/plugins, or name its folder with --plugin-dir.
        exit 1
    "#]]);
}

#[test]
fn a_lock_file_of_another_version_is_not_overwritten() {
    let lab = Lab::with(&[]);
    let lock = lab.read("plugins/plugins.lock").replace("hoststate.plugins/1", "hoststate.plugins/2");
    lab.write("plugins/plugins.lock", &lock);
    lab.check(
        "plugin trust plugins/lamp.so --yes",
        expect![[r#"
        error: LAB/plugins/plugins.lock: has the format "hoststate.plugins/2", not "hoststate.plugins/1"
        hint: Remove it and trust the plugins again, or use the hoststate that wrote it.
        exit 1
    "#]],
    );
}
