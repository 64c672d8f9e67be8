//! What secrets look like: a list of shapes. To add one, add a line here and a case to the tests.

use super::judge::{self, Judge};

/// One way to write a secret.
#[derive(Debug)]
pub(super) struct Shape {
    /// Words of which each match holds one; letters of either case. They are looked for first.
    pub(super) words: &'static [&'static str],
    /// The secret is in the group `s` (`s2`, `s3`, `s4`), the name of what it belongs to in `key`.
    pub(super) pattern: &'static str,
    /// Whether it is one.
    pub(super) judge: Judge,
}

/// Names behind which a secret stands; `token`, `pwd` and `_pass` need a closer look ([`judge::assigned`]).
macro_rules! key {
    () => {
        r#"(?P<key>[A-Za-z0-9_.-]*(?:passw(?:or)?d|passphrase|_pass|pwd|secret|api[_-]?key|access[_-]?key|secret[_-]?key|account[_-]?key|storage[_-]?key|shared[_-]?key|auth[_-]?key|master[_-]?key|app[_-]?key|private[_-]?key|encryption[_-]?key|signing[_-]?key|license[_-]?key|munge[_-]?key|client[_-]key[_-]data|credentials?|token))"#
    };
}

/// A word of each of these names.
const NAMES: [&str; 7] = ["pass", "pwd", "secret", "key", "credential", "token", "phrase"];

/// All shapes.
pub(super) const SHAPES: [Shape; 17] = [
    // `HF_TOKEN=…`, `"password": "…"`, `  WANDB_API_KEY:  …`, `--api-key=…`
    Shape {
        words: &NAMES,
        pattern: concat!(
            r"(?i-u)",
            key!(),
            r#"(?:\\?["'])?\s{0,40}(?P<sep>=>|:=|[:=])\s{0,40}(?:\\"(?P<s>[^"\\\n]+)|"(?P<s2>(?:[^"\\\n]|\\.)+)|'(?P<s3>[^'\n]+)|(?P<s4>[^\s"'\\,;&|<>(){}\[\]]+))"#
        ),
        judge: judge::assigned,
    },
    // `--token …`, `'--password', '…'`
    Shape {
        words: &NAMES,
        pattern: concat!(r"(?i-u)--?", key!(), r#"(?P<sep>\s+|["'],\s*["'])["']?(?P<s>[^\s"'-][^\s"',]*)"#),
        judge: judge::flagged,
    },
    // One variable of a pod: `"name": "HF_TOKEN", "value": "…"`
    Shape {
        words: &["\"value\"", "value:"],
        pattern: concat!(r#"(?i-u)name"?\s*:\s*"?"#, key!(), r#""?\s*,\s*"?value"?\s*:\s*"(?P<s>(?:[^"\\\n]|\\.)+)"#),
        judge: judge::named,
    },
    Shape {
        words: &["authorization"],
        pattern: r#"(?i-u)authorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token|digest|negotiate|apikey)\s+)?(?P<s>[A-Za-z0-9._~+/=-]{6,})"#,
        judge: |_| true,
    },
    Shape { words: &["bearer"], pattern: r"(?i-u)\bbearer\s+(?P<s>[A-Za-z0-9._~+/=-]{16,})", judge: |_| true },
    // JSON Web Tokens (RFC 7519): those of Slurm and of Kubernetes' service accounts are such.
    Shape {
        words: &["eyj"],
        pattern: r"(?-u)\b(?P<s>eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?)",
        judge: |_| true,
    },
    // Prefixes that issuers give their tokens, so that they are found where they leak.
    Shape {
        words: &[
            "hf_",
            "sk-",
            "sk_",
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "nvapi-",
            "npm_",
        ],
        pattern: r"(?-u)\b(?P<s>(?:hf_|sk-|sk_live_|gh[pousr]_|github_pat_|glpat-|nvapi-|npm_)[A-Za-z0-9_-]{20,})",
        judge: judge::mixed,
    },
    Shape {
        words: &["xox", "aiza", "pypi-", "wandb_v1_", "dckr_pat_", "hvs."],
        pattern: r"(?-u)\b(?P<s>(?:xox[abeprs]-|AIza|pypi-AgE|wandb_v1_|dckr_pat_|hvs\.)[A-Za-z0-9_-]{16,})",
        judge: judge::mixed,
    },
    // Identifiers of AWS keys (IAM user guide, "unique identifiers").
    Shape { words: &["akia", "asia"], pattern: r"(?-u)\b(?P<s>A(?:KIA|SIA)[A-Z2-7]{16})\b", judge: |_| true },
    Shape { words: &["munge:"], pattern: r"(?-u)MUNGE:(?P<s>[A-Za-z0-9+/=]{20,}):?", judge: |_| true },
    // `https://user:password@host`
    Shape {
        words: &["://"],
        pattern: r#"(?i-u)\b[a-z][a-z0-9+.-]{1,20}://[^\s/@:"']*:(?P<s>[^\s/@"']+)@"#,
        judge: judge::literal,
    },
    // Signed addresses of object stores.
    Shape {
        words: &["sig=", "signature=", "x-amz-"],
        pattern: r#"(?i-u)[?&](?:sig|[a-z0-9-]*signature|x-amz-credential|x-amz-security-token)=(?P<s>[^&\s"']+)"#,
        judge: judge::literal,
    },
    // Options of programs that say a password in a letter.
    Shape {
        words: &["wandb login", "sshpass", "curl", "machine", "login", "mysql", "redis-cli"],
        pattern: r#"(?-u)(?:wandb login\s+(?:--\S+\s+)*|sshpass\s+-p\s*|curl\b[^\n]*?\s(?:-u|--user)\s+["']?[^\s:]+:|machine\s+\S+\s+login\s+\S+\s+password\s+|\b(?:docker|podman|nerdctl|registry)\s+login\b[^\n]*?\s-p\s*|\bmysql(?:dump|admin)?\b[^\n]*?\s-p|\bredis-cli\b[^\n]*?\s-a\s+)["']?(?P<s>[^\s"']+)"#,
        judge: judge::literal,
    },
    // The last line of an entry of ~/.netrc that is written over several.
    Shape { words: &["password"], pattern: r"(?-u)^\s*password\s+(?P<s>\S+)\s*$", judge: judge::no_word },
    // Cookies that clients of HTTP log among their headers.
    Shape {
        words: &["cookie"],
        pattern: r#"(?i-u)\bcookie["']?\s*:\s*["']?(?P<s>[a-z0-9_.-]+=[^\s"'][^\n"']*)"#,
        judge: judge::literal,
    },
    // Addresses to which anybody who knows them may write.
    Shape {
        words: &["hooks.slack.com", "/api/webhooks/"],
        pattern: r"(?-u)(?:hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/)(?P<s>[A-Za-z0-9/_-]+)",
        judge: judge::literal,
    },
    // A registry's `"auth": "base64"`
    Shape { words: &["\"auth\""], pattern: r#"(?-u)"auth"\s*:\s*"(?P<s>[A-Za-z0-9+/=]{12,})""#, judge: |_| true },
];

/// Addresses of people.
pub(super) const EMAIL: Shape = Shape {
    words: &["@"],
    pattern: r"(?-u)(?P<s>[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})",
    judge: |_| true,
};
