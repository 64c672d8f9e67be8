//! JSON that breaks off: a dump of a process that was killed, or the end of what a reader can reach.

/// The text up to its last whole value, with the brackets closed that are open there; none where nothing is whole.
pub(super) fn mend(text: &str) -> Option<String> {
    let mut open: Vec<u8> = Vec::new();
    let mut whole: Option<(usize, Vec<u8>)> = None;
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' => {
                open.pop()?;
                whole = Some((at + 1, open.clone()));
            }
            b',' => whole = Some((at, open.clone())),
            _ => {}
        }
        if open.len() > super::DEEPEST {
            return None;
        }
    }
    let (end, closers) = whole?;
    let mut mended = text[..end].to_owned();
    mended.extend(closers.iter().rev().map(|byte| char::from(*byte)));
    Some(mended)
}

#[cfg(test)]
mod tests {
    use super::mend;

    #[test]
    fn what_is_whole_stays() {
        for (text, want) in [
            (r#"{"a": [1, 2"#, Some(r#"{"a": [1]}"#)),
            (r#"{"a": {"b": "x,]"}, "c": "tr"#, Some(r#"{"a": {"b": "x,]"}}"#)),
            (r#"{"a"#, None),
            ("]", None),
        ] {
            assert_eq!(mend(text).as_deref(), want, "{text}");
        }
    }
}
