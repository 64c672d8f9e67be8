//! Questions in SQL: over the evidence, and over nothing else.

use std::fs;
use std::process::{Command, Output, Stdio};

const LOG: &str = "\
2026-11-22 03:00:01 gpu-17 kernel: NVRM: Xid (PCI:0000:3b:00): 79, pid=4242, name=python, GPU has fallen off the bus.
[rank3]: Traceback (most recent call last):
[rank3]:   File \"/workspace/train.py\", line 31, in step
[rank3]:     loss = model(batch['labels'])
[rank3]: KeyError: 'labels'
";

fn diag(folder: &tempfile::TempDir, args: &[&str]) -> Output {
    let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
    diag.current_dir(folder.path()).arg("query").args(args).stdin(Stdio::null()).output().unwrap()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("job.log"), LOG).unwrap();
    folder
}

fn said(done: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&done.stdout), text(&done.stderr))
}

#[test]
fn the_schema_is_told_with_and_without_a_case() {
    let at = folder();
    let (bare, _) = said(&diag(&at, &["--schema"]));
    for word in ["evidence", "findings", "inputs", "adapter", "BIGINT", "not_understood"] {
        assert!(bare.contains(word), "{word}: {bare}");
    }
    let (of_case, _) = said(&diag(&at, &["--schema", "job.log", "--format", "csv"]));
    // The driver's line, and the fault that follows from it.
    assert!(of_case.contains("evidence,xid,BIGINT,field of 2 rows\r\n"), "{of_case}");
}

#[test]
fn a_question_without_a_query_is_answered_with_how_to_ask() {
    let at = folder();
    let done = diag(&at, &["job.log"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(said(&done).1.contains("SELECT"), "{}", said(&done).1);
}

#[cfg(not(feature = "query"))]
#[test]
fn without_its_engine_diag_says_how_to_get_it() {
    let at = folder();
    let done = diag(&at, &["job.log", "SELECT * FROM evidence"]);
    assert_eq!(done.status.code(), Some(2));
    let told = said(&done).1;
    assert!(told.contains("[query.not_built]") && told.contains("--features query"), "{told}");
}

#[cfg(feature = "query")]
mod with_engine {
    use serde_json::{Value, json};

    use super::*;

    fn rows(sql: &str) -> Value {
        let at = folder();
        let done = diag(&at, &["job.log", sql, "--format", "json"]);
        assert_eq!(done.status.code(), Some(0), "{sql}: {}", said(&done).1);
        serde_json::from_slice(&done.stdout).unwrap()
    }

    #[test]
    fn facts_findings_and_inputs_are_asked_in_sql() {
        let xid = rows("SELECT line, node, gpu, xid, text FROM evidence WHERE kind = 'kernel.xid'");
        assert_eq!((&xid[0]["line"], &xid[0]["node"], &xid[0]["xid"]), (&json!(1), &json!("gpu-17"), &json!(79)));
        assert_eq!(xid[0]["text"], LOG.lines().next().unwrap());
        let counted = rows("SELECT says, SUM(count) AS n FROM evidence GROUP BY says ORDER BY says");
        assert!(counted.as_array().unwrap().iter().any(|row| row["says"] == "failure"), "{counted}");
        let cited = rows("SELECT line FROM evidence WHERE cited = 'E1'");
        assert!(cited[0]["line"].as_i64().is_some(), "{cited}");
        let first = rows("SELECT cause FROM findings WHERE place = 1");
        assert_eq!(first[0]["cause"], "gpu-fell-off-bus");
        assert_eq!(rows("SELECT source, lines FROM inputs"), json!([{"source": "job.log", "lines": 5}]));
        let field = rows("SELECT fields FROM evidence WHERE kind = 'kernel.xid'");
        let field: Value = serde_json::from_str(field[0]["fields"].as_str().unwrap()).unwrap();
        assert_eq!(field["xid"], 79);
    }

    #[test]
    fn a_query_reads_the_evidence_and_no_file() {
        let at = folder();
        fs::write(at.path().join("secret.csv"), "a\n1\n").unwrap();
        for sql in ["SELECT * FROM read_csv('secret.csv')", "SELECT * FROM 'secret.csv'", "COPY evidence TO 'out.csv'"]
        {
            let done = diag(&at, &["job.log", sql]);
            assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0), "{sql}");
            assert!(said(&done).1.contains("[query.invalid]"), "{}", said(&done).1);
        }
        assert!(!at.path().join("out.csv").exists());
    }

    #[test]
    fn a_mistake_is_answered_with_the_columns_there_are() {
        let at = folder();
        for sql in ["SELECT nod FROM evidence", "SELEC 1", "SELECT * FROM evidenc"] {
            let done = diag(&at, &["job.log", sql]);
            assert_eq!(done.status.code(), Some(2));
            let told = said(&done).1;
            assert!(told.contains("evidence(id, cited, source, line") && told.contains("findings("), "{told}");
            assert!(!told.contains("panicked"), "{told}");
        }
    }

    #[test]
    fn an_answer_fits_the_screen_or_goes_to_a_file() {
        let at = folder();
        let (text, _) = said(&diag(&at, &["job.log", "SELECT line, kind, text FROM evidence ORDER BY line"]));
        assert!(text.starts_with("line  kind"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100) && text.contains('…'), "{text}");
        let (page, _) = said(&diag(&at, &["job.log", "SELECT kind FROM evidence", "--format", "markdown"]));
        assert!(page.starts_with("| kind |\n| --- |\n"), "{page}");
        let sql = "SELECT * FROM evidence";
        let done = diag(&at, &["job.log", sql, "--parquet", "e.parquet", "--csv", "e.csv"]);
        assert_eq!((done.status.code(), done.stdout.len()), (Some(0), 0), "{}", said(&done).1);
        assert_eq!(&fs::read(at.path().join("e.parquet")).unwrap()[..4], b"PAR1");
        assert!(fs::read_to_string(at.path().join("e.csv")).unwrap().starts_with("id,cited,source,line,offset,"));
        // A Parquet file is no log.
        let again = Command::new(env!("CARGO_BIN_EXE_diag")).arg("analyze").arg(at.path().join("e.parquet")).output();
        assert_eq!(again.unwrap().status.code(), Some(2));
    }
}
