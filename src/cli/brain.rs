//! The model that `diag.toml` or the environment names, asked beside the rules. Off where none is named.

use std::path::Path;
use std::time::Duration;

use diag_parsers::Catalogue;

use crate::brain::{Case, Client, Key, Protocol, Settings, View, consult};
use crate::config::{Brain, Config};
use crate::error::Error;
use crate::evidence::Table;
use crate::report::{self, Advice, Report};

/// Most lines that are shown where a kind is asked for.
const LINES: usize = 20;

/// Longest key, in bytes.
const KEY: u64 = 16 << 10;

/// Which model is asked, if any.
pub(super) fn settings(brain: &Brain) -> Result<Option<Settings>, Error> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let Some(url) = set("DIAG_BRAIN_URL").or_else(|| brain.url.clone()) else { return Ok(None) };
    let model = set("DIAG_BRAIN_MODEL").or_else(|| brain.model.clone()).ok_or_else(|| {
        Error::new("brain.invalid", "brain.model", "an endpoint is named, and no model")
            .with_way_on("set it in diag.toml, or as DIAG_BRAIN_MODEL")
    })?;
    let mut settings = Settings::new(&url, &model)?;
    settings.key = match &brain.key_file {
        Some(file) => Some(key(file)?),
        None => set(brain.key_env.as_deref().unwrap_or("DIAG_BRAIN_KEY")).and_then(|text| Key::new(&text)),
    };
    settings.budget = brain.budget.unwrap_or(settings.budget);
    settings.deadline = brain.deadline.map_or(settings.deadline, Duration::from_secs);
    settings.silence = brain.silence.map_or(settings.silence, Duration::from_secs);
    if let Some(name) = &brain.protocol {
        settings.protocol = Protocol::named(name).ok_or_else(|| {
            let why = format!("`{}` is none", name.escape_debug());
            Error::new("brain.invalid", "brain.protocol", why).with_way_on("auto, schema, tools or json")
        })?;
    }
    Ok(Some(settings))
}

/// The model that `--brain` asks, where that is said.
pub(super) fn wanted(flag: bool, config: &Config) -> Result<Option<Settings>, Error> {
    if !flag {
        return Ok(None);
    }
    let none = || {
        Error::new("brain.none", "--brain", "no model is named")
            .with_way_on("set [brain] url and model in diag.toml, or DIAG_BRAIN_URL and DIAG_BRAIN_MODEL")
    };
    settings(&config.brain)?.ok_or_else(none).map(Some)
}

fn key(file: &Path) -> Result<Key, Error> {
    let place = file.display().to_string();
    let failed = |why: String| Error::new("brain.key", &place, why);
    let about = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?;
    if !about.is_file() || about.len() > KEY {
        return Err(failed("is no file of a key".to_owned()));
    }
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    Key::new(&text).ok_or_else(|| failed("holds no key".to_owned()))
}

/// Which of several choices a sentence means.
pub(super) fn choose(
    sentence: &str,
    choices: &[(String, String)],
    settings: Settings,
) -> Result<Option<String>, String> {
    let mark = getrandom::u64().map_err(|error| error.to_string())?;
    let mut client = Client::new(settings).map_err(|error| error.reason)?;
    crate::brain::choose(sentence, choices, &mut client, &View::new(mark)?)
}

/// Asks about a report and puts what may be told beside it.
pub(super) fn advise(report: &mut Report, settings: Settings, table: &Table, catalogue: &Catalogue) {
    let notes = super::site_notes::read();
    let model = settings.model.clone();
    let failed = |why: String| Advice { model: model.clone(), failed: Some(why), ..Advice::default() };
    let mark = getrandom::u64().map_err(|error| error.to_string());
    let view = mark.and_then(View::new);
    report.advice = Some(match (Client::new(settings), view) {
        (Ok(mut client), Ok(view)) => {
            let lines =
                |wanted: (&str, Option<&str>), from: usize| report::lines(table, catalogue, wanted, from, LINES);
            consult(&Case { report, notes: &notes, lines: &lines }, &mut client, view)
        }
        (Err(error), _) => failed(error.reason),
        (_, Err(why)) => failed(why),
    });
}
