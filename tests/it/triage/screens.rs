//! What the screens look like, word for word, on incidents of `sample-logs/`.

use diag::plan::{NodeName, Step};
use diag::policy::{self, Decision, Facts, Said};
use diag::triage::{Event, Look, News, View};
use ratatui::crossterm::event::KeyCode;
use ratatui::style::Color;

use super::{Sitting, WHOLE};

const SIZES: [(u16, u16); 2] = [(80, 24), (160, 50)];

const OOM: &str = "host-oom/one-node-with-its-kernel-log";
const LOST: &str = "gpu-fell-off-bus/watchdogs-of-sixteen-and-a-kernel-log";

/// Compares a screen with what it looked like.
fn look(name: &str, sitting: &Sitting) {
    let (columns, rows) = sitting.size;
    insta::assert_snapshot!(format!("{name}-{columns}x{rows}"), sitting.text());
}

#[test]
fn each_view_looks_as_it_did() {
    for size in SIZES {
        let mut sitting = Sitting::sample(OOM, size);
        for (at, view) in View::ALL.into_iter().enumerate() {
            sitting.types(&(at + 1).to_string());
            look(&format!("oom-{}", view.name().to_lowercase()), &sitting);
        }
        sitting.types("4");
        sitting.press(KeyCode::Enter);
        look("oom-lines-around", &sitting);
        sitting.types("w");
        look("oom-lines-wrapped", &sitting);
    }
}

#[test]
fn causes_of_other_kinds_look_as_they_did() {
    for (name, sample) in [
        ("healthy", "healthy/slurm-four-nodes"),
        ("undetermined", "undetermined/sixteen-ranks-stuck-together"),
        ("lost", LOST),
        ("pod", "k8s-node-notready/node-described"),
    ] {
        for (view, keys) in [("overview", "1"), ("timeline", "2"), ("plan", "5")] {
            let mut sitting = Sitting::sample(sample, SIZES[0]);
            sitting.types(keys);
            look(&format!("{name}-{view}"), &sitting);
        }
    }
}

#[test]
fn help_and_a_filter_look_as_they_did() {
    for size in SIZES {
        let mut sitting = Sitting::sample(LOST, size);
        sitting.types("?");
        look("help", &sitting);
        sitting.press(KeyCode::Esc);
        sitting.types("4/kind:kernel");
        look("filter-typed", &sitting);
        sitting.press(KeyCode::Enter);
        look("filter", &sitting);
    }
}

/// A step of a plan that the policy wants asked for, and why.
fn asked(name: &str) -> (Step, policy::Asked) {
    let words = format!("sample-logs/{name}/logs");
    let incident = diag::cli::triage::incident(&[&words]).unwrap();
    let policy = policy::built_in().unwrap();
    for step in incident.plans.iter().flat_map(|plan| &plan.steps).filter(|step| step.runs()) {
        let nodes: Vec<NodeName> = step.nodes.clone();
        let facts = Facts::of(diag::playbook::schema::Status::Stable, nodes);
        if let Decision::Ask(asked) = policy::judge(step, &facts, &policy, &Said::default()) {
            return (step.clone(), asked);
        }
    }
    panic!("no step of {name} is asked for");
}

#[test]
fn what_is_agreed_to_is_shown_whole() {
    for size in SIZES {
        let mut sitting = Sitting::sample(LOST, size);
        let (step, asked) = asked(LOST);
        let shown = diag::plan::tell::shown(&step);
        sitting.types("5r");
        look("begin", &sitting);
        sitting.types("y");
        sitting.happens(Event::News(News::Agree(Box::new(step), asked)));
        look("approval", &sitting);
        // Line for line, however often one has to scroll.
        let mut seen = String::new();
        for _ in 0..200 {
            seen += &sitting.text().replace('│', " ");
            sitting.press(KeyCode::PageDown);
        }
        let flat = |text: &str| text.split_whitespace().collect::<String>();
        let seen: Vec<String> = seen.lines().map(flat).collect();
        for line in shown.iter().map(|line| flat(line)).filter(|line| !line.is_empty() && line.len() < 60) {
            assert!(seen.iter().any(|seen| seen.contains(&line)), "{line} was never shown");
        }
    }
}

#[test]
fn what_runs_looks_as_it_did() {
    for size in SIZES {
        let mut sitting = Sitting::sample(LOST, size);
        sitting.types("5ry");
        let news = [
            News::Told("The GPU at 0000:3b:00.0 fell off the bus".to_owned()),
            News::Begins("confirm-gpu-answers".to_owned(), 2),
            News::Began(0, "gpu-17".to_owned()),
            News::Began(1, "gpu-18".to_owned()),
            News::Printed(0, b"diag: gpus=7\npart of a li".to_vec()),
            News::Printed(1, b"\x1b[31mred\x1b[0m \x1b]0;title\x07 50%\r 100%\n".to_vec()),
            News::PartEnded(1, "exit 3".to_owned(), false),
        ];
        news.into_iter().for_each(|news| sitting.happens(Event::News(news)));
        sitting.happens(Event::Tick(12_300));
        look("run", &sitting);
        sitting.types("c");
        look("stop", &sitting);
        sitting.types("n");
        sitting.happens(Event::News(News::PartEnded(0, "exit 0".to_owned(), true)));
        sitting.happens(Event::News(News::Ended(Ok("BY HAND: see to it".to_owned()))));
        look("ended", &sitting);
    }
}

#[test]
fn a_terminal_that_is_too_small_says_so() {
    let sitting = Sitting::sample(OOM, (60, 15));
    sitting.shows("needs 80x24");
    look("small", &sitting);
    for size in [(1, 1), (3, 2), (79, 24), (80, 23)] {
        Sitting::sample(OOM, size).text();
    }
}

#[test]
fn without_colour_and_beyond_ascii_nothing_is_lost() {
    let keys = ["1", "2", "3", "4", "5", "6", "7", "8", "4\n", "?"];
    let folder = format!("sample-logs/{LOST}/logs");
    for keys in keys {
        let [mut whole, mut plain] =
            [WHOLE, Look { colour: false, unicode: false }].map(|look| Sitting::on(&[&folder], SIZES[0], look));
        for sitting in [&mut whole, &mut plain] {
            keys.chars().for_each(|key| {
                if key == '\n' { sitting.press(KeyCode::Enter) } else { sitting.types(&key.to_string()) }
            });
        }
        let buffer = plain.buffer();
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "{keys}");
        assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()), "{keys}: {}", plain.text());
        let stand_ins =
            [('─', '-'), ('│', '|'), ('┌', '+'), ('┐', '+'), ('└', '+'), ('┘', '+'), ('…', '~'), ('·', '.')];
        let ascii = |text: String| stand_ins.iter().fold(text, |text, (of, by)| text.replace(*of, &by.to_string()));
        assert_eq!(ascii(whole.text()), plain.text(), "{keys}");
    }
    let mut plain = Sitting::on(&[&folder], SIZES[0], Look { colour: false, unicode: false });
    plain.types("2");
    look("no-colour", &plain);
}

#[test]
fn what_a_log_says_acts_on_no_screen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.log").display().to_string();
    let evil = "[rank3]: Traceback (most recent call last):\n[rank3]:   File \"/w/\u{1b}[31mt.py\", line 31, in step\n[rank3]: KeyError: '\u{1b}]0;owned\u{7}\u{1b}[2J \u{202e}slebal \u{9b}31m 서버 \u{200b}x'\n";
    std::fs::write(&path, evil).unwrap();
    let mut sitting = Sitting::on(&[&path], SIZES[0], WHOLE);
    for keys in ["1", "1v", "2", "3", "4", "5", "7", "8"] {
        sitting.types(keys);
        quiet(&sitting);
    }
    sitting.types("4");
    sitting.press(KeyCode::Enter);
    sitting.shows("KeyError");
    quiet(&sitting);
    sitting.types("w");
    quiet(&sitting);
    sitting.happens(Event::News(News::Told(evil.to_owned())));
    sitting.happens(Event::News(News::Began(0, "\u{1b}[2Jnode".to_owned())));
    sitting.happens(Event::News(News::Printed(0, evil.as_bytes().to_vec())));
    sitting.happens(Event::Note(evil.to_owned()));
    sitting.types("6");
    sitting.shows("owned");
    quiet(&sitting);
}

/// Nothing on the screen acts.
fn quiet(sitting: &Sitting) {
    for cell in &sitting.buffer().content {
        assert!(!cell.symbol().chars().any(diag::report::guard::is_hostile), "{:?}", cell.symbol());
    }
}
