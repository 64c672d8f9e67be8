//! Resources: what is known of each case, and each cause. A URI is compared with those that there are; none becomes a path.

use std::path::Path;

use rmcp::model::{Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

use super::answer::Answer;
use super::desk::{Desk, Look};
use super::params::Part;
use super::work::Reins;
use crate::agent;
use crate::case::{self, pages, uri_part};
use crate::collect::Fence;
use crate::error::Error;
use crate::plan::Answers;

/// What there is of a case.
const VIEWS: [(&str, &str, &str); 4] = [
    ("report", "The diagnosis of the case", "application/json"),
    ("plan", "What to do about it: steps, risks, what the policy says", "application/json"),
    ("journal", "What was decided and done, line by line", "application/json"),
    ("handover", "What to hand over to the next person", "text/markdown"),
];

/// Where causes are.
const PLAYBOOK: &str = "diag://playbook/";

/// All resources: those of cases, then causes.
pub(super) fn list(desk: &dyn Desk, fence: &Fence) -> Vec<Resource> {
    let cases = case::below(fence.roots()).into_keys().flat_map(|name| {
        VIEWS.map(|(view, about, mime)| {
            Resource::new(format!("diag://case/{}/{view}", uri_part(&name)), format!("{name}: {view}"))
                .with_description(about)
                .with_mime_type(mime)
        })
    });
    let causes = desk.causes().into_iter().map(|(id, title)| {
        Resource::new(format!("{PLAYBOOK}{id}"), id).with_description(title).with_mime_type("text/plain")
    });
    cases.chain(causes).collect()
}

/// Templates of their URIs.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let of_case = VIEWS.map(|(view, about, mime)| {
        ResourceTemplate::new(format!("diag://case/{{name}}/{view}"), format!("case {view}"))
            .with_description(format!("{about}; `name` is the case's path below the root, with `/` as %2F"))
            .with_mime_type(mime)
    });
    let of_cause = ResourceTemplate::new(format!("{PLAYBOOK}{{cause}}"), "playbook")
        .with_description("How a cause is recognised, what it means and what to do")
        .with_mime_type("text/plain");
    of_case.into_iter().chain([of_cause]).collect()
}

/// Values that a part of a template may have.
pub(super) fn completions(desk: &dyn Desk, fence: &Fence, argument: &str, begun: &str) -> Vec<String> {
    let all: Vec<String> = match argument {
        "name" => case::below(fence.roots()).into_keys().map(|name| uri_part(&name)).collect(),
        "cause" => desk.causes().into_iter().map(|(id, _)| id).collect(),
        _ => Vec::new(),
    };
    all.into_iter().filter(|value| value.starts_with(begun)).take(100).collect()
}

/// What a resource holds; `None`: there is no such resource.
pub(super) fn read(
    desk: &dyn Desk,
    fence: &Fence,
    uri: &str,
    reins: &Reins,
) -> Result<Option<ResourceContents>, Error> {
    if let Some(cause) = uri.strip_prefix(PLAYBOOK) {
        let known = desk.causes().iter().any(|(id, _)| id == cause);
        return Ok(known.then(|| desk.explain(cause)).transpose()?.map(|page| ResourceContents::text(page, uri)));
    }
    let Some((name, view)) = uri.strip_prefix("diag://case/").and_then(|rest| rest.split_once('/')) else {
        return Ok(None);
    };
    let case = case::below(fence.roots()).into_iter().find(|(known, _)| uri_part(known) == name);
    let known = VIEWS.iter().find(|(known, ..)| *known == view);
    let (Some((_, root)), Some((view, _, mime))) = (case, known) else { return Ok(None) };
    let text = if *view == "handover" {
        Answer::new()?.say("What is handed over of this case.").data(handover(&root)?.into()).text(None)
    } else {
        let value = value(desk, fence, view, &root, reins)?;
        Answer::new()?.whole(view, value).0.to_string()
    };
    Ok(Some(ResourceContents::text(text, uri).with_mime_type(*mime)))
}

fn value(desk: &dyn Desk, fence: &Fence, view: &str, root: &Path, reins: &Reins) -> Result<Value, Error> {
    if view == "journal" {
        return journal(root);
    }
    let inputs = [root.display().to_string()];
    let look = Look { inputs: &inputs, part: &Part::default(), fence, meter: &reins.meter };
    if view == "plan" {
        return desk.plan(&look, None, &Answers::default());
    }
    Ok(serde_json::to_value(desk.study(&look)?.report).unwrap_or_default())
}

/// The lines of a journal in words, the last ones first.
fn journal(root: &Path) -> Result<Value, Error> {
    let lines = pages(root)?.map(|pages| pages.lines).unwrap_or_default();
    let told = agent::replay(&lines)?;
    let line =
        |line: &agent::Told| json!({"line": line.number, "at": line.at, "what": line.what, "follows": line.fits});
    Ok(json!({"newest_first": told.iter().rev().map(line).collect::<Vec<_>>()}))
}

/// The ticket, made of the journal anew.
fn handover(root: &Path) -> Result<String, Error> {
    let Some(pages) = pages(root)? else { return Ok("Nothing was begun on this case.".to_owned()) };
    Ok(agent::handover::ticket(&agent::Case::of(&pages.lines)?, &root.display().to_string()))
}
