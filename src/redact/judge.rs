//! Whether what stands where a secret may stand is one. Training logs are full of tokens that are words.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// Whether what a shape found is a secret.
pub(super) type Judge = fn(&Found<'_>) -> bool;

/// What a shape found.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// The name before the secret, in lower case.
    key: String,
    /// Whether that name is written like an environment variable.
    variable: bool,
    /// What stands between.
    separator: &'a [u8],
    /// Whether the name is the first word of its line.
    first: bool,
    /// Whether the secret stands in quotes.
    quoted: bool,
    secret: &'a [u8],
}

impl<'a> Found<'a> {
    pub(super) fn of(line: &'a [u8], found: &Captures<'a>, secret: Range<usize>) -> Self {
        let key = found.name("key").map_or(0..0, |key| key.range());
        let name = &line[key.clone()];
        let before = secret.start.checked_sub(1).and_then(|at| line.get(at));
        Self {
            key: String::from_utf8_lossy(name).to_ascii_lowercase(),
            variable: name.iter().any(u8::is_ascii_uppercase) && !name.iter().any(u8::is_ascii_lowercase),
            separator: found.name("sep").map_or(b"", |sep| sep.as_bytes()),
            first: line[..key.start]
                .iter()
                .all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'-' | b'"' | b'\'')),
            quoted: before.is_some_and(|byte| matches!(byte, b'"' | b'\'')),
            secret: &line[secret],
        }
    }
}

/// All of a secret: that of an environment variable in a list, `"NAME=a b"`, ends at the quote behind which its name stands.
/// `None` where the value is empty: `"NAME="`.
pub(super) fn whole(line: &[u8], found: &Captures<'_>, secret: Range<usize>) -> Option<Range<usize>> {
    let key = found.name("key").map_or(0..0, |key| key.range());
    let before = |back: usize| key.start.checked_sub(back).and_then(|at| line.get(at)).copied();
    let variable = !key.is_empty() && !line[key.clone()].iter().any(u8::is_ascii_lowercase);
    let quote = before(1).filter(|byte| variable && matches!(byte, b'"' | b'\''));
    let Some(quote) = quote.filter(|_| line.get(key.end) == Some(&b'=')) else { return Some(secret) };
    // In a text within a text the quotes stand behind backslashes.
    let nested = before(2) == Some(b'\\');
    let start = key.end + 1;
    let mut at = start;
    while let Some(byte) = line.get(at).filter(|byte| **byte != b'\n') {
        let next = line.get(at + 1);
        if *byte == quote || (nested && *byte == b'\\' && next == Some(&quote)) {
            return (at > start).then_some(start..at);
        }
        at += if *byte == b'\\' && !nested { 2 } else { 1 };
    }
    Some(secret)
}

/// Words before `token` that make it one of a language model, or a count of such.
const OF_A_MODEL: [&str; 37] = [
    "pad",
    "eos",
    "bos",
    "unk",
    "sep",
    "cls",
    "mask",
    "special",
    "image",
    "audio",
    "video",
    "stop",
    "end",
    "start",
    "first",
    "last",
    "next",
    "num",
    "max",
    "min",
    "per",
    "each",
    "prompt",
    "completion",
    "total",
    "new",
    "input",
    "output",
    "added",
    "decoder_start",
    "forced_bos",
    "begin",
    "additional",
    "text",
    "vocab",
    "draft",
    "think",
];

/// Words before `token` that make it one that opens a door.
const OF_A_DOOR: [&str; 33] = [
    "access",
    "auth",
    "api",
    "bearer",
    "refresh",
    "id",
    "session",
    "security",
    "hub",
    "hf",
    "huggingface",
    "hugging_face",
    "huggingface_hub",
    "gh",
    "github",
    "gitlab",
    "slack",
    "bot",
    "wandb",
    "ngc",
    "vault",
    "kube",
    "k8s",
    "serviceaccount",
    "service_account",
    "deploy",
    "private",
    "personal",
    "registry",
    "docker",
    "jupyter",
    "bootstrap",
    "join",
];

/// `key = secret`.
pub(super) fn assigned(found: &Found<'_>) -> bool {
    // `Error: secret: not found` is prose: a colon in the middle of a line with a plain word behind it.
    let prose = found.separator == b":" && !found.first && !found.quoted && !random(found.secret, 6);
    literal(found) && !prose && opens_a_door(found)
}

/// `--key secret`.
pub(super) fn flagged(found: &Found<'_>) -> bool {
    let number = found.secret.iter().all(u8::is_ascii_digit);
    literal(found) && ((found.key == "token" && !number) || opens_a_door(found))
}

/// A variable whose value is given beside its name.
pub(super) fn named(found: &Found<'_>) -> bool {
    literal(found) && opens_a_door(found)
}

/// Whether the name is one of a secret; of a `token` that is not easy to tell.
fn opens_a_door(found: &Found<'_>) -> bool {
    if found.key.ends_with("pwd") {
        // The shell's `PWD` and `OLDPWD` are places.
        return !found.secret.starts_with(b"/") && !found.secret.starts_with(b"~");
    }
    if found.key.ends_with("_pass") {
        // `DB_PASS=…`, and not the `forward_pass` of a step or a count of tests.
        return found.variable && found.separator == b"=" && !found.secret.iter().all(u8::is_ascii_digit);
    }
    let Some(before) = found.key.strip_suffix("token") else { return true };
    let before = before.trim_start_matches('-').trim_end_matches(['_', '-', '.']);
    let ends = |list: &[&str]| {
        list.iter().any(|word| {
            before.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with(['_', '-', '.']))
        })
    };
    if ends(&OF_A_MODEL) || found.secret.iter().all(u8::is_ascii_digit) {
        return false;
    }
    ends(&OF_A_DOOR) || (found.variable && !before.is_empty()) || random(found.secret, 16)
}

/// Whether it is a secret itself, and not a stand-in, a switch or the place where the secret is.
pub(super) fn literal(found: &Found<'_>) -> bool {
    let text = found.secret;
    let lower = text.to_ascii_lowercase();
    let switch =
        [b"true".as_slice(), b"false", b"none", b"null", b"nil", b"yes", b"no", b"unset", b"required", b"optional"];
    let stand_in = matches!(text.first(), None | Some(b'$' | b'<' | b'%'))
        || text.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'-'));
    let path = text.first() == Some(&b'/')
        && text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/._-".contains(byte));
    !(stand_in || path || switch.contains(&lower.as_slice()))
}

/// Whether it is no plain word.
pub(super) fn no_word(found: &Found<'_>) -> bool {
    literal(found) && random(found.secret, 6)
}

/// Whether the text behind a prefix is no plain word.
pub(super) fn mixed(found: &Found<'_>) -> bool {
    random(found.secret, 16)
}

/// Whether text has letters and digits as a generator makes them.
fn random(text: &[u8], least: usize) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-!@#$%^&*?".contains(byte);
    text.len() >= least
        && text.iter().all(plain)
        && text.iter().any(u8::is_ascii_digit)
        && text.iter().any(u8::is_ascii_alphabetic)
}

/// A line of a pod's description that names a variable, the value being on the next: `- name: HF_TOKEN`.
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let word = "(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|CREDENTIALS?|_TOKEN)";
    Regex::new(&format!(r#"(?-u)^\s*(?:-\s+)?"?name"?\s*:\s*"?[A-Z0-9_]*{word}"?,?\s*$"#)).ok()
});

static VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?-u)^\s*"?value"?\s*:\s*(?:"(?P<s>(?:[^"\\\n]|\\.)+)|'(?P<s2>[^'\n]+)|(?P<s3>[^\s"'{\[&][^\n]*))"#)
        .ok()
});

/// Whether a line names a variable that holds a secret.
pub(super) fn names_a_secret(line: &[u8]) -> bool {
    // Quick to say no: nearly every line of a log.
    memchr::memmem::find(line, b"name").is_some() && NAME.as_ref().is_some_and(|name| name.is_match(line))
}

/// Where the value stands on the line behind such a name.
pub(super) fn value(line: &[u8]) -> Option<Range<usize>> {
    super::secret(&VALUE.as_ref()?.captures(line)?)
}
