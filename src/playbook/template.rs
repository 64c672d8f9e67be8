//! Sentences with holes: `{clue.field}` is filled in, `{clue.field|a host}` has a stand-in, `{clue.field|.other|a host}`
//! takes the first field that is told, `[clue]` cites.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// A field of a clue (or a parameter, where there is no dot), and what stands in for it.
    Field {
        /// The clue; empty for a parameter.
        clue: String,
        /// The field or parameter; of several, the first that is told.
        fields: Vec<String>,
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
        let mut said = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => said.push_str(text),
                Piece::Cite(clue) => said.push_str(&cite(clue)),
                Piece::Field { clue, fields, otherwise } => {
                    let told = fields.iter().find_map(|name| field(clue, name));
                    let told = told.or_else(|| otherwise.clone()).unwrap_or_else(|| "(not told)".to_owned());
                    if several(&told) && (said.ends_with("Rank ") || said.ends_with("rank ")) {
                        said.insert(said.len() - 1, 's');
                    }
                    // Readers of GPUs by index write `GPU 3`, a kernel's log has an address there.
                    let bare = told.strip_prefix("GPU ").filter(|_| said.ends_with("GPU "));
                    said.push_str(bare.unwrap_or(&told));
                }
            }
        }
        said
    }
}

/// Whether a text is several numbers: `1,2`, `0-3`, `3, 5`.
fn several(text: &str) -> bool {
    text.contains([',', '-']) && text.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '-' | ' '))
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
    let (path, mut rest) = hole.split_once('|').map_or((hole, None), |(path, rest)| (path, Some(rest)));
    let (clue, field) = path.split_once('.').unwrap_or(("", path));
    let mut fields = vec![field.to_owned()];
    while let Some(more) = rest.and_then(|rest| rest.strip_prefix('.')) {
        let (other, behind) = more.split_once('|').map_or((more, None), |(other, behind)| (other, Some(behind)));
        fields.push(other.to_owned());
        rest = behind;
    }
    let valid = fields.iter().all(|field| name(field)) && (clue.is_empty() || name(clue));
    let otherwise = rest.map(str::to_owned);
    valid.then(|| (Piece::Field { clue: clue.to_owned(), fields, otherwise }, hole.len()))
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
    fn several_ranks_are_ranks() {
        let field = |clue: &str, _: &str| Some(if clue == "x" { "1,2" } else { "7" }.to_owned());
        let fill = |text: &str| Template::parse(text).fill(&field, &|_| String::new());
        assert_eq!(fill("Rank {x.rank} and rank {y.rank} of rank 3, 4"), "Ranks 1,2 and rank 7 of rank 3, 4");
    }

    #[test]
    fn a_gpu_is_called_one_once() {
        let field = |clue: &str, _: &str| Some(if clue == "x" { "GPU 3" } else { "0000:3b:00" }.to_owned());
        let fill = |text: &str| Template::parse(text).fill(&field, &|_| String::new());
        assert_eq!(fill("GPU {x.gpu} and GPU {y.gpu}, not {x.gpu}"), "GPU 3 and GPU 0000:3b:00, not GPU 3");
    }

    #[test]
    fn the_first_field_that_is_told_is_said() {
        let template = Template::parse("{x.a|.b|nobody} and {x.c|.d|nobody} and {x.c|.d}");
        let field = |_: &str, field: &str| (field == "b").then(|| "somebody".to_owned());
        assert_eq!(template.fill(&field, &|_| String::new()), "somebody and nobody and (not told)");
    }

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
