//! What the rules leave open, and what a model may say to that. A menu is made from the case alone, a pick is a place on it, and
//! what a place stands for is looked up there again: so nothing can be picked that was not offered, and replay needs no model.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::entry::Ending;
use super::next::{Move, within};
use super::state::Case;
use crate::plan::{NodeName, Plan, Question, Stage, Step};
use crate::playbook::schema::Risk;
use crate::policy::risk;
use crate::report::Claim;
use crate::verdict::Outcome;

/// Most places of a menu.
const OFFERS: usize = 12;

/// Most further causes that are looked at, and most nodes that a test is bound to.
const LOOKS: usize = 2;
const NODES: usize = 8;

/// What is open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Which of several findings that are equally sure is worked on first.
    Order,
    /// A parameter of tests that nothing tells, and that nobody was there to say.
    Value {
        /// The cause whose tests ask.
        cause: String,
        /// The parameter.
        question: String,
    },
    /// Which causes that are only possible are looked at as well, before it ends without anything that helped.
    Look,
    /// What is to be told of the end; nothing can be picked.
    Summary,
}

/// What may be picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// What is open.
    pub topic: Topic,
    /// The same in a sentence.
    pub about: String,
    /// Most places that may be picked; none need be.
    pub most: usize,
    offers: Vec<Offer>,
}

/// A place of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// In words.
    pub what: String,
    /// Where it is a whole number: from where to where.
    pub range: Option<(i64, i64)>,
    /// A cause, or a value.
    means: String,
}

/// What was picked: a place of a menu, and, where that is a range, a number within it. Made by [`Menu::pick`] alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    at: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counsel {
    /// What it picks, the first first.
    pub picks: Vec<Pick>,
    /// Why; of the end, what is told of it. Each sentence cites lines that are there.
    pub claims: Vec<Claim>,
    /// The lines that are cited.
    pub cited: Vec<Cited>,
}

/// A line that a model cites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cited {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub place: String,
    /// The line.
    pub text: String,
}

/// What a case keeps of what was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Causes, in the order in which equally sure ones are worked on.
    pub(super) order: Vec<String>,
    /// Causes that are looked at as well.
    pub(super) looks: Vec<String>,
    /// What was asked and answered: it is not asked again.
    asked: BTreeSet<Topic>,
    /// Whether the model failed in this run: it is not asked again before the next.
    pub(super) failed: bool,
    /// What was told of an end, and by whom.
    pub(super) summary: Option<Summary>,
}

/// What was told of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The end.
    pub of: Ending,
    /// The model.
    pub model: String,
    /// Sentences with what they cite.
    pub claims: Vec<Claim>,
    /// What is cited.
    pub cited: Vec<Cited>,
}

impl Menu {
    /// The places, from 0.
    #[must_use]
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// Picks a place; nothing where there is none such, or the number is not within its range.
    #[must_use]
    pub fn pick(&self, at: usize, number: Option<i64>) -> Option<Pick> {
        let fits = match (self.offers.get(at)?.range, number) {
            (None, None) => true,
            (Some((least, most)), Some(number)) => (least..=most).contains(&number),
            _ => false,
        };
        fits.then_some(Pick { at, number })
    }

    /// What picks stand for; nothing where one of them is none of this menu's, or there are too many.
    fn means(&self, picks: &[Pick]) -> Option<Vec<String>> {
        let places: BTreeSet<usize> = picks.iter().map(|pick| pick.at).collect();
        let one = |pick: &Pick| {
            let fits = self.pick(pick.at, pick.number)?;
            Some(fits.number.map_or_else(|| self.offers[fits.at].means.clone(), |number| number.to_string()))
        };
        let all: Option<Vec<String>> = picks.iter().map(one).collect();
        all.filter(|_| picks.len() <= self.most && places.len() == picks.len())
    }

    /// Picks in words; nothing where they are none of this menu's.
    pub(super) fn words(&self, picks: &[Pick]) -> Option<Vec<String>> {
        self.means(picks)?;
        let word = |pick: &Pick| {
            let number = pick.number.map(|number| format!(": {number}")).unwrap_or_default();
            format!("{}{number}", self.offers[pick.at].what)
        };
        Some(picks.iter().map(word).collect())
    }
}

impl Case {
    /// The move that asks a model, where the person wants that, it was not asked yet, and something is open.
    pub(super) fn consults(&self, topic: Topic) -> Option<Move> {
        let wanted = self.began.as_ref().is_some_and(|began| began.brain.is_some());
        let heard = &self.heard;
        let told = topic == Topic::Summary && self.told().is_some();
        let open = wanted && !heard.failed && !heard.asked.contains(&topic) && !told;
        (open && self.menu(&topic).is_some()).then_some(Move::Consult(topic))
    }

    /// What may be picked; nothing where nothing is open.
    #[must_use]
    pub fn menu(&self, topic: &Topic) -> Option<Menu> {
        let (about, most, offers) = match topic {
            Topic::Order => ("Findings that are equally sure: which are worked on first?", OFFERS, self.orders()),
            Topic::Value { cause, question } => {
                let plan = self.plan().filter(|plan| plan.subject.cause == *cause)?;
                let question = plan.questions.iter().find(|open| open.id == *question)?;
                let (most, offers) = self.values(question);
                let about = format!("Nothing tells a parameter of a test: {}. Which value?", question.what);
                return menu(topic, about, most, offers);
            }
            Topic::Look => {
                ("Nothing helped so far. Which of these possible causes are looked at?", LOOKS, self.sights())
            }
            Topic::Summary => {
                self.plan()?;
                let about = "It has come to an end. Sum up for the engineer what was found, done and shown.";
                let topic = topic.clone();
                return Some(Menu { topic, about: about.to_owned(), most: 0, offers: Vec::new() });
            }
        };
        menu(topic, about.to_owned(), most, offers)
    }

    /// What a model told of the end, where that is still the end.
    #[must_use]
    pub fn told(&self) -> Option<&Summary> {
        self.heard.summary.as_ref().filter(|told| self.ended.as_ref() == Some(&told.of))
    }

    /// Takes in what was picked. What is not on the menu means nothing.
    pub(super) fn heed(&mut self, topic: Topic, picks: &[Pick]) {
        let means = self.menu(&topic).and_then(|menu| menu.means(picks)).unwrap_or_default();
        match &topic {
            Topic::Order => self.heard.order = means,
            Topic::Look => self.heard.looks = means,
            Topic::Value { cause, question } if !means.is_empty() => {
                let open = self.plan().and_then(|plan| plan.questions.iter().find(|open| open.id == *question));
                for test in open.map(|open| open.tests.clone()).unwrap_or_default() {
                    self.answers.pick(cause, &test, question, means.clone());
                }
                self.stale = true;
            }
            Topic::Value { .. } | Topic::Summary => {}
        }
        if topic != Topic::Summary {
            self.heard.asked.insert(topic);
        }
    }

    /// Findings that are equally sure, where nothing was done yet. That of the verdict stays the first.
    fn orders(&self) -> Vec<Offer> {
        let mut worth = self.worth();
        let groups = worth.get_mut(self.decided()..).unwrap_or_default();
        let open = |groups: &[&Plan]| {
            let alike = groups.chunk_by(|a, b| a.subject.confidence == b.subject.confidence);
            alike.filter(|group| group.len() > 1).flatten().map(|plan| looks_into(plan)).collect()
        };
        if self.works.is_empty() && self.closed.is_empty() { open(groups) } else { Vec::new() }
    }

    /// How many findings at the head of the order are the verdict itself.
    pub(super) fn decided(&self) -> usize {
        usize::from(self.read.as_ref().is_some_and(|read| read.outcome == Outcome::Diagnosed))
    }

    /// Causes that are only possible and are not worked on, with tests that look and do no more.
    fn sights(&self) -> Vec<Offer> {
        let own = self.own();
        let others = self.read.iter().flat_map(|read| &read.plans).filter(|plan| !own.contains(plan));
        let began = self.began.as_ref();
        let sees = |step: &Step| sees(step) && began.is_some_and(|began| within(began, step));
        others.filter(|plan| plan.stage(Stage::Confirm).any(sees)).map(looks_into).collect()
    }

    /// Values for a parameter of tests: what the evidence offers, nodes of this case, or a number within its bounds.
    fn values(&self, question: &Question) -> (usize, Vec<Offer>) {
        let value = |value: &String| Offer { what: value.clone(), range: None, means: value.clone() };
        if question.tests.is_empty() {
            return (0, Vec::new());
        }
        let targets = self.targets();
        let node = question.kind == "node";
        let ours = |value: &&String| !node || targets.contains(*value);
        let offers: Vec<Offer> = question.offers.iter().filter(ours).map(value).collect();
        match (question.kind.as_str(), question.min, question.max) {
            _ if !question.offers.is_empty() => (1, offers),
            ("node", ..) => (NODES, targets.iter().map(value).collect()),
            ("int", Some(least), Some(most)) => {
                let what = format!("a whole number from {least} to {most}");
                (1, vec![Offer { what, range: Some((least, most)), means: String::new() }])
            }
            _ => (0, Vec::new()),
        }
    }

    /// The nodes that the case is about: those that a person named, or else those that its findings blame and its steps touch.
    fn targets(&self) -> BTreeSet<String> {
        let named = self.began.iter().flat_map(|began| began.nodes.clone());
        let named: BTreeSet<String> = named.collect();
        if !named.is_empty() {
            return named;
        }
        let plans = self.read.iter().flat_map(|read| &read.plans);
        let of = |plan: &Plan| {
            let touched = plan.steps.iter().flat_map(|step| &step.nodes).map(|node| node.as_str().to_owned());
            let blamed = plan.subject.culprit.nodes.iter().filter(|name| name.parse::<NodeName>().is_ok());
            blamed.cloned().chain(touched).collect::<Vec<_>>()
        };
        plans.flat_map(of).collect()
    }
}

/// Whether a step looks, and does no more.
pub(super) fn sees(step: &Step) -> bool {
    step.runs() && step.stage == Stage::Confirm && risk(step) == Risk::Observe
}

fn menu(topic: &Topic, about: String, most: usize, mut offers: Vec<Offer>) -> Option<Menu> {
    offers.truncate(OFFERS);
    (!offers.is_empty()).then(|| Menu { topic: topic.clone(), about, most, offers })
}

/// A finding as a place of a menu.
fn looks_into(plan: &Plan) -> Offer {
    let subject = &plan.subject;
    let nodes = subject.culprit.nodes.join(", ");
    let on = if nodes.is_empty() { nodes } else { format!(" on {nodes}") };
    let tests: Vec<&str> = plan.stage(Stage::Confirm).map(|step| step.title.as_str()).collect();
    let by = if tests.is_empty() { String::new() } else { format!(", by: {}", tests.join("; ")) };
    Offer { what: format!("{}{on}{by}", subject.title), range: None, means: subject.cause.clone() }
}

/// Whether it came to an end without anything that helped, so that a further look may tell more.
pub(super) const fn looks_on(ending: &Ending) -> bool {
    matches!(
        ending,
        Ending::NotThere { .. }
            | Ending::Hands { .. }
            | Ending::NotFixed { .. }
            | Ending::Inconclusive { .. }
            | Ending::Undetermined
    )
}
