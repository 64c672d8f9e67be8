//! Flight-recorder dumps of jobs whose truth is known: whoever is to blame is named, and nobody else.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

#[path = "../../benches/recorder/dump.rs"]
mod dump;
#[path = "../../benches/recorder/job.rs"]
mod job;
#[path = "../../benches/recorder/scenes.rs"]
mod scenes;

use dump::Form;
use job::Fault;
use scenes::{SCENES, Scene};

const WHOLE: Form = Form { json: false, active_only: false, version: "2.10", ring: 100 };

/// Outcome, cause and ranks as `diag analyze` tells them.
fn told(scene: &Scene, form: &dyn Fn(usize) -> Form) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let job = scene.play(20);
    for rank in (0..scene.layout.world()).filter(|rank| job.undumped != Some(*rank)) {
        let dump = dump::write(&job, scene.layout, rank, form(rank));
        fs::write(folder.path().join(format!("nccl_trace_rank_{rank}")), dump).unwrap();
    }
    let run = Command::new(env!("CARGO_BIN_EXE_diag"))
        .args(["analyze", "--quiet", "--format", "json"])
        .arg(folder.path())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    let first = &report["findings"][0];
    json!([report["outcome"], first["cause"], first["culprit"]["ranks"]])
}

/// What a good reader says.
fn wanted(scene: &Scene) -> Value {
    let rank = json!(scene.play(1).culprit.into_iter().collect::<Vec<_>>());
    match scene.fault {
        Fault::None | Fault::Early => json!(["healthy", null, null]),
        Fault::Absent => json!(["diagnosed", "rank-straggler", rank]),
        Fault::Undumped | Fault::Stuck => json!(["undetermined", "undetermined", rank]),
        // Of two that differ nobody can tell which one is wrong.
        Fault::Op | Fault::Size | Fault::Dtype if scene.group().len() == 2 => {
            json!(["diagnosed", "collective-mismatch", scene.group()])
        }
        Fault::Op | Fault::Size | Fault::Dtype => json!(["diagnosed", "collective-mismatch", rank]),
    }
}

#[test]
fn dumps_of_known_incidents_name_whoever_is_to_blame() {
    let mut wrong = Vec::new();
    for scene in &SCENES {
        let forms: [(&str, &dyn Fn(usize) -> Form); 4] = [
            ("whole", &|_| WHOLE),
            ("as JSON", &|_| Form { json: true, ..WHOLE }),
            ("active only", &|_| Form { active_only: true, ..WHOLE }),
            ("of mixed versions", &|rank| Form { version: ["2.0", "2.4", "2.9", "2.10"][rank % 4], ..WHOLE }),
        ];
        for (name, form) in forms {
            let told = told(scene, form);
            if told != wanted(scene) {
                wrong.push(format!("{} {name}: {told}, wanted {}", scene.name, wanted(scene)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
