//! A plan for a ticket.

use super::{Says, by_hand, commands, label, passes, place, rests, then, time};
use crate::plan::step::{Plan, Stage, Step};
use crate::plan::task::What;
use crate::report::markdown::{code, prose};
use crate::report::{guard, words};

/// The plan as markdown.
#[must_use]
pub fn render(plan: &Plan, says: &Says) -> Vec<u8> {
    let subject = &plan.subject;
    let mut page = format!("## Plan: {}\n", prose(&subject.title));
    let who = words::culprit(&subject.culprit);
    let who = if who.is_empty() { String::new() } else { format!(" {}.", prose(&who)) };
    let witnesses: Vec<&str> = subject.witnesses.iter().map(|witness| witness.about()).collect();
    page += &format!(
        "\n{}.{who} Told by {}.\n",
        words::capital(words::confidence(subject.confidence)),
        witnesses.join(" and ")
    );
    for question in &plan.questions {
        page += &format!("\n- **Ask**: {} ({})\n", prose(&question.what), code(&format!("--set {}=…", question.id)));
    }
    for (at, step) in plan.steps.iter().filter(|step| !step.follows()).enumerate() {
        page +=
            &format!("\n### {}. {}: {}\n\n", at + 1, words::capital(&label(step).to_lowercase()), prose(&step.title));
        page += &terms(says, step);
        page += &doing(step);
        page += &follow(plan, step);
    }
    if let Some(quiet) = &plan.verify.quiet {
        page += &format!(
            "\nThen it must stay quiet for {}: no new line of {}.\n",
            quiet.window,
            prose(&quiet.clues.join(", "))
        );
    }
    page.into_bytes()
}

fn terms(says: &Says, step: &Step) -> String {
    let mut said = vec![place(step), words::risk(&step.risk.to_string()).to_owned()];
    if step.runs() {
        said.push(format!("up to {}", time(step.within_s)));
    }
    if !step.disturbs.is_empty() && step.runs() {
        said.push(format!("disturbs: {}", step.disturbs));
    }
    let passes = passes(step);
    if !passes.is_empty() {
        said.push(format!("passes if {passes}"));
    }
    said.push(rests(step));
    said.extend(step.cannot.iter().map(|why| format!("can't be run: {why}")));
    said.extend(says.get(&step.id).map(|word| format!("{}: {}", word.answer, word.why)));
    said.iter().filter(|part| !part.is_empty()).map(|part| format!("- {}\n", prose(part))).collect()
}

fn doing(step: &Step) -> String {
    let line = |on: &str, argv: &[String]| {
        let on = if on.is_empty() { String::new() } else { format!("{on}$ ") };
        format!("{on}{}\n", argv.join(" "))
    };
    let mut block: String = commands(step).iter().map(|(on, argv)| line(on, argv)).collect();
    let part = step.tasks.iter().flat_map(|task| &task.groups).flat_map(|group| &group.parts).next();
    if let Some((part, What::Script(script))) = part.map(|part| (part, &part.work.what)) {
        let env = part.work.env.iter().map(|(name, value)| format!("{name}={}; export {name}\n", words::quoted(value)));
        block += &env.collect::<String>();
        block += script.text.trim();
        block.push('\n');
    }
    let mut said = String::new();
    for (command, argv) in step.hands.iter().map(by_hand) {
        if command { block += &line("", &argv) } else { said += &format!("\n{}\n", prose(&argv.join(" "))) }
    }
    if block.is_empty() { said } else { format!("{said}\n{}", fenced(&block)) }
}

/// What follows a step: its test again, its undoing.
fn follow(plan: &Plan, step: &Step) -> String {
    let each = plan.following(step).map(|next| {
        let when = words::capital(&then(step, next));
        let own = if next.stage == Stage::Verify {
            format!("\n{}.\n", prose(&when))
        } else {
            format!("\n{when}:\n{}", doing(next))
        };
        own + &follow(plan, next)
    });
    each.collect()
}

/// Lines as a block of code, whatever they hold.
fn fenced(block: &str) -> String {
    let run = block.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(run.max(2) + 1);
    format!("{fence}sh\n{}{fence}\n", guard::page(block))
}
