//! What of an answer may be told: only what cites lines that are there, names what they name, and is no command.

use serde::Deserialize;
use serde_json::{Value, json};

use super::view::View;
use super::wire::Shape;
use crate::report::Claim;

/// Most sentences, and characters of one.
const CLAIMS: usize = 6;
const SENTENCE: usize = 400;

/// Words of a verdict, which is the rules'.
const VERDICT: [&str; 11] = [
    "confirmed",
    "definitely",
    "certainly",
    "undoubtedly",
    "proven",
    "proves",
    "healthy",
    "approved",
    "확실",
    "확정",
    "틀림없",
];

/// What is blamed in general; it must stand in what is cited, or in the report.
const BLAMED: [&str; 16] = [
    "network",
    "fabric",
    "switch",
    "cable",
    "infiniband",
    "gpu",
    "driver",
    "disk",
    "storage",
    "memory",
    "kernel",
    "power",
    "firmware",
    "slurm",
    "kubernetes",
    "네트워크",
];

/// Words that blame: whom the rules blame is no matter of a model's.
const FAULT: [&str; 8] = ["at fault", "blame", "culprit", "guilty", "root cause", "responsible", "원인", "탓"];

/// An answer, as it is asked for. Whatever else it holds (a verdict, an approval, a command) is not read.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Reply {
    /// Sentences.
    #[serde(default)]
    pub(super) summary: Vec<Said>,
    /// Causes, the likeliest first.
    #[serde(default)]
    pub(super) order: Vec<String>,
    /// A move of the report.
    #[serde(default)]
    pub(super) next: Option<String>,
    /// Kinds of line that it wants to see.
    #[serde(default)]
    pub(super) show_kind: Option<String>,
    /// Only of this node.
    #[serde(default)]
    pub(super) show_node: Option<String>,
}

/// A sentence.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Said {
    text: String,
    #[serde(default)]
    cites: Vec<String>,
}

/// The shape of an answer.
pub(super) fn shape() -> Shape {
    let text = json!({"type": "string"});
    let schema = json!({
        "type": "object", "additionalProperties": false,
        "required": ["summary", "order", "next", "show_kind", "show_node"],
        "properties": {
            "summary": {"type": "array", "maxItems": CLAIMS, "items": {
                "type": "object", "additionalProperties": false, "required": ["text", "cites"],
                "properties": {"text": text, "cites": {"type": "array", "items": text}}}},
            "order": {"type": "array", "items": text},
            "next": text, "show_kind": text, "show_node": text,
        }
    });
    Shape { name: "answer", schema }
}

impl Reply {
    /// Reads an answer.
    pub(super) fn read(value: Value) -> Result<Self, String> {
        if !value.get("summary").is_some_and(Value::is_array) {
            return Err("`summary` is no list".to_owned());
        }
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    /// Lines that it wants to see, by kind and node.
    pub(super) fn wants(&self) -> Option<(&str, Option<&str>)> {
        let said = |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).is_some();
        let kind = self.show_kind.as_deref().map(str::trim).filter(|kind| {
            !kind.is_empty()
                && kind.len() <= 80
                && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"._*-".contains(&b))
        })?;
        Some((kind, self.show_node.as_deref().map(str::trim).filter(|_| said(&self.show_node))))
    }

    /// The sentences that may be told, and why others may not.
    pub(super) fn claims(&self, view: &View) -> (Vec<Claim>, Vec<String>) {
        let (mut claims, mut dropped) = (Vec::new(), Vec::new());
        for said in self.summary.iter().take(CLAIMS) {
            match said.claim(view) {
                Ok(claim) => claims.push(claim),
                Err(why) => dropped.push(format!("{why}: \"{}\"", said.text.chars().take(120).collect::<String>())),
            }
        }
        (claims, dropped)
    }
}

impl Said {
    fn claim(&self, view: &View) -> Result<Claim, String> {
        let text: String = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() || text.chars().count() > SENTENCE {
            return Err("it is empty or too long".to_owned());
        }
        if self.cites.is_empty() {
            return Err("it cites nothing".to_owned());
        }
        let of = |id: &String| {
            view.lines().iter().find(|line| line.id == *id).ok_or_else(|| format!("it cites {id}, which is not there"))
        };
        let lines = self.cites.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        if let Some(what) = acts(&text) {
            return Err(format!("it {what}"));
        }
        let small = text.to_lowercase();
        if let Some(word) = VERDICT.iter().find(|word| small.contains(**word)) {
            return Err(format!("it speaks a verdict (\"{word}\")"));
        }
        let told = |word: &str| {
            let within = |text: &str| text.to_lowercase().contains(word);
            lines.iter().any(|line| {
                within(&line.text)
                    || within(&line.source)
                    || line.node.as_deref().is_some_and(within)
                    || line.rank.is_some_and(|rank| rank.to_string() == word)
                    || line.count.to_string() == word
            }) || within(view.words())
        };
        let blamed = BLAMED.into_iter().filter(|word| small.contains(word));
        if let Some(word) = names(&small).chain(blamed).find(|word| !told(word)) {
            return Err(format!("it names {word}, which what it cites does not"));
        }
        if let Some(other) = blamed_against(&small, view) {
            return Err(format!("it blames {other}, which the rules do not"));
        }
        let mut cites = self.cites.clone();
        cites.dedup();
        Ok(Claim { text, cites })
    }
}

/// Whom a sentence blames and the report does not name: a node of a line that is shown, or anything with a number.
fn blamed_against(small: &str, view: &View) -> Option<String> {
    let words = view.words().to_lowercase();
    let nodes = view.lines().iter().filter_map(|line| line.node.as_deref()).map(str::to_lowercase);
    let named = nodes.filter(|node| small.contains(node)).chain(names(small).map(str::to_owned));
    let mut others = named.filter(|name| !words.contains(name));
    others.next().filter(|_| FAULT.iter().any(|word| small.contains(word)))
}

/// Words that name something: those with a digit in them.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let round = |c: char| !c.is_alphanumeric();
    let words = text.split_whitespace().map(move |word| word.trim_matches(round));
    // Particles of other scripts cling to a name.
    let bare = |word: &'_ str| word.char_indices().find(|(_, c)| !c.is_ascii()).map_or(word.len(), |(at, _)| at);
    words
        .map(move |word| &word[..bare(word)])
        .map(move |word| word.trim_matches(round))
        .filter(|word| word.bytes().any(|b| b.is_ascii_digit()))
}

/// What in a sentence could be pasted or followed: a command, an option, an assignment, an address.
fn acts(text: &str) -> Option<&'static str> {
    let small = text.to_lowercase();
    if small.contains("://") || small.contains("www.") || text.contains("](") {
        return Some("holds an address");
    }
    if text.contains(['`', '|', ';', '$', '<', '>', '\\', '=', '&', '{', '}']) {
        return Some("holds what a shell would read");
    }
    let option = |word: &str| {
        word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_ascii_alphabetic()))
    };
    let program = |word: &str| {
        matches!(
            word,
            "sudo"
                | "rm"
                | "curl"
                | "wget"
                | "scontrol"
                | "kubectl"
                | "systemctl"
                | "reboot"
                | "chmod"
                | "bash"
                | "sh"
                | "ssh"
                | "dd"
                | "mkfs"
                | "kill"
        )
    };
    let bad = small.split_whitespace().any(|word| {
        option(word) || program(word.trim_matches(|c: char| !c.is_alphanumeric())) || word.starts_with('/')
    });
    bad.then_some("holds a command")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_pasted_or_followed_is_found() {
        for bad in [
            "run rm now",
            "see https://x",
            "set A=1",
            "a | b",
            "use --force",
            "read /etc/passwd",
            "![x](y)",
            "try `x`",
            "$(id)",
        ] {
            assert!(acts(bad).is_some(), "{bad}");
        }
        assert_eq!(acts("Rank 3 raised an out-of-memory error at step 41, so the others waited."), None);
        assert_eq!(
            names("gpu-17은 rank 3, (e5) at 10.0.4.18.").collect::<Vec<_>>(),
            ["gpu-17", "3", "e5", "10.0.4.18"]
        );
    }
}
