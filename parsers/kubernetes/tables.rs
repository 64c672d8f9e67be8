//! Tables of `kubectl get` other than those of pods: nodes, daemon sets, jobs, volume claims. Columns are found by the header.

use super::message::Said;
use super::reasons;
use super::subject::Subject;
use crate::event::{Event, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// Tables with a header.
#[derive(Debug)]
pub struct Tables;

/// Most rows of a table.
const MOST_ROWS: usize = 8192;

impl Grammar for Tables {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reasons::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["DESIRED  ", "COMPLETIONS  ", "ROLES  "]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let header = cells(&cursor.line.str());
        if !header.iter().any(|(_, name)| name == "NAME") {
            return;
        }
        let rows: Vec<(Line<'_>, Vec<String>)> = cursor
            .following()
            .take(MOST_ROWS)
            .map_while(|line| row(&header, &line.str()).map(|row| (line, row)))
            .collect();
        let at = |name: &str| header.iter().position(|(_, column)| column == name);
        let table = Table { name: at("NAME"), namespace: at("NAMESPACE"), rows: &rows };
        match (at("ROLES").zip(at("STATUS")), at("DESIRED").zip(at("NODE SELECTOR")), at("COMPLETIONS")) {
            (Some((_, status)), ..) => table.nodes(status, cursor, out),
            (None, Some((desired, selector)), _) => table.daemon_sets(desired, selector, cursor, out),
            (None, None, Some(completions)) => table.jobs(completions, at("STATUS"), cursor, out),
            _ => {}
        }
    }
}

struct Table<'t, 'a> {
    name: Option<usize>,
    namespace: Option<usize>,
    rows: &'t [(Line<'a>, Vec<String>)],
}

impl Table<'_, '_> {
    fn cell(row: &[String], at: Option<usize>) -> &str {
        at.and_then(|at| row.get(at)).map_or("", String::as_str)
    }

    fn nodes(&self, status: usize, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        for (line, row) in self.rows {
            if !Self::cell(row, Some(status)).split(',').any(|state| state == "NotReady" || state == "Unknown") {
                continue;
            }
            let subject = Subject::of("node", Self::cell(row, self.name));
            let mut said = Said::new(reasons::NODE, Says::Failure);
            said.fields.set("what", Self::cell(row, Some(status)));
            out.push(subject.event(cursor, line, said));
        }
    }

    /// GPU daemon sets that no node takes, where none of them has any: nodes lack the label.
    fn daemon_sets(&self, desired: usize, selector: usize, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let gpu = || self.rows.iter().filter(|(_, row)| Self::cell(row, Some(selector)).contains("nvidia.com/gpu"));
        if gpu().any(|(_, row)| Self::cell(row, Some(desired)) != "0") {
            return;
        }
        for (line, row) in gpu() {
            let subject = Subject::of("daemonset", Self::cell(row, self.name));
            let mut said = Said::new(reasons::EMPTY, Says::Failure);
            said.fields.set("selector", Self::cell(row, Some(selector)));
            out.push(subject.event(cursor, line, said));
        }
    }

    fn jobs(&self, completions: usize, status: Option<usize>, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        for (line, row) in self.rows {
            let done = Self::cell(row, Some(completions));
            let failed = Self::cell(row, status) == "Failed";
            if failed {
                let namespace = self.namespace.map(|at| Self::cell(row, Some(at)).to_owned());
                let subject = Subject { namespace, ..Subject::of("job", Self::cell(row, self.name)) };
                let mut said = Said::new(reasons::JOB_FAILED, Says::Teardown);
                said.fields.set("done", done);
                out.push(subject.event(cursor, line, said));
            }
        }
    }
}

/// The cells of a header, parted by two blanks or more, and where each begins.
fn cells(text: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut at = 0;
    for part in text.split("  ") {
        let trimmed = part.trim();
        if !trimmed.is_empty() {
            all.push((at + (part.len() - part.trim_start().len()), trimmed.to_owned()));
        }
        at += part.len() + 2;
    }
    all
}

/// The cells of a row: as many as the header has, or those that begin where its columns do; none where the table ended.
fn row(header: &[(usize, String)], text: &str) -> Option<Vec<String>> {
    let own = cells(text);
    if own.len() < 3 || text.contains("kubectl ") {
        return None;
    }
    if own.len() == header.len() {
        return Some(own.into_iter().map(|(_, cell)| cell).collect());
    }
    let column = |at: usize| {
        let end = header.get(at + 1).map_or(usize::MAX, |(start, _)| *start);
        let inside = own.iter().filter(|(start, _)| (header[at].0..end).contains(start));
        inside.map(|(_, cell)| cell.as_str()).collect::<Vec<_>>().join(" ")
    };
    Some((0..header.len()).map(column).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Scanner, lint};

    fn read(log: &str) -> Vec<(&'static str, u64, String)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let who =
            |event: &Event| event.fields.text("node").or(event.fields.text("object")).unwrap_or_default().to_owned();
        lint::read(&scanner, log).iter().map(|event| (event.kind, event.line, who(event))).collect()
    }

    #[test]
    fn nodes_that_are_not_ready_are_named() {
        let log = "NAME      STATUS                        ROLES    AGE   VERSION\n\
                   gpu-017   Ready                         <none>   41d   v1.31.2\n\
                   gpu-018   NotReady                      <none>   41d   v1.31.2\n\
                   gpu-019   NotReady,SchedulingDisabled   <none>   41d   v1.31.2\n";
        let told = read(log);
        assert_eq!(
            told,
            [
                ("kubernetes.node_not_ready", 3, "gpu-018".to_owned()),
                ("kubernetes.node_not_ready", 4, "gpu-019".to_owned())
            ]
        );
    }

    #[test]
    fn daemon_sets_of_gpus_are_told_only_where_none_has_a_node() {
        let header = "NAME                    DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR                      AGE\n";
        let empty = "nvidia-driver-daemonset   0         0         0       0            0           nvidia.com/gpu.deploy.driver=true   11m\n";
        let taken = "nvidia-dcgm               4         4         4       4            4           nvidia.com/gpu.deploy.dcgm=true     11m\n";
        assert_eq!(
            read(&format!("{header}{empty}")),
            [("kubernetes.daemonset_empty", 2, "daemonset/nvidia-driver-daemonset".to_owned())]
        );
        assert!(read(&format!("{header}{empty}{taken}")).is_empty());
    }

    #[test]
    fn jobs_that_failed_are_named() {
        let log = "NAME    STATUS     COMPLETIONS   DURATION   AGE\n\
                   eval    Complete   1/1           3m         4m\n\
                   train   Failed     0/4           3m         4m\n";
        assert_eq!(read(log), [("kubernetes.job_failed", 3, "job/train".to_owned())]);
    }
}
