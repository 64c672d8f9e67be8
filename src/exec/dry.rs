//! No transport at all: each part comes back as not run.

use tokio_util::sync::CancellationToken;

use super::fan::Later;
use super::outcome::{End, Ran};
use super::{Executor, Told};
use crate::plan::Task;
use crate::policy::Approved;

/// Runs nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dry;

impl Executor for Dry {
    fn name(&self) -> &'static str {
        "dry"
    }

    fn run<'a>(
        &'a self,
        task: &'a Approved<Task>,
        _stop: &'a CancellationToken,
        told: &'a dyn Told,
    ) -> Later<'a, Vec<Ran>> {
        let not_run = || End::CannotRun("this is a dry run: nothing is run".to_owned());
        let parts = task.groups.iter().flat_map(|group| &group.parts);
        let rans: Vec<Ran> = parts.map(|part| Ran::without_output(part.target.clone(), not_run())).collect();
        rans.iter().enumerate().for_each(|(index, ran)| told.ended(index, ran));
        Box::pin(std::future::ready(rans))
    }
}
