//! Sentences with holes: `{clue.field}` is filled in, `{clue.field|a host}` has a stand-in, `[clue]` cites.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// A field of a clue (or a parameter, where there is no dot), and what stands in for it.
    Field {
        /// The clue; empty for a parameter.
        clue: String,
        /// The field or parameter.
        field: String,
        /// What is said where it is not told.
        otherwise: Option<String>,
    },
    /// The ids of a clue's evidence.
    Cite(String),
}

/// A text with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

impl Template {
    /// Reads a template; brackets that hold no name stay text.
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '[']) {
            plain.push_str(&rest[..at]);
            let close = if rest.as_bytes()[at] == b'{' { '}' } else { ']' };
            let hole = rest[at + 1..].split(close).next().filter(|hole| hole.len() + at + 1 < rest.len());
            match hole.and_then(|hole| piece(hole, close)) {
                Some((piece, len)) => {
                    push_text(&mut pieces, &mut plain);
                    pieces.push(piece);
                    rest = &rest[at + len + 2..];
                }
                None => {
                    plain.push_str(&rest[at..=at]);
                    rest = &rest[at + 1..];
                }
            }
        }
        plain.push_str(rest);
        push_text(&mut pieces, &mut plain);
        Self(pieces)
    }

    /// Fills the holes.
    pub fn fill(&self, field: &dyn Fn(&str, &str) -> Option<String>, cite: &dyn Fn(&str) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field { clue, field: name, otherwise } => {
                field(clue, name).or_else(|| otherwise.clone()).unwrap_or_else(|| "(not told)".to_owned())
            }
            Piece::Cite(clue) => cite(clue),
        };
        self.0.iter().map(piece).collect()
    }
}

fn push_text(pieces: &mut Vec<Piece>, plain: &mut String) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain)));
    }
}

fn piece(hole: &str, close: char) -> Option<(Piece, usize)> {
    let name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if close == ']' {
        return name(hole).then(|| (Piece::Cite(hole.to_owned()), hole.len()));
    }
    let (path, otherwise) = match hole.split_once('|') {
        Some((path, otherwise)) => (path, Some(otherwise.to_owned())),
        None => (hole, None),
    };
    let (clue, field) = path.split_once('.').unwrap_or(("", path));
    let valid = name(field) && (clue.is_empty() || name(clue));
    valid.then(|| (Piece::Field { clue: clue.to_owned(), field: field.to_owned(), otherwise }, hole.len()))
}

/// The sentences of a text: split behind `. `, `? ` or `! `.
pub fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, pair) in text.as_bytes().windows(2).enumerate() {
        if matches!(pair, b". " | b"? " | b"! " | b".\n") {
            found.push(text[start..=at].trim());
            start = at + 1;
        }
    }
    found.push(text[start..].trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled() {
        let template = Template::parse("{retry.node|a host} stopped hearing {x.y} [retry], see [not a name].");
        let field = |clue: &str, _: &str| (clue == "x").then(|| "peer".to_owned());
        assert_eq!(
            template.fill(&field, &|clue| format!("<{clue}>")),
            "a host stopped hearing peer <retry>, see [not a name]."
        );
    }
}
