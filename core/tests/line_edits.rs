//! Edits of lines: each text comes of the one before it, and what does not fit is refused.

use std::path::Path;

use hoststate_abi::lines::{LineEdit, Lines};
use hoststate_testkit::tree::Tree;
use proptest::prelude::*;

fn edited(text: &str, edits: &[LineEdit]) -> String {
    let mut lines = Lines::new(text.to_owned());
    for edit in edits {
        if let Err(err) = lines.edit(edit) {
            return err.to_string();
        }
    }
    let text = lines.to_string();
    assert_eq!(lines.size(), text.len());
    assert_eq!(lines.count(), text.split_inclusive('\n').count());
    text
}

fn edit(line: usize, removed: &str, inserted: &str) -> LineEdit {
    LineEdit { line: Some(line), removed: removed.to_owned(), inserted: inserted.to_owned() }
}

#[test]
fn lines_are_taken_out_and_others_put_in_their_place() {
    assert_eq!(edited("a\nb\nc\n", &[edit(2, "b\n", "x\ny\n")]), "a\nx\ny\nc\n");
    assert_eq!(edited("a\nb\n", &[edit(1, "a\n", ""), edit(1, "", "c\n")]), "c\nb\n");
    assert_eq!(edited("", &[LineEdit::append("a\n"), LineEdit::append("b\n")]), "a\nb\n");
}

#[test]
fn what_is_added_to_an_open_last_line_begins_a_line_of_its_own() {
    assert_eq!(edited("a", &[LineEdit::append("b\n")]), "a\nb\n");
    assert_eq!(edited("a", &[edit(2, "", "b\n")]), "a\nb\n");
    assert_eq!(edited("a", &[edit(1, "a", "b")]), "b");
}

#[test]
fn an_edit_of_lines_that_are_not_there_is_refused() {
    let refused = "line 2 is not what an edit takes out or leaves";
    assert_eq!(edited("a\nb\n", &[edit(2, "c\n", "x\n")]), refused);
    assert_eq!(edited("a\nb\n", &[edit(2, "b\nc\n", "x\n")]), refused);
    assert_eq!(edited("a\n", &[edit(3, "", "x\n")]), "line 3 is not what an edit takes out or leaves");
    assert_eq!(edited("a\nb\n", &[edit(0, "", "x\n")]), "line 0 is not what an edit takes out or leaves");
    assert_eq!(edited("a\nb\nc\n", &[edit(2, "b\n", "x")]), refused, "half a line in the middle");
}

#[test]
fn a_view_shows_a_file_with_its_edits_and_stays_as_it_is_when_one_does_not_fit() {
    let path = Path::new("/etc/a.conf");
    let tree = Tree::new(&[("/etc/a.conf", "one\n")]);
    let mut view = tree.view();
    view.predict_edits(path, &[edit(1, "one\n", "two\n")]).unwrap();
    view.predict_edits(path, &[LineEdit::append("three\n")]).unwrap();
    assert_eq!(view.read(path).unwrap().as_deref(), Some("two\nthree\n"));
    assert!(view.predict_edits(path, &[edit(1, "one\n", "x\n")]).is_err());
    assert_eq!(view.read(path).unwrap().as_deref(), Some("two\nthree\n"));
    view.predict(path, None).unwrap();
    view.predict_edits(path, &[LineEdit::append("anew\n")]).unwrap();
    assert_eq!(view.read(path).unwrap().as_deref(), Some("anew\n"));
    assert_eq!(view.has_text(path, "anew\n").unwrap(), Some(true));
    assert_eq!(view.has_text(path, "anEw\n").unwrap(), Some(false));
    assert_eq!(view.has_text(Path::new("/etc/b.conf"), "").unwrap(), None);
}

proptest! {
    #[test]
    fn every_text_comes_of_every_other_by_one_edit(before in "[ab\n]{0,12}", after in "[ab\n]{0,12}") {
        let edits: Vec<LineEdit> = LineEdit::between(&before, &after).into_iter().collect();
        prop_assert_eq!(edited(&before, &edits), after.clone());
        prop_assert_eq!(edits.is_empty(), before == after);
    }
}
