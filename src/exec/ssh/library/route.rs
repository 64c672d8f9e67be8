//! How a node is reached, from `~/.ssh/config`; or that this takes the system's ssh.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ssh2::MethodType;

use super::super::Settings;
use super::config::Config;
use crate::plan::NodeName;

/// Options that change nothing of what we do, or that we keep to anyway.
const HARMLESS: [&str; 38] = [
    "addkeystoagent",
    "batchmode",
    "checkhostip",
    "clearallforwardings",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "dynamicforward",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "hashknownhosts",
    "ipqos",
    "kbdinteractiveauthentication",
    "localforward",
    "loglevel",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "passwordauthentication",
    "permitlocalcommand",
    "remoteforward",
    "requesttty",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "syslogfacility",
    "tcpkeepalive",
    "updatehostkeys",
    "usekeychain",
    "visualhostkey",
    "xauthlocation",
];

/// Options that are read below.
const READ: [&str; 11] = [
    "ciphers",
    "globalknownhostsfile",
    "hostname",
    "identitiesonly",
    "identityfile",
    "kexalgorithms",
    "macs",
    "port",
    "pubkeyauthentication",
    "user",
    "userknownhostsfile",
];

/// Key types in the order in which OpenSSH prefers them (myproposal.h).
const KEY_TYPES: [&str; 6] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// Where a node is, and who we are there.
#[derive(Clone)]
pub(in super::super) struct Route {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) agent: bool,
    pub(super) keys: Vec<PathBuf>,
    pub(super) known_hosts: Vec<PathBuf>,
    /// Algorithms, best first, where not any will do.
    pub(super) methods: Vec<(MethodType, String)>,
}

/// The configuration, where the library understands it.
#[derive(Debug)]
pub(in super::super) struct Library {
    /// In the order in which they are asked.
    configs: Vec<Config>,
    home: PathBuf,
}

/// What is said of one host.
struct Asked<'a>(Vec<(&'a str, &'a [String])>);

impl<'a> Asked<'a> {
    /// The words of a key; the first line counts.
    fn words(&self, key: &str) -> Option<&'a [String]> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, words)| *words)
    }

    /// The one word of a key.
    fn word(&self, key: &str) -> Option<&'a str> {
        self.words(key)?.first().map(String::as_str)
    }

    /// Whether all of it is understood here.
    fn is_plain(&self) -> bool {
        self.0.iter().all(|(key, words)| {
            let none = ["proxyjump", "proxycommand"].contains(key) && *words == ["none"];
            none || HARMLESS.contains(key) || READ.contains(key)
        }) && self.word("pubkeyauthentication") != Some("no")
    }
}

impl Library {
    /// Reads the configuration; nothing where it holds what only the system's ssh understands.
    pub(in super::super) fn new(settings: &Settings) -> Option<Self> {
        let home = PathBuf::from(std::env::var_os("HOME")?);
        let files = match &settings.config {
            Some(config) => vec![config.clone()],
            None => vec![home.join(".ssh/config"), PathBuf::from("/etc/ssh/ssh_config")],
        };
        let there = files.into_iter().filter(|file| file.exists());
        let configs = there.map(|file| Config::read(&file, &home)).collect::<Option<Vec<_>>>()?;
        Some(Self { configs, home })
    }

    /// How a node is reached; nothing where that takes the system's ssh.
    pub(in super::super) fn route(&self, node: &NodeName) -> Option<Route> {
        let asked = Asked(self.configs.iter().flat_map(|config| config.of(node.as_str())).collect());
        let host = asked.word("hostname").unwrap_or(node.as_str()).to_lowercase();
        let user = asked.word("user").map(str::to_owned).or_else(login)?;
        let keys = self.keys(&asked);
        // Tokens, as %h, are for the system's ssh to fill in.
        let token = |text: &str| text.contains(['%', '$']);
        if !asked.is_plain() || token(&host) || token(&user) || keys.iter().any(|key| token(&key.to_string_lossy())) {
            return None;
        }
        let known_hosts = self.known_hosts(&asked);
        let methods = methods(&asked, &key_types(&known_hosts)?)?;
        let identities_only = asked.word("identitiesonly") == Some("yes");
        Some(Route {
            host,
            port: asked.word("port").map_or(Ok(22), str::parse).ok()?,
            user,
            agent: !identities_only && std::env::var_os("SSH_AUTH_SOCK").is_some(),
            keys: keys.into_iter().filter(|key| key.is_file()).collect(),
            known_hosts,
            methods,
        })
    }

    fn path(&self, word: &str) -> PathBuf {
        word.strip_prefix("~/").map_or_else(|| PathBuf::from(word), |rest| self.home.join(rest))
    }

    /// All that are given, else those that ssh would try.
    fn keys(&self, asked: &Asked) -> Vec<PathBuf> {
        let given = asked.0.iter().filter(|(key, _)| *key == "identityfile").flat_map(|(_, words)| words.iter());
        let given: Vec<PathBuf> = given.map(|word| self.path(word)).collect();
        let defaults = || ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| self.home.join(".ssh").join(name)).to_vec();
        if given.is_empty() { defaults() } else { given }
    }

    fn known_hosts(&self, asked: &Asked) -> Vec<PathBuf> {
        let files = |key: &str, defaults: [&str; 2]| match asked.words(key) {
            Some(words) => words.to_vec(),
            None => defaults.map(str::to_owned).to_vec(),
        };
        let mut all = files("userknownhostsfile", ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]);
        all.extend(files("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]));
        all.iter().map(|word| self.path(word)).filter(|file| file.is_file()).collect()
    }
}

/// The algorithms that are asked for, and of host keys those that known_hosts has; nothing where a list says how to change
/// the system's own.
fn methods(asked: &Asked, key_types: &[&str]) -> Option<Vec<(MethodType, String)>> {
    let mut methods = Vec::new();
    let lists: [(&str, &[MethodType]); 3] = [
        ("kexalgorithms", &[MethodType::Kex]),
        ("ciphers", &[MethodType::CryptCs, MethodType::CryptSc]),
        ("macs", &[MethodType::MacCs, MethodType::MacSc]),
    ];
    for (key, kinds) in lists {
        let Some(list) = asked.word(key) else { continue };
        if list.starts_with(['+', '-', '^']) {
            return None;
        }
        methods.extend(kinds.iter().map(|kind| (*kind, list.to_owned())));
    }
    if !key_types.is_empty() {
        methods.push((MethodType::HostKey, key_types.join(",")));
    }
    Some(methods)
}

fn login() -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name)
}

/// Which types of key these files hold, best first; nothing where they hold what only the system's ssh understands:
/// authorities and revocations.
fn key_types(files: &[PathBuf]) -> Option<Vec<&'static str>> {
    let mut found = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).ok()?;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with('@') {
                return None;
            }
            found.extend(line.split_whitespace().nth(1).map(str::to_owned));
        }
    }
    let has = |kind: &&&str| found.contains(**kind) || (kind.starts_with("rsa-") && found.contains("ssh-rsa"));
    Some(KEY_TYPES.iter().filter(has).copied().collect())
}
