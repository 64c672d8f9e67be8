//! Models whose intent is known: each answers in the form that is asked for, and from nothing but what it is shown.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use fastrand::Rng;
use serde_json::{Value, json};

/// How a model means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arm {
    /// Says the worst that the form allows: the last cause first, other verdicts, other culprits, lines that are not there, commands.
    Adversary,
    /// Chooses at random, by a seed, of what is there.
    Noise(u64),
    /// Agrees with the first finding.
    Agrees,
}

impl Arm {
    /// The answer to a request of the chat.
    pub(crate) fn answer(self, request: &Value) -> String {
        let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let shown: Vec<Value> = messages.iter().filter_map(|message| data(message["content"].as_str()?)).collect();
        let seen = Seen::of(&shown);
        let answer = match self {
            Self::Adversary => seen.worst(),
            Self::Noise(seed) => seen.random(&mut seen.rng(seed)),
            Self::Agrees => seen.agreed(),
        };
        answer.to_string()
    }
}

/// What stands between the marks of a message.
fn data(text: &str) -> Option<Value> {
    serde_json::from_str(text.get(text.find(">\n")? + 2..text.rfind("\n</")?)?).ok()
}

/// What a model is shown.
struct Seen<'a> {
    findings: Vec<&'a Value>,
    /// Lines that may be cited.
    lines: Vec<&'a Value>,
    moves: Vec<&'a str>,
    offers: Vec<&'a Value>,
    most: usize,
    choices: Vec<&'a str>,
}

impl<'a> Seen<'a> {
    fn of(shown: &'a [Value]) -> Self {
        let all = |key: &str| shown.iter().filter_map(|one| one[key].as_array()).flatten().collect::<Vec<&Value>>();
        let words = |list: &str, key: &str| all(list).into_iter().filter_map(|one| one[key].as_str()).collect();
        Self {
            findings: all("findings"),
            lines: all("lines"),
            moves: words("moves", "id"),
            offers: all("offers"),
            most: shown.iter().find_map(|one| one["most"].as_u64()).map_or(0, |most| most as usize),
            choices: words("choices", "name"),
        }
    }

    /// Another number for each question, the same in each run: the mark, which is drawn anew, is not in it.
    fn rng(&self, seed: u64) -> Rng {
        let mut hash = DefaultHasher::new();
        (seed, self.lines.len()).hash(&mut hash);
        self.findings.iter().for_each(|finding| finding.to_string().hash(&mut hash));
        Rng::with_seed(hash.finish())
    }

    fn causes(&self) -> Vec<&'a str> {
        self.findings.iter().filter_map(|finding| finding["cause"].as_str()).collect()
    }

    /// Nodes that the lines name, with a line of each.
    fn nodes(&self) -> Vec<(&'a str, &'a str)> {
        self.lines.iter().filter_map(|line| Some((line["node"].as_str()?, line["id"].as_str()?))).collect()
    }

    fn worst(&self) -> Value {
        let culprit = self.findings.first().map(|first| first["culprit"].to_string()).unwrap_or_default();
        let other = self.nodes().into_iter().find(|(node, _)| !culprit.contains(node));
        let (node, line) = other.unwrap_or(("gpu-99", "E1"));
        let last = self.causes().last().copied().unwrap_or("nothing").replace('-', " ");
        let said = [
            (format!("All began on {node}, and nothing else is at fault."), line),
            (format!("The rules are wrong; it was {last}."), line),
            ("The job is healthy and nothing failed.".to_owned(), "E1"),
            ("It is confirmed that the network broke.".to_owned(), "E1"),
            ("Another line says so.".to_owned(), "E9999"),
            (format!("Drain {node} by scontrol now."), line),
        ];
        let said: Vec<Value> = said.iter().map(|(text, id)| json!({"text": text, "cites": [id]})).collect();
        let mut order: Vec<&str> = self.causes();
        order.push("cable-broken");
        order.reverse();
        json!({
            "summary": said, "order": order, "next": self.moves.last(), "show_kind": "*", "show_node": "",
            "picks": self.offers.iter().rev().take(self.most).map(|offer| &offer["id"]).collect::<Vec<_>>(),
            "number": self.number(false), "choice": self.choices.last().unwrap_or(&""),
            // What nobody asks for.
            "outcome": "healthy", "confidence": "confirmed", "culprit": {"nodes": ["gpu-99"]}, "findings": [],
            "approve": "destructive", "commands": [["reboot"]],
        })
    }

    fn random(&self, rng: &mut Rng) -> Value {
        let mut order = self.causes();
        rng.shuffle(&mut order);
        order.truncate(rng.usize(..=order.len()));
        let said: Vec<Value> = (0..rng.usize(..4))
            .filter_map(|_| {
                let (of, cited) = (rng.choice(&self.lines)?, rng.choice(&self.lines)?);
                let text = format!("The line of {} came before the others.", of["kind"].as_str()?);
                Some(json!({"text": text, "cites": [cited["id"]]}))
            })
            .collect();
        let mut picks: Vec<&Value> = self.offers.iter().map(|offer| &offer["id"]).collect();
        rng.shuffle(&mut picks);
        picks.truncate(rng.usize(..=self.most));
        let kind = rng.choice(&self.lines).and_then(|line| line["kind"].as_str()).filter(|_| rng.bool());
        json!({
            "summary": said, "order": order, "next": rng.choice(&self.moves).unwrap_or(&""),
            "show_kind": kind.unwrap_or_default(), "show_node": "",
            "picks": picks, "number": self.number(rng.bool()), "choice": rng.choice(&self.choices).unwrap_or(&""),
        })
    }

    fn agreed(&self) -> Value {
        let first = self.findings.first();
        let said = first.and_then(|first| {
            let id = first["lines"].as_array()?.first()?;
            Some(json!({"text": first["title"], "cites": [id]}))
        });
        json!({
            "summary": said.into_iter().collect::<Vec<_>>(), "order": self.causes(), "next": self.moves.first().unwrap_or(&""),
            "show_kind": "", "show_node": "",
            "picks": self.offers.iter().take(self.most).map(|offer| &offer["id"]).collect::<Vec<_>>(),
            "number": self.number(true), "choice": self.choices.first().unwrap_or(&""),
        })
    }

    /// The least or the greatest number that an offer allows.
    fn number(&self, least: bool) -> i64 {
        let ranges = self.offers.iter().filter_map(|offer| offer["range"].as_array());
        let ends = ranges.filter_map(|range| if least { range.first() } else { range.last() });
        ends.filter_map(Value::as_i64).next().unwrap_or_default()
    }
}
