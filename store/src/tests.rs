//! SQL over small tables.
#![allow(clippy::disallowed_methods, reason = "tests write what SQL must not reach")]

use polars_io::SerReader as _;
use polars_io::parquet::read::ParquetReader;

use super::*;

fn store() -> Store {
    let text = |values: &[&str]| Cells::Text(values.iter().map(|value| Some((*value).to_owned())).collect());
    let evidence = Sheet {
        name: "evidence".to_owned(),
        columns: vec![
            ("node".to_owned(), text(&["gpu-17", "gpu-17", "gpu-18"])),
            ("rank".to_owned(), Cells::Int(vec![Some(3), Some(4), None])),
            ("offset".to_owned(), Cells::Int(vec![Some(0), Some(80), Some(160)])),
            ("text".to_owned(), text(&["NVRM: Xid 79", "watchdog", "it's \"odd\""])),
            ("survived".to_owned(), Cells::Bool(vec![Some(false), Some(true), Some(false)])),
            ("seconds".to_owned(), Cells::Float(vec![Some(0.5), None, Some(2.0)])),
        ],
    };
    let findings = Sheet { name: "findings".to_owned(), columns: vec![("node".to_owned(), text(&["gpu-17"]))] };
    let empty = Sheet { name: "inputs".to_owned(), columns: vec![("source".to_owned(), Cells::Text(vec![]))] };
    Store::new(vec![evidence, findings, empty]).unwrap()
}

fn ask(sql: &str) -> Vec<Vec<Cell>> {
    let answer = store().query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    (0..answer.rows()).map(|row| answer.row(row)).collect()
}

#[test]
fn sql_groups_joins_and_orders() {
    let text = |text: &str| Cell::Text(text.to_owned());
    let counted = ask("SELECT node, COUNT(*) AS n FROM evidence GROUP BY node ORDER BY n DESC");
    assert_eq!(counted, [[text("gpu-17"), Cell::Int(2)], [text("gpu-18"), Cell::Int(1)]]);
    let joined = ask("SELECT e.rank FROM evidence e JOIN findings f ON e.node = f.node ORDER BY e.rank");
    assert_eq!(joined, [[Cell::Int(3)], [Cell::Int(4)]]);
    let within = ask("SELECT rank FROM evidence WHERE node IN (SELECT node FROM findings) AND NOT survived");
    assert_eq!(within, [[Cell::Int(3)]]);
    let like = ask("SELECT offset, seconds FROM evidence WHERE text LIKE '%Xid%' OR rank IS NULL ORDER BY offset");
    assert_eq!(like, [[Cell::Int(0), Cell::Float(0.5)], [Cell::Int(160), Cell::Float(2.0)]]);
    let ranked = ask("SELECT node, ROW_NUMBER() OVER (PARTITION BY node ORDER BY offset) AS at FROM evidence LIMIT 2");
    assert_eq!(ranked[1][1], Cell::Int(2));
    assert!(ask("SELECT * FROM inputs").is_empty());
}

#[test]
fn sql_reads_no_file_and_writes_none() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("x.csv", "a\n1\n"), ("x.json", "{\"a\": 1}\n"), ("x.parquet", "PAR1"), ("x.ipc", "ARROW1")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let at = |name: &str| folder.path().join(name).display().to_string();
    for sql in [
        format!("SELECT * FROM read_csv('{}')", at("x.csv")),
        format!("SELECT * FROM READ_PARQUET('{}')", at("x.parquet")),
        format!("SELECT * FROM read_json('{}')", at("x.json")),
        format!("SELECT * FROM read_ipc('{}')", at("x.ipc")),
        format!("SELECT * FROM scan_csv('{}')", at("x.csv")),
        format!("SELECT * FROM '{}'", at("x.csv")),
        format!("SELECT * FROM \"{}\"", at("x.csv")),
        format!("WITH t AS (SELECT * FROM read_csv('{}')) SELECT * FROM t", at("x.csv")),
        format!("SELECT * FROM evidence WHERE node IN (SELECT a FROM read_csv('{}'))", at("x.csv")),
        format!("COPY evidence TO '{}'", at("new.csv")),
        format!("CREATE TABLE t AS SELECT * FROM read_csv('{}')", at("x.csv")),
        "SELECT * FROM read_csv('/etc/passwd')".to_owned(),
        "LOAD DATA LOCAL INPATH '/etc/passwd' INTO TABLE evidence".to_owned(),
    ] {
        assert!(store().query(&sql).is_err(), "{sql}");
    }
    assert!(!folder.path().join("new.csv").exists());
}

#[test]
fn bad_sql_gets_a_sentence() {
    for (sql, word) in [
        ("SELEC * FROM evidence", "SELEC"),
        ("SELECT nope FROM evidence", "nope"),
        ("SELECT * FROM nope", "nope"),
        ("", "statement"),
        ("SELECT 1; SELECT 2", "one"),
        ("SELECT nope(rank) FROM evidence", "nope"),
        ("SELECT rank FROM evidence WHERE", "EOF"),
    ] {
        let Err(error) = store().query(sql) else { panic!("{sql} is answered") };
        let error = error.to_string();
        assert!(error.contains(word), "{sql}: {error}");
        assert!(error.len() < 400 && !error.contains("\n\n"), "{sql}: {error}");
    }
    let deep = format!("SELECT {}1{} FROM evidence", "(".repeat(9000), ")".repeat(9000));
    assert!(store().query(&deep).is_err());
}

#[test]
fn what_is_written_as_parquet_is_parquet() {
    let mut answer = store().query("SELECT * FROM evidence").unwrap();
    let mut bytes = Vec::new();
    answer.parquet(&mut bytes).unwrap();
    let frame = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
    assert!(frame.equals_missing(&answer.frame));
}
