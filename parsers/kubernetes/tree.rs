//! An object of the API, out of JSON or YAML: values with the place at which each stands.

/// A value; `at` is the byte at which it begins in the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) at: usize,
    pub(super) value: Node,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Text, a number, a truth or null (an empty text).
    Scalar(String),
    Map(Vec<(String, Tree)>),
    List(Vec<Tree>),
}

/// Deepest nesting that is followed: objects of the API have about 20 levels.
pub(super) const DEEPEST: usize = 64;

impl Tree {
    pub(super) fn scalar(at: usize, text: impl Into<String>) -> Self {
        Self { at, value: Node::Scalar(text.into()) }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Node::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value behind several keys: `status.phase`.
    pub(super) fn find(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |tree, key| tree.get(key))
    }

    /// The elements of a list; none of anything else.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Node::List(items) => items,
            _ => &[],
        }
    }

    /// The keys of a map with their values; none of anything else.
    pub(super) fn fields(&self) -> &[(String, Self)] {
        match &self.value {
            Node::Map(fields) => fields,
            _ => &[],
        }
    }

    /// The elements of the list behind several keys.
    pub(super) fn list(&self, path: &str) -> &[Self] {
        self.find(path).map_or(&[], Self::items)
    }

    /// A scalar that is not empty.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Node::Scalar(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The text behind several keys.
    pub(super) fn str(&self, path: &str) -> Option<&str> {
        self.find(path)?.text()
    }

    /// The text of the first of these paths that has any, with its place.
    pub(super) fn any(&self, paths: &[&str]) -> Option<(usize, &str)> {
        paths.iter().find_map(|path| {
            let tree = self.find(path)?;
            Some((tree.at, tree.text()?))
        })
    }

    /// The number behind several keys.
    pub(super) fn int(&self, path: &str) -> Option<i64> {
        self.str(path)?.parse().ok()
    }
}
