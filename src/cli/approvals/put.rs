//! `diag approvals put`: what would be done about a case waits for a yes. Nothing is run: neither on nodes nor here.

use std::path::Path;

use super::Args;
use super::person::person;
use crate::agent::{Manner, World, waiting};
use crate::case::{Journal, Standing, standing};
use crate::cli::fix::{self, Evidence, Job, Terms, say};
use crate::cli::plan::What;
use crate::cli::session::Silent;
use crate::cli::{EXIT_HEALTHY, EXIT_TROUBLE, narrow};
use crate::config::Config;
use crate::error::Error;
use crate::exec::Told;
use crate::plan::{Answers, Plan, Question, Step};
use crate::playbook::Library;
use crate::policy::Asked;
use crate::verdict::Outcome;

/// Plans for a case, and has what comes first wait.
pub(super) fn run(args: &Args, root: &Path, (library, site): (&Library, &Config)) -> Result<u8, Error> {
    let place = root.display().to_string();
    if !matches!(standing(root), Standing::Whole | Standing::Adding) {
        return Err(Error::new("case.none", place, "is no case").with_way_on("diag collect LOGS -o CASE makes one"));
    }
    if fix::last_began(root)?.is_some() {
        return Err(Error::new("case.begun", place, "something was begun on this case already")
            .with_way_on("`diag resume` goes on with it"));
    }
    let what = What {
        inputs: vec![place.clone()],
        narrow: narrow::Args::default(),
        set: Vec::new(),
        cause: None,
        policy: args.policy.clone(),
        quiet: args.quiet,
        playbooks: None,
        formats: args.formats.clone(),
        who: args.how.scheduler(),
        site: site.site(),
    };
    let terms = Terms::bare(args.how.clone(), args.nodes.clone(), args.state.clone());
    let (inputs, nodes) = (fix::absolute(&[place]), terms.nodes()?);
    let evidence = Evidence { what: &what, library, root, given: Answers::default(), how: &args.how };
    let job = Job { what: &what, terms: &terms, root, inputs, nodes, library, site, manner: Manner::Hold };
    let (case, _) = fix::carry_on(&job, Journal::open(root)?, &mut Nobody(evidence), &mut |_| {})?;
    let waits = waiting(&case);
    say(&waits.iter().map(|one| format!("{} waits: {}", one.id, one.step.title)).collect::<Vec<_>>());
    Ok(if waits.is_empty() { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// Nobody is asked, and nothing is said.
struct Nobody<'a>(Evidence<'a>);

impl World for Nobody<'_> {
    fn now(&self) -> i64 {
        super::now()
    }

    fn read(&mut self, answers: &Answers, live: bool) -> Result<(Outcome, String, Vec<Plan>), Error> {
        let planned = self.0.read(answers, live)?;
        Ok((planned.report.outcome, planned.report.headline, planned.plans))
    }

    fn ask(&mut self, _: &Question) -> Option<String> {
        None
    }

    fn agree(&mut self, _: &Step, _: &Asked) -> Option<bool> {
        None
    }

    fn tell(&mut self, _: &str) {}

    fn watch(&mut self, _: &str, _: usize) -> Box<dyn Told> {
        Box::new(Silent)
    }

    fn who(&self) -> String {
        person()
    }
}
