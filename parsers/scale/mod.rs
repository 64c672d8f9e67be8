//! IBM Storage Scale (GPFS): the daemons of a cluster as `mmgetstate` lists them.
//!
//! Shape: Storage Scale 4.2 to 5.2, `mmgetstate -a`, with `-L` (numbers of nodes in between, remarks behind). States:
//! the command's manual; `arbitrating` is that of a daemon that starts, and is no failure yet.

use std::collections::HashMap;

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// A table of `mmgetstate`.
#[derive(Debug)]
pub struct Members;

/// A node of a shared file system's cluster where its daemon does not serve. Fields: `node`, `what`.
const OUT: Name = "filesystem.member_out";

/// Lines that are looked through for the rows of a table, and of those after it.
const MOST_LINES: usize = 2000;

const STATES: [&str; 5] = ["active", "arbitrating", "down", "unknown", "unresponsive"];

impl Grammar for Members {
    fn kinds(&self) -> &'static [Name] {
        &[OUT]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == OUT).then_some("On a node of a shared file system's cluster its daemon is down or does not answer.")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["GPFS state"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        if !cursor.line.str().trim().starts_with("Node number") {
            return;
        }
        let lines: Vec<Line<'_>> = cursor.following().take(MOST_LINES).collect();
        // A later table tells how it went on.
        let mut back: HashMap<String, u64> = HashMap::new();
        for line in &lines {
            if let Some((node, "active")) = row(&line.str()) {
                back.insert(node.to_owned(), line.number);
            }
        }
        for line in &lines {
            let text = line.str();
            let is_rule = text.trim().chars().all(|c| c == '-') && !text.trim().is_empty();
            let Some((node, state)) = row(&text) else {
                if is_rule {
                    continue;
                }
                break;
            };
            let is_out = ["down", "unknown", "unresponsive"].contains(&state);
            if is_out && back.get(node).is_none_or(|number| *number < line.number) {
                let mut fields = Fields::default();
                fields.set("node", node);
                fields.set("what", state);
                out.push(Event::on(cursor, line, OUT, Says::Failure, fields));
            }
        }
    }
}

/// Node and state of `      1      gpu-17      active`, with numbers between them after `-L`.
fn row(text: &str) -> Option<(&str, &str)> {
    let mut words = text.split_whitespace();
    words.next()?.parse::<u32>().ok()?;
    let node = words.next()?;
    let state = words.find(|word| word.parse::<u32>().is_err() && *word != "*")?;
    STATES.contains(&state).then_some((node, state))
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    const HEAD: &str = " Node number  Node name        GPFS state  \n-------------------------------------------\n";

    fn read(log: &str) -> Vec<(u64, String)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let ours = lint::read(&scanner, log).into_iter().filter(|event| event.kind == "filesystem.member_out");
        ours.map(|event| (event.line, event.fields.text("node").unwrap_or_default().to_owned())).collect()
    }

    #[test]
    fn nodes_whose_daemon_does_not_serve_are_told() {
        let rows = "       1      gpu-17           active\n       2      gpu-18           down\n       3      gpu-19           arbitrating\n";
        assert_eq!(read(&format!("{HEAD}{rows}")), [(4, "gpu-18".to_owned())]);
        let long = "     2      gpu-18       2        2          5       unknown     quorum node\n";
        assert_eq!(read(&format!("{HEAD}{long}")), [(3, "gpu-18".to_owned())]);
    }

    #[test]
    fn what_a_later_table_calls_active_is_back() {
        let table = |state: &str| format!("{HEAD}       2      gpu-18           {state}\n\n");
        assert!(read(&(table("down") + &table("active"))).is_empty());
        assert_eq!(read(&(table("active") + &table("down"))).len(), 1);
    }
}
