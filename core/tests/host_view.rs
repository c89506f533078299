//! What a view knows: it asks the host once, and one that remembers can tell whether it would be told the same now.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_testkit::tree::Tree;

/// Asks `question` on a host, changes the host, and returns whether the view believes that it is still true.
fn holds(question: impl FnOnce(&HostView), change: impl FnOnce(&Tree)) -> bool {
    let tree = Tree::new(&[("/etc/a.conf", "one"), ("/etc/b.conf -> a.conf", ""), ("/etc/d/", "")]);
    let view = tree.view().remembering();
    question(&view);
    assert!(view.is_still_true(), "nothing was changed");
    change(&tree);
    view.is_still_true()
}

#[test]
fn every_kind_of_answer_is_remembered() {
    let read = |path: &'static str| move |view: &HostView| drop(view.read(Path::new(path)).unwrap());
    let list = |view: &HostView| drop(view.list(Path::new("/etc/d")).unwrap());
    let exists = |view: &HostView| assert!(!view.exists(Path::new("/etc/e")).unwrap());
    let status = |view: &HostView| assert!(view.status(Path::new("/etc/a.conf")).unwrap().is_some());
    assert!(!holds(read("/etc/a.conf"), |it| it.write("/etc/a.conf", "two")), "text");
    assert!(!holds(read("/etc/b.conf"), |it| it.write("/etc/a.conf", "two")), "text behind a link");
    assert!(!holds(read("/etc/b.conf"), |it| it.link("/etc/b.conf", "d/c.conf")), "a link");
    assert!(!holds(read("/etc/c.conf"), |it| it.write("/etc/c.conf", "")), "a missing file");
    assert!(!holds(read("/etc/a.conf"), |it| it.remove("/etc/a.conf")), "a removed file");
    assert!(!holds(list, |it| it.write("/etc/d/x", "")), "names");
    assert!(!holds(exists, |it| it.write("/etc/e", "")), "existence");
    assert!(!holds(status, |it| it.write("/etc/a.conf", "longer")), "size");
}

#[test]
fn what_nobody_asked_about_may_change() {
    assert!(holds(
        |view| drop(view.read(Path::new("/etc/a.conf")).unwrap()),
        |it| it.write("/etc/c.conf", "")
    ));
}

#[test]
fn what_was_read_beside_the_predictions_is_remembered_too() {
    let question = |view: &HostView| {
        let mut view = view.without_predictions();
        view.predict(Path::new("/etc/c.conf"), Some("x".to_owned())).unwrap();
        let before = view.without_predictions();
        assert_eq!(before.read(Path::new("/etc/c.conf")).unwrap(), None);
    };
    assert!(!holds(question, |it| it.write("/etc/c.conf", "")));
}

#[test]
fn a_predicted_file_brings_its_directories() {
    let tree = Tree::new(&[("/etc/a.conf", "")]);
    let mut view = tree.view();
    let file = Path::new("/etc/modprobe.d/new/b.conf");
    view.predict(file, Some(String::new())).unwrap();
    for directory in ["/etc/modprobe.d", "/etc/modprobe.d/new"] {
        assert!(view.is_dir(Path::new(directory)).unwrap() && view.exists(Path::new(directory)).unwrap());
    }
    for other in ["/etc/modprobe", "/etc/modprobe.d/ne", "/etc/modprobe.d/new/b.conf", "/etc/a.conf"] {
        assert!(!view.is_dir(Path::new(other)).unwrap(), "{other}");
    }
    view.predict(file, None).unwrap();
    assert!(!view.is_dir(Path::new("/etc/modprobe.d")).unwrap());
}

#[test]
fn a_view_without_a_memory_never_says_that_it_is_still_true() {
    assert!(!Tree::new(&[]).view().is_still_true());
}

#[test]
fn what_the_host_has_without_predictions_is_read_once() {
    let (read, other) = (Path::new("/etc/a.conf"), Path::new("/etc/c.conf"));
    let text = |view: &HostView| view.parsed(read, str::to_owned).unwrap().map(|it| it.to_string());
    let listed = |view: &HostView| view.derived_once(|it| it.list(Path::new("/etc"))).unwrap().len();
    let tree = Tree::new(&[("/etc/a.conf", "one")]);
    let mut view = tree.view();
    assert_eq!((text(&view).as_deref(), listed(&view)), (Some("one"), 1));
    tree.write("/etc/a.conf", "two");
    tree.write("/etc/b.conf", "");
    let same = |view: &HostView| assert_eq!((text(view).as_deref(), listed(view)), (Some("one"), 1));
    same(&view.without_predictions());
    view.predict(other, Some(String::new())).unwrap();
    view.predict(read, Some("three".to_owned())).unwrap();
    assert_eq!(text(&view).as_deref(), Some("three"));
    same(&view.without_predictions());
    let mut again = view.without_predictions();
    again.predict(read, None).unwrap();
    assert_eq!(text(&again), None);
    assert_eq!(text(&view).as_deref(), Some("three"), "each view has predictions of its own");
    same(&again.without_predictions());
}

#[test]
fn a_file_that_was_asked_for_as_a_directory_is_there() {
    let tree = Tree::new(&[("/etc/a.conf", "one")]);
    let view = tree.view();
    assert_eq!(view.read(Path::new("/etc/a.conf/x")).unwrap(), None);
    assert_eq!(view.read(Path::new("/etc/a.conf")).unwrap().as_deref(), Some("one"));
}
