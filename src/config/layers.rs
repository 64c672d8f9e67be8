//! Several files over each other: whose value counts, and which keys which file may set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::file::Config;
use crate::authored;
use crate::error::Error;

/// What a file that merely lies in the working folder does not decide: whom diag talks to, which programs and rules it uses.
/// Whoever unpacks a support bundle and runs diag in it has read no such file.
const NOT_OF_A_FOLDER: [&str; 10] =
    ["inventory.bmc", "bmc", "transport.ssh_config", "tools", "policy", "library", "brain", "notify", "watch", "serve"];

/// Keys that hold a path, or a list of them, which is meant from the file's own folder.
const PATHS: [&str; 11] = [
    "bmc.password_file",
    "brain.key_file",
    "inventory.switches",
    "transport.ssh_config",
    "policy.file",
    "policy.state",
    "library.playbooks",
    "library.formats",
    "serve.token_file",
    "serve.cases",
    "serve.logs",
];

/// Tables whose names people choose: below them stand tables, or values.
const CHOSEN_TABLES: [&str; 2] = ["inventory.types.", "notify.hooks."];
const CHOSEN_VALUES: [&str; 3] = ["expect.config.", "expect.exact.", "inventory.bmc."];

/// How a file came to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An administrator or the person wrote it for diag, or named it.
    Meant,
    /// It lies in the working folder.
    Found,
}

/// One file.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name, as it is told.
    pub place: String,
    /// What it says.
    pub text: String,
    /// The folder that it stands in.
    pub folder: PathBuf,
    /// How it came to be read.
    pub standing: Standing,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the file.
    pub place: String,
    /// Line from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.place, self.line)
    }
}

/// The settings of all files together.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// What counts.
    pub config: Config,
    /// Each value by its key (`transport.via`), with where it stands.
    pub values: BTreeMap<String, (Value, Origin)>,
    /// What was not taken, and why.
    pub refused: Vec<Error>,
}

impl Site {
    /// Where a value stands.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.values.get(key).map(|(_, origin)| origin)
    }

    /// A value as an option would take it, and where it stands: each of a list's, or the one.
    #[must_use]
    pub fn words(&self, key: &str) -> Option<(Vec<String>, &Origin)> {
        let (value, origin) = self.values.get(key)?;
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let words = value.as_array().map_or_else(|| vec![word(value)], |list| list.iter().map(word).collect());
        Some((words, origin))
    }
}

/// Reads files, each over those before it.
///
/// # Errors
/// The first file that is not one, with its line and what was meant.
pub fn read(layers: &[Layer]) -> Result<Site, Error> {
    let mut site = Site::default();
    for layer in layers {
        let config: Config = authored::read(&layer.text, &layer.place, "config.invalid")?;
        let mut own = BTreeMap::new();
        leaves(layer, &mut own)?;
        if let Some((key, why)) = config.wrong().into_iter().next() {
            let at = own.get(&key).map_or_else(|| layer.place.clone(), |(_, origin)| origin.to_string());
            return Err(Error::new("config.invalid", at, format!("`{key}`: {why}"))
                .with_way_on("a set of hosts is written as gpu-[001-128] or a,b,c"));
        }
        if layer.standing == Standing::Found {
            own.retain(|key, (_, origin)| match NOT_OF_A_FOLDER.iter().any(|owner| under(key, owner)) {
                true => {
                    site.refused.push(refusal(key, origin));
                    false
                }
                false => true,
            });
        }
        site.values.append(&mut own);
    }
    site.config = together(&site.values)?;
    Ok(site)
}

fn under(key: &str, owner: &str) -> bool {
    key.strip_prefix(owner).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn refusal(key: &str, origin: &Origin) -> Error {
    let why = format!("`{key}` is not taken from a file that merely lies in the working folder");
    Error::new("config.not-of-a-folder", origin.to_string(), why).with_way_on(
        "put it into ~/.config/diag/diag.toml or /etc/diag/diag.toml, or name the file: diag --config FILE",
    )
}

/// Every value of a file with its key and line; tables are walked, lists are values.
fn leaves(layer: &Layer, own: &mut BTreeMap<String, (Value, Origin)>) -> Result<(), Error> {
    let again = |error: toml::de::Error| Error::new("config.invalid", &layer.place, error.message().to_owned());
    let values: Table = layer.text.parse().map_err(again)?;
    let spans = DeTable::parse(&layer.text).map_err(again)?;
    let mut open: Vec<(String, &Table, &DeTable<'_>)> = vec![(String::new(), &values, spans.get_ref())];
    while let Some((prefix, table, spans)) = open.pop() {
        for (name, value) in table {
            let Some((word, spanned)) = spans.iter().find(|(word, _)| word.get_ref().as_ref() == name) else {
                continue;
            };
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match (value, spanned.get_ref()) {
                (Value::Table(inner), DeValue::Table(spans)) => open.push((key, inner, spans)),
                _ => {
                    let (line, _) = authored::line_and_column(&layer.text, word.span().start);
                    let value = rooted(&key, value, layer);
                    own.insert(key, (value, Origin { place: layer.place.clone(), line }));
                }
            }
        }
    }
    Ok(())
}

/// A path as seen from anywhere.
fn rooted(key: &str, value: &Value, layer: &Layer) -> Value {
    let holds_paths = PATHS.contains(&key) || (key.starts_with("notify.hooks.") && key.ends_with("_file"));
    match value {
        Value::String(path) if holds_paths => Value::String(layer.folder.join(path).to_string_lossy().into_owned()),
        Value::Array(list) if holds_paths => Value::Array(list.iter().map(|path| rooted(key, path, layer)).collect()),
        other => other.clone(),
    }
}

/// The values of all files as one.
fn together(values: &BTreeMap<String, (Value, Origin)>) -> Result<Config, Error> {
    let mut root = Table::new();
    for (key, (value, origin)) in values {
        let steps = steps(key);
        let Some((last, path)) = steps.split_last() else { continue };
        let mut table = &mut root;
        for step in path {
            let inner = table.entry((*step).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = inner else {
                return Err(Error::new("config.invalid", origin.to_string(), format!("`{key}` is a value elsewhere")));
            };
            table = inner;
        }
        table.insert((*last).to_owned(), value.clone());
    }
    root.try_into().map_err(|error: toml::de::Error| Error::new("config.invalid", "diag.toml", error.message()))
}

/// The steps of a key; names that people choose may hold dots themselves, and stand last or third.
fn steps(key: &str) -> Vec<&str> {
    let chosen = CHOSEN_VALUES.iter().find(|prefix| key.starts_with(**prefix));
    if let Some(prefix) = chosen {
        let fixed: Vec<&str> = prefix.trim_end_matches('.').split('.').collect();
        return fixed.into_iter().chain([&key[prefix.len()..]]).collect();
    }
    let below = CHOSEN_TABLES.iter().find(|prefix| key.starts_with(**prefix));
    if let Some(prefix) = below
        && let Some((name, field)) = key[prefix.len()..].rsplit_once('.')
    {
        return prefix.trim_end_matches('.').split('.').chain([name, field]).collect();
    }
    key.split('.').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(place: &str, standing: Standing, text: &str) -> Layer {
        Layer { place: place.to_owned(), text: text.to_owned(), folder: PathBuf::from("/site"), standing }
    }

    #[test]
    fn the_last_file_counts_and_each_value_knows_where_it_stands() {
        let site = read(&[
            layer("/etc/diag/diag.toml", Standing::Meant, "[transport]\nvia = \"ssh\"\npartition = \"gpu\"\n"),
            layer("user", Standing::Meant, "[policy]\nfile = \"mine.toml\"\n"),
            layer("diag.toml", Standing::Found, "\n[transport]\n# here\nvia = \"slurm\"\n"),
        ])
        .unwrap();
        assert_eq!(site.config.transport.via.as_deref(), Some("slurm"));
        assert_eq!(site.config.transport.partition.as_deref(), Some("gpu"));
        assert_eq!(site.config.policy.file, Some(PathBuf::from("/site/mine.toml")));
        let at = |key: &str| site.origin(key).unwrap().to_string();
        assert_eq!(
            [at("transport.via"), at("transport.partition"), at("policy.file")],
            ["diag.toml:4", "/etc/diag/diag.toml:3", "user:2"]
        );
    }

    #[test]
    fn a_file_that_merely_lies_there_does_not_say_whom_to_trust() {
        let text = "[transport]\nssh_config = \"x\"\naccount = \"a\"\n[tools]\ndiag = \"./evil\"\n[policy]\nfile = \"p\"\n\
                    [library]\nplaybooks = \".\"\n[serve]\nlisten = \"0.0.0.0:80\"\n";
        let site = read(&[layer("diag.toml", Standing::Found, text)]).unwrap();
        assert_eq!(site.values.keys().collect::<Vec<_>>(), ["transport.account"]);
        assert_eq!(site.refused.len(), 5, "{:?}", site.refused);
        assert_eq!(site.config.tools.diag, None);
        let site = read(&[layer("diag.toml", Standing::Meant, text)]).unwrap();
        assert!(site.refused.is_empty() && site.config.tools.diag.is_some());
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_what_was_meant() {
        let wrong = |text: &str| {
            let error = read(&[layer("diag.toml", Standing::Meant, text)]).unwrap_err();
            (error.place, error.way_on)
        };
        let (place, way_on) = wrong("[transport]\nvia = \"ssh\"\npartitoin = \"gpu\"\n");
        assert_eq!((place.as_str(), way_on.as_str()), ("diag.toml:3:1", "did you mean `partition`?"));
        let (place, way_on) = wrong("[transprot]\nvia = \"ssh\"\n");
        assert_eq!((place.as_str(), way_on.as_str()), ("diag.toml:1:2", "did you mean `transport`?"));
        for hostile in ["-oProxyCommand=id", "a;b", "$(id)", "gpu-[1-99999999]", "../etc", "a b"] {
            assert_eq!(wrong(&format!("[inventory]\nnodes = {hostile:?}\n")).0, "diag.toml:2", "{hostile}");
            let kind = format!("[inventory.types.\"h.100\"]\ngpus = 8\nnodes = {hostile:?}\n");
            assert_eq!(wrong(&kind).0, "diag.toml:3", "{hostile}");
        }
        assert_eq!(wrong("[transport]\nat_once = \"many\"\n").0, "diag.toml:2:11");
    }

    #[test]
    fn a_node_is_expected_to_be_what_its_type_says_and_first_what_is_said_of_it() {
        let text = "[expect]\ngpus = 4\n[expect.config]\n\"sysctl:vm.x\" = \"1\"\n[inventory.types.\"h.100\"]\n\
                    nodes = \"gpu-[01-04]\"\ngpus = 8\ngpu = \"H\"\nrails = [\"mlx5_0\", \"mlx5_1\"]\n";
        let config = read(&[layer("diag.toml", Standing::Meant, text)]).unwrap().config;
        let here = config.expected("gpu-03.cluster.example");
        assert_eq!((here.gpus, here.gpu_name.as_deref(), here.ports), (Some(4), Some("H"), Some(2)));
        assert_eq!(here.config.get("sysctl:vm.x").map(String::as_str), Some("1"));
        let elsewhere = config.expected("login-1");
        assert_eq!((elsewhere.gpus, elsewhere.ports), (Some(4), None));
        assert_eq!(config.nodes().len(), 4);
    }
}
