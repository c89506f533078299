//! Columns of text, aligned by what they take up on a terminal.

use unicode_width::UnicodeWidthStr;

use crate::render::escape::visible_line;
use crate::render::screen::{Paint, Screen};

/// Between two columns.
const GAP: usize = 2;

/// Where stands what does not fit beside the rest.
const CONTINUED: usize = 4;

/// What cells without a value say: they are not worth a line of their own.
const NOTHING: [&str; 2] = ["", "-"];

/// Returns rows of cells as lines, the first of them a heading. On a terminal that is narrower, the columns that do not
/// fit stand in a line of their own below each row that has something there.
pub(crate) fn headed(screen: &Screen, rows: &[Vec<String>]) -> String {
    let rows = visible(rows);
    let widths = widths(&rows);
    let fitting = fitting(screen, &widths);
    let mut out = String::new();
    for (index, row) in rows.iter().enumerate() {
        let (first, rest) = row.split_at(fitting.min(row.len()));
        let mut lines = vec![line(first, &widths)];
        if rest.iter().any(|it| !NOTHING.contains(&it.as_str())) {
            lines.push(format!("{:CONTINUED$}{}", "", line(rest, &widths[first.len()..])));
        }
        for line in lines {
            out.push_str(&if index == 0 { screen.paint(Paint::Heading, &line) } else { line });
            out.push('\n');
        }
    }
    out
}

/// Returns rows of cells as lines; the last cell of a row is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let rows = visible(rows);
    let widths = widths(&rows);
    rows.iter().map(|it| format!("{}\n", line(it, &widths))).collect()
}

fn visible(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|it| visible_line(it).into_owned()).collect()).collect()
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|it| it.get(column)).map(|it| it.as_str().width()).max();
    (0..columns).map(|it| width(it).unwrap_or(0)).collect()
}

/// Returns how many columns stand side by side; one at least.
fn fitting(screen: &Screen, widths: &[usize]) -> usize {
    let Some(most) = screen.width else { return widths.len() };
    let mut taken = 0;
    let fits = |it: &&usize| {
        taken += **it + GAP;
        taken - GAP <= most
    };
    widths.iter().take_while(fits).count().max(1)
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width - cell.width() + GAP));
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::headed;
    use crate::render::screen::{Amount, Screen};

    fn check(width: Option<usize>, expected: Expect) {
        let screen = Screen { colour: false, width, unicode: false, amount: Amount::Usual };
        let rows = [
            ["ADDRESS", "DRIVER", "INTERFACE"],
            ["0000:03:00.0", "igc", "enp3s0"],
            ["0000:04:00.0", "-", "-"],
        ];
        let rows: Vec<Vec<String>> = rows.iter().map(|it| it.map(str::to_owned).to_vec()).collect();
        expected.assert_eq(&headed(&screen, &rows));
    }

    #[test]
    fn what_does_not_fit_stands_below_and_breaks_no_heading() {
        check(
            Some(24),
            expect![[r#"
            ADDRESS       DRIVER
                INTERFACE
            0000:03:00.0  igc
                enp3s0
            0000:04:00.0  -
        "#]],
        );
    }

    #[test]
    fn nothing_is_moved_where_there_is_room_or_no_terminal() {
        check(
            Some(80),
            expect![[r#"
            ADDRESS       DRIVER  INTERFACE
            0000:03:00.0  igc     enp3s0
            0000:04:00.0  -       -
        "#]],
        );
        check(
            None,
            expect![[r#"
            ADDRESS       DRIVER  INTERFACE
            0000:03:00.0  igc     enp3s0
            0000:04:00.0  -       -
        "#]],
        );
    }
}
