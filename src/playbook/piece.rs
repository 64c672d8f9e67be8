//! Pieces of shell that several scripts of playbooks begin with: what is found out in one way stands in one place. Constant text, as
//! the scripts are.

use super::schema::{Playbook, Script, Undo};

/// All pieces by name. A script names those that it needs: `with = ["host-keys"]`.
const PIECES: [(&str, &str); 4] = [
    ("host-keys", include_str!("pieces/host_keys.sh")),
    ("known-hosts", include_str!("pieces/known_hosts.sh")),
    ("port-holders", include_str!("pieces/port_holders.sh")),
    ("slurm-hears", include_str!("pieces/slurm_hears.sh")),
];

/// Puts pieces before the scripts that name them.
///
/// # Errors
/// A name that no piece has, in words.
pub(super) fn put_together(playbook: &mut Playbook) -> Result<(), String> {
    let tests = playbook.test.values_mut().filter_map(|test| test.script.as_mut());
    let fixes = playbook.fix.iter_mut().flat_map(|fix| {
        let undo = if let Undo::Script(script) = &mut fix.undo { Some(script) } else { None };
        fix.script.iter_mut().chain(undo)
    });
    tests.chain(fixes).try_for_each(complete)
}

/// A script behind its pieces; it names them no longer.
fn complete(script: &mut Script) -> Result<(), String> {
    let mut text = String::new();
    for name in std::mem::take(&mut script.with) {
        let piece = PIECES.iter().find(|(known, _)| *known == name);
        let known = || PIECES.map(|(known, _)| known).join(", ");
        let (_, piece) = piece.ok_or_else(|| format!("there is no piece of script `{name}`; known: {}", known()))?;
        text += piece;
    }
    script.text.insert_str(0, &text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_stands_behind_its_pieces_once() {
        let mut script = Script { text: "route\n".into(), with: vec!["host-keys".into()], ..Script::default() };
        complete(&mut script).unwrap();
        assert!(script.text.starts_with("# Which keys") && script.text.ends_with("\nroute\n"), "{}", script.text);
        let once = script.text.clone();
        complete(&mut script).unwrap();
        assert_eq!(script.text, once);
        script.with = vec!["hostkeys".into()];
        assert!(complete(&mut script).unwrap_err().contains("no piece of script `hostkeys`; known: host-keys"));
    }
}
