//! The tools: what each is, what it takes, and what it does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rmcp::handler::server::common::schema_for_type;
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use rmcp::schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::desk::{Desk, Look};
use super::params::{Analyze, Explain, Part, Plan, Probe, Query, Run, Sql};
use super::rows;
use super::work::Reins;
use crate::authored::closest;
use crate::collect::Fence;
use crate::error::Error;
use crate::reading::Verdict;

/// Most paths of one call.
const PATHS: usize = 64;

/// Seconds that looking at the node may take.
const PATIENCE: std::ops::RangeInclusive<u64> = 1..=120;

/// All tools.
pub(super) fn list(sql: bool) -> Vec<Tool> {
    let query = if sql { schema::<Sql>() } else { schema::<Query>() };
    vec![
        looks("analyze", "Diagnose a job", ANALYZE, schema::<Analyze>()),
        looks("query", "Look up single lines of the evidence", QUERY, query),
        looks("explain", "Explain a cause", EXPLAIN, schema::<Explain>()),
        looks("probe", "Look at this node", PROBE, schema::<Probe>()),
        looks("plan", "Plan what to do", PLAN, schema::<Plan>()),
        Tool::new("run", RUN, schema::<Run>()).with_title("Run a test, or go on with a case").with_annotations(
            ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(true),
        ),
    ]
}

const ANALYZE: &str = "Reads logs of a GPU or HPC job (any mix of files, folders, archives, case folders) and names the cause of its death, \
    with the culprit and the cited lines that prove it, or says that the evidence does not decide and what to collect. Changes nothing.";
const QUERY: &str = "Tells single lines of the evidence by kind, rank, node, time or text: what `analyze` counts or cuts. Changes nothing.";
const EXPLAIN: &str =
    "Tells what diag knows of a cause: mechanism, how it is recognised, tests, fixes; or what an Xid or SXid means.";
const PROBE: &str = "Reads the GPUs, bus, fabric, kernel log, memory, disks and daemons of the node on which this server runs, and judges \
    them. Changes nothing.";
const PLAN: &str = "Plans what to do about what is wrong: tests that confirm it, fixes with risk and undo, exact commands, and whether the \
    policy lets diag do each by itself, asks a person, or forbids it. Runs nothing.";
const RUN: &str = "Runs a test on nodes, or goes on with the plan of a case, as far as the policy allows it without asking a person. What needs a \
    person's yes is not run: the answer says what and why, and the command that the person types in a terminal. No parameter agrees.";

fn looks(name: &'static str, title: &str, about: &'static str, schema: Arc<JsonObject>) -> Tool {
    let hints = ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false);
    Tool::new(name, about, schema).with_title(title).with_annotations(hints)
}

/// The schema of what a tool takes, and nothing beside it.
fn schema<T: JsonSchema + 'static>() -> Arc<JsonObject> {
    let mut schema = schema_for_type::<T>().as_ref().clone();
    for what in ["title", "description"] {
        schema.remove(what);
    }
    schema.insert("additionalProperties".to_owned(), false.into());
    Arc::new(schema)
}

/// Calls a tool.
pub(super) fn call(
    name: &str,
    arguments: JsonObject,
    (desk, fence): (&dyn Desk, &Fence),
    reins: &Reins,
) -> Result<CallToolResult, Error> {
    match name {
        "analyze" => analyze(&taken(name, arguments, desk)?, desk, fence, reins),
        "query" => query(&taken(name, arguments, desk)?, desk, fence, reins),
        "explain" => explain(&taken::<Explain>(name, arguments, desk)?.what, desk),
        "probe" => probe(&taken(name, arguments, desk)?, desk),
        "plan" => plan(taken(name, arguments, desk)?, desk, fence, reins),
        _ => run(&taken(name, arguments, desk)?, desk, fence, reins),
    }
}

/// The arguments; one that is unknown is answered with what was meant.
fn taken<T: DeserializeOwned>(tool: &str, arguments: JsonObject, desk: &dyn Desk) -> Result<T, Error> {
    let wrong = |place: String, reason: String| Error::new("mcp.parameter", place, reason);
    let tools = list(desk.has_sql());
    let schema = tools.iter().find(|one| one.name == tool).and_then(|one| one.input_schema.get("properties"));
    let known: Vec<&str> =
        schema.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if let Some(unknown) = arguments.keys().find(|name| !known.contains(&name.as_str())) {
        let near = closest(unknown, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let error = wrong(format!("{tool}.{unknown}"), "there is no such parameter".to_owned());
        return Err(error.with_way_on(near.unwrap_or_else(|| format!("it takes {}", known.join(", ")))));
    }
    serde_json::from_value(Value::Object(arguments)).map_err(|error| wrong(tool.to_owned(), error.to_string()))
}

/// Paths that may be read.
fn admitted(paths: &[String], fence: &Fence) -> Result<Vec<String>, Error> {
    if paths.is_empty() || paths.len() > PATHS {
        return Err(Error::new("mcp.parameter", "paths", format!("1 to {PATHS} are wanted")));
    }
    paths.iter().map(|path| fence.admit(path)).collect()
}

/// What is looked at; where the reading was ended early, nothing is told of it.
fn looked<T>(
    paths: &[String],
    part: &Part,
    fence: &Fence,
    reins: &Reins,
    work: impl FnOnce(&Look<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let inputs = admitted(paths, fence)?;
    let came = work(&Look { inputs: &inputs, part, fence, meter: &reins.meter });
    if reins.meter.stopped() { Err(Error::new("mcp.ended", "this call", "was ended while it read")) } else { came }
}

fn analyze(asked: &Analyze, desk: &dyn Desk, fence: &Fence, reins: &Reins) -> Result<CallToolResult, Error> {
    answer::report(&looked(&asked.paths, &asked.part, fence, reins, |look| desk.study(look))?)
}

fn query(asked: &Sql, desk: &dyn Desk, fence: &Fence, reins: &Reins) -> Result<CallToolResult, Error> {
    let Sql { query, sql } = asked;
    let study = looked(&query.paths, &query.part, fence, reins, |look| desk.study(look))?;
    let (rows, all, of) = match sql {
        Some(sql) => {
            let grid = desk.sql(study, sql, usize::try_from(rows::limit(query)).unwrap_or(0))?;
            let rows = rows::objects(&grid);
            let all = (rows.len() + grid.more) as u64;
            (rows, all, "that the query gives")
        }
        None => {
            let (rows, all) = rows::rows(&study, query);
            (rows, all, "that fit")
        }
    };
    let more = all.saturating_sub(query.offset + rows.len() as u64);
    let mut answer = Answer::new()?.say(format!("{} of {all} rows {of}.", rows.len()));
    if more > 0 && sql.is_none() {
        answer = answer.say(format!("`offset` {} tells the next ones.", query.offset + rows.len() as u64));
    }
    Ok(answer.with_all("rows", rows.into()))
}

fn explain(what: &str, desk: &dyn Desk) -> Result<CallToolResult, Error> {
    let page = desk.explain(what)?;
    Ok(answer::own(page))
}

fn probe(asked: &Probe, desk: &dyn Desk) -> Result<CallToolResult, Error> {
    let known = desk.probes();
    if let Some(unknown) = asked.only.iter().find(|name| !known.contains(&name.as_str())) {
        let error = Error::new("mcp.parameter", format!("probe.only: {unknown}"), "there is no such probe");
        return Err(error.with_way_on(format!("there are {}", known.join(", "))));
    }
    let seconds = asked.seconds.unwrap_or(20);
    if !PATIENCE.contains(&seconds) {
        return Err(Error::new(
            "mcp.parameter",
            "probe.seconds",
            format!("{} to {} are wanted", PATIENCE.start(), PATIENCE.end()),
        ));
    }
    let mut look = desk.probe(&asked.only, Duration::from_secs(seconds));
    let all = look.readings.len();
    if !asked.all {
        look.readings.retain(|reading| reading.verdict != Verdict::Ok);
    }
    let lead = format!("The worst of {all} readings is {}; {} are told.", look.verdict.word(), look.readings.len());
    Ok(Answer::new()?.say(lead).with_all("look", serde_json::to_value(&look).unwrap_or_default()))
}

fn plan(asked: Plan, desk: &dyn Desk, fence: &Fence, reins: &Reins) -> Result<CallToolResult, Error> {
    let answers = asked.set.into_iter().collect();
    let plan =
        looked(&asked.paths, &asked.part, fence, reins, |look| desk.plan(look, asked.cause.as_deref(), &answers))?;
    let plans = plan["plans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let short: Vec<Value> = plans.iter().map(steps).collect();
    let lead = if short.is_empty() { "There is nothing to plan." } else { "Nothing was run. Steps in order:" };
    Ok(Answer::new()?.say(lead).data(short.into()).with("plan", plan))
}

/// A plan in short: its steps with what the policy says of each.
fn steps(plan: &Value) -> Value {
    let step = |step: &Value| {
        let id = step["id"].as_str().unwrap_or_default();
        json!({"step": id, "stage": step["stage"], "title": step["title"], "nodes": step["nodes"], "policy": plan["policy"][id]})
    };
    let steps: Vec<Value> = plan["steps"].as_array().into_iter().flatten().take(24).map(step).collect();
    json!({"cause": plan["subject"]["cause"], "title": plan["subject"]["title"], "steps": steps, "questions": plan["questions"]})
}

fn run(order: &Run, desk: &dyn Desk, fence: &Fence, reins: &Reins) -> Result<CallToolResult, Error> {
    let came = match (&order.case, &order.test) {
        (Some(case), None) => desk.go_on(Path::new(&fence.admit(case)?), fence, &reins.stop)?,
        (None, Some(_)) => desk.test(order, &reins.stop)?,
        _ => return Err(Error::new("mcp.parameter", "run", "either a case or a test is wanted")),
    };
    answer::came(&came)
}
