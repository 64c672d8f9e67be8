//! A table of values: fitted to a screen, for a ticket, for a spreadsheet, or for a program.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{guard, markdown};

/// Columns of a screen between two columns of a table.
const GAP: usize = 2;

/// Least columns of a screen that a column of a table keeps.
const NARROWEST: usize = 6;

/// A table.
#[derive(Debug, Clone, Default)]
pub struct Grid {
    /// Names of the columns.
    pub head: Vec<String>,
    /// Which columns hold numbers.
    pub numbers: Vec<bool>,
    /// The rows.
    pub rows: Vec<Vec<serde_json::Value>>,
    /// How many more rows there are.
    pub more: usize,
}

/// For a screen of so many columns: long values are cut, the longest first.
pub fn text(grid: &Grid, width: usize) -> String {
    let cells: Vec<Vec<String>> = grid.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
    let head: Vec<String> = grid.head.iter().map(|name| guard::plain(name).into_owned()).collect();
    let widths = fit(&head, &cells, width);
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    let left = vec![false; head.len()];
    let mut out = line(&head, &widths, &grid.numbers) + &line(&rule, &widths, &left);
    out.extend(cells.iter().map(|row| line(row, &widths, &grid.numbers)));
    let count = grid.rows.len() + grid.more;
    out.push_str(&if count == 1 { "1 row".to_owned() } else { format!("{count} rows") });
    if grid.more > 0 {
        out.push_str(&format!(", {} not shown; LIMIT asks for fewer, --csv and --parquet write all", grid.more));
    }
    out + "\n"
}

/// For a ticket.
pub fn markdown(grid: &Grid) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = row(grid.head.iter().map(|name| markdown::prose(name)).collect());
    out += &row(grid.numbers.iter().map(|number| if *number { "--:" } else { "---" }.to_owned()).collect());
    let prose = |value: &serde_json::Value| markdown::prose(&shown(value));
    out.extend(grid.rows.iter().map(|cells| row(cells.iter().map(prose).collect())));
    out
}

/// For a program: a list of objects, one a row.
pub fn json(grid: &Grid) -> String {
    let object = |row: &Vec<serde_json::Value>| {
        let fields: serde_json::Map<_, _> = grid.head.iter().cloned().zip(row.iter().cloned()).collect();
        guard::escaped(&serde_json::Value::Object(fields).to_string())
    };
    let rows: Vec<String> = grid.rows.iter().map(object).collect();
    if rows.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", rows.join(",\n")) }
}

/// For a spreadsheet (RFC 4180), word for word.
pub fn csv(grid: &Grid) -> String {
    let record = |cells: Vec<String>| cells.join(",") + "\r\n";
    let mut out = record(grid.head.iter().map(|name| quoted(name)).collect());
    out.extend(grid.rows.iter().map(|row| record(row.iter().map(|value| quoted(&raw(value))).collect())));
    out
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// A value as it is; nothing for one that is not told.
fn raw(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value as a person sees it.
fn shown(value: &serde_json::Value) -> String {
    guard::plain(raw(value).trim_end()).into_owned()
}

/// How wide each column is: as wide as its widest value, less where the screen is narrower.
fn fit(head: &[String], rows: &[Vec<String>], screen: usize) -> Vec<usize> {
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width());
        cells.chain([head[at].width(), 1]).max().unwrap_or(1)
    };
    let mut widths: Vec<usize> = (0..head.len()).map(widest).collect();
    let room = screen.saturating_sub(GAP * head.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > room {
        let most = widths.iter().copied().max().unwrap_or_default();
        if most <= NARROWEST {
            break;
        }
        // All of the widest give way at once, down to the next one or as far as needed.
        let next = widths.iter().copied().filter(|width| *width < most).max().unwrap_or_default().max(NARROWEST);
        let alike = widths.iter().filter(|width| **width == most).count();
        let over = widths.iter().sum::<usize>() - room;
        let to = most.saturating_sub(over.div_ceil(alike)).max(next);
        widths.iter_mut().filter(|width| **width == most).for_each(|width| *width = to);
    }
    widths
}

fn line(cells: &[String], widths: &[usize], right: &[bool]) -> String {
    let cell = |(at, text): (usize, &String)| {
        let text = cut(text, widths[at]);
        let pad = " ".repeat(widths[at].saturating_sub(text.width()));
        if right.get(at).copied().unwrap_or_default() { pad + &text } else { text + &pad }
    };
    let line: Vec<String> = cells.iter().enumerate().map(cell).collect();
    line.join(&" ".repeat(GAP)).trim_end().to_owned() + "\n"
}

/// The start of a text in so many columns of a screen.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or_default();
        used < columns
    };
    text.chars().take_while(fits).collect::<String>() + "…"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grid() -> Grid {
        let row = |node: &str, count: i64, text: &str| vec![json!(node), json!(count), json!(text)];
        Grid {
            head: vec!["node".into(), "n".into(), "text".into()],
            numbers: vec![false, true, false],
            rows: vec![row("gpu-17", 12, "NVRM: Xid 79, it fell off"), row("서버", 3, "\u{1b}[2J|a, \"b\"\nc")],
            more: 0,
        }
    }

    #[test]
    fn a_table_is_as_wide_as_its_values_and_no_wider_than_the_screen() {
        let wide = "node     n  text\n──────  ──  ─────────────────────────\ngpu-17  12  NVRM: Xid 79, it fell off\n서버     3  ␛[2J|a, \"b\"␊c\n2 rows\n";
        assert_eq!(text(&grid(), 100), wide);
        let narrow = text(&grid(), 24);
        assert!(narrow.lines().all(|line| line.width() <= 24), "{narrow}");
        assert!(narrow.contains("gpu-17  12  NVRM: Xid 7…"), "{narrow}");
        assert!(
            text(&Grid { more: 7, ..grid() }, 100)
                .ends_with("9 rows, 7 not shown; LIMIT asks for fewer, --csv and --parquet write all\n")
        );
    }

    #[test]
    fn programs_get_the_values_word_for_word() {
        let rows: serde_json::Value = serde_json::from_str(&json(&grid())).unwrap();
        assert_eq!(rows[1], json!({"node": "서버", "n": 3, "text": "\u{1b}[2J|a, \"b\"\nc"}));
        assert!(!json(&grid()).contains('\u{1b}'));
        assert!(csv(&grid()).ends_with("서버,3,\"\u{1b}[2J|a, \"\"b\"\"\nc\"\r\n"));
        assert_eq!(json(&Grid::default()), "[]\n");
    }

    #[test]
    fn a_pipe_in_a_value_ends_no_column_of_a_ticket() {
        let page = markdown(&grid());
        assert!(page.starts_with("| node | n | text |\n| --- | --: | --- |\n"));
        assert_eq!(page.lines().count(), 4);
        assert!(page.lines().all(|line| line.replace("\\|", "").matches('|').count() == 4), "{page}");
    }
}
