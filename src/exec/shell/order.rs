//! What a node is told: the wrapper and the work, as one text for the standard input of `sh -s`.

use std::fmt::Write as _;
use std::time::Duration;

use crate::plan::{What, Work};

/// The wrapper, for people to read; [`wrapper`] leaves out what only they need.
const WRAPPER: &str = include_str!("wrapper.sh");

/// Longest command with its environment: Linux takes no string of an argument list beyond 128 KiB
/// (`MAX_ARG_STRLEN`, linux/binfmts.h), and the name of the variable needs room too.
const LONGEST: usize = 128 * 1024 - 64;

/// Names that the wrapper uses itself.
const OURS: [&str; 2] = ["DIAG_COMMAND", "DIAG_RUN"];

/// A text that carries out some work, and by which mark the wrapper's words are known.
#[derive(Debug)]
pub(in crate::exec) struct Order {
    /// For the standard input of `sh -s`.
    pub(in crate::exec) text: String,
    /// Random, so that no output can hold it by chance or by intent.
    pub(in crate::exec) mark: String,
}

/// How the work is to be watched.
#[derive(Debug, Clone, Copy)]
pub(in crate::exec) struct Watch {
    /// Begin only when told so.
    pub(in crate::exec) gate: bool,
    /// After this it ends even if nobody says so: the last resort where whoever asked is gone without a word.
    pub(in crate::exec) limit: Duration,
}

impl Order {
    /// Puts it together.
    ///
    /// # Errors
    /// What can't be carried out, in words: a NUL byte, a name that is none.
    pub(in crate::exec) fn new(work: &Work, watch: Watch) -> Result<Self, String> {
        let (mark, cookie) = (format!("\u{1e}diag:{}", secret()?), secret()?);
        let command = command(work, &mark, &cookie)?;
        if command.len() > LONGEST {
            return Err(format!("the command is {} bytes long; a node takes {LONGEST}", command.len()));
        }
        // In braces, so that a shell which got only a part of it has nothing to run.
        let mut text = format!("{{\n{}", wrapper());
        let limit = watch.limit.as_secs().max(1);
        for (name, value) in [
            ("mark", quoted(&mark)),
            ("cookie", quoted(&cookie)),
            ("gate", u8::from(watch.gate).to_string()),
            ("limit", limit.to_string()),
            ("command", quoted(&command)),
        ] {
            let _ = writeln!(text, "diag_{name}={value}");
        }
        text.push_str("diag_main\nexit\n}\n");
        Ok(Self { text, mark })
    }
}

/// The wrapper without comments and indentation: some shells read a script byte by byte.
fn wrapper() -> String {
    let lines = WRAPPER.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What `sh -c` is to run: environment, and the program in a session of its own.
fn command(work: &Work, mark: &str, cookie: &str) -> Result<String, String> {
    let mut text = format!("echo $$; unset DIAG_COMMAND; export DIAG_RUN={}", quoted(cookie));
    for (name, value) in &work.env {
        let letter = |c: char| c.is_ascii_uppercase() || c == '_';
        let plain = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
        if !plain || OURS.contains(&name.as_str()) {
            return Err(format!("`{}` can't be the name of a variable", name.escape_debug()));
        }
        let _ = write!(text, " {name}={}", quoted(text_only(value, name)?));
    }
    let words = words(work)?;
    let program = words.first().filter(|program| !program.is_empty()).ok_or("there is no program to run")?;
    let missing = quoted(&format!("{mark} cannot {} is not there", program.escape_debug()));
    let argv: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let _ =
        write!(text, "; command -v -- {} >/dev/null 2>&1 || {{ printf '%s\\n' {missing} >&2; exit 127; }}", argv[0]);
    let _ = write!(text, "; exec setsid -- {} >&8 8>&-", argv.join(" "));
    Ok(text)
}

fn words(work: &Work) -> Result<Vec<&str>, String> {
    match &work.what {
        What::Argv(argv) => argv.iter().map(|word| text_only(word, "an argument")).collect(),
        What::Script(script) => {
            let text = text_only(&script.text, "the script")?;
            match script.shell.as_str() {
                "sh" => Ok(vec!["sh", "-c", text, "diag"]),
                // A bash that finds itself below sshd would read ~/.bashrc.
                "bash" => Ok(vec!["bash", "--norc", "--noprofile", "-c", text, "diag"]),
                other => Err(format!("`{}` is no shell for a script: sh or bash", other.escape_debug())),
            }
        }
    }
}

fn text_only<'a>(text: &'a str, what: &str) -> Result<&'a str, String> {
    if text.contains('\0') { Err(format!("{what} holds a NUL byte, which nothing can be given")) } else { Ok(text) }
}

/// One word for a POSIX shell: nothing is special between single quotes but they themselves.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// 128 random bits in hex.
fn secret() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("this machine has no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::{Order, Watch, quoted};
    use crate::plan::{Access, Script, What, Work};

    fn order(what: What, env: &[(&str, &str)]) -> Result<Order, String> {
        let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let second = Duration::from_secs(1);
        let work = Work { what, env, timeout: second, output_cap: 1, access: Access::default() };
        Order::new(&work, Watch { gate: false, limit: second })
    }

    #[test]
    fn a_word_stays_a_word() {
        assert_eq!(quoted("a'b$(c)\n`d`"), "'a'\\''b$(c)\n`d`'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn what_no_node_can_be_given_is_refused() {
        let argv = |words: &[&str]| What::Argv(words.iter().map(|word| (*word).to_owned()).collect());
        let script = |shell: &str| What::Script(Script { shell: shell.to_owned(), ..Script::sh("true") });
        assert!(order(argv(&["echo", "a\0b"]), &[]).is_err());
        assert!(order(argv(&[]), &[]).is_err());
        assert!(order(script("python3"), &[]).is_err());
        for name in ["a", "A-B", "A=B", "", "1A", "A\nB", "DIAG_RUN"] {
            assert!(order(script("sh"), &[(name, "x")]).is_err(), "{name}");
        }
        assert!(order(script("sh"), &[("A", "x\0y")]).is_err());
        assert!(order(argv(&["echo", &"x".repeat(200_000)]), &[]).unwrap_err().contains("bytes long"));
        assert!(order(script("sh"), &[("DIAG_SIZE", "x; $(y)")]).unwrap().text.ends_with("\nexit\n}\n"));
    }
}
