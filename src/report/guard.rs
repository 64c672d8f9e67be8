//! The one guard between log text and people: nothing a log writes moves a cursor, colours a screen or turns text round.
//!
//! Every rendering for people sends all its text through here (the text and markdown renderers through [`plain`], the
//! page as a whole through [`page`]); JSON stays word for word and is escaped by [`escaped`].

use std::borrow::Cow;

/// Columns that a tab takes.
const TAB: &str = "    ";

/// Whether a character acts on a terminal or on the direction of text, or is invisible.
pub fn is_hostile(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Zero-width and direction characters, line separators, tags, and what only fonts of their own can show.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text that is safe on one line of a terminal: colours taken out, tabs spread, everything else that acts made visible.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = colour_len(rest);
        if taken > 0 {
            rest = &rest[taken..];
            continue;
        }
        match c {
            '\t' => safe.push_str(TAB),
            c if is_hostile(c) => safe.push(stand_in(c)),
            c => safe.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    Cow::Owned(safe)
}

/// A whole page of a file format of ours: as [`plain`], but for its own line ends.
pub fn page(text: &str) -> String {
    text.chars().map(|c| if is_hostile(c) && c != '\n' { stand_in(c) } else { c }).collect()
}

/// JSON text in which what acts on a terminal is written as `\uXXXX`; JSON's own line ends stay.
pub fn escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hostile(c) && c != '\n' {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Length of a well-formed colour sequence (`ESC [ 1 ; 31 m`) at the start.
fn colour_len(text: &str) -> usize {
    let Some(inner) = text.strip_prefix("\u{1b}[") else { return 0 };
    let parameters = inner.bytes().take_while(|b| b.is_ascii_digit() || *b == b';').count();
    if inner.as_bytes().get(parameters) == Some(&b'm') { parameters + 3 } else { 0 }
}

/// What is shown in place of a character that acts.
fn stand_in(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_made_visible() {
        assert_eq!(plain("a\u{1b}[1;31mred\u{1b}[0m\tb"), "ared    b");
        assert_eq!(plain("\u{1b}]0;title\u{7}\u{1b}[2J"), "␛]0;title␇␛[2J");
        assert_eq!(plain("x\u{202e}gpj\u{9b}31m\r\n\u{7f}"), "x\u{fffd}gpj\u{fffd}31m␍␊␡");
    }

    #[test]
    fn taking_a_colour_out_makes_no_other() {
        let safe = plain("\u{1b}\u{1b}[31m[31m\u{1b}\u{1b}[0m]0;x\u{7}").into_owned();
        assert!(!safe.chars().any(is_hostile), "{safe}");
    }

    #[test]
    fn json_keeps_the_text_word_for_word() {
        let text = "a\u{9b}b\u{2028}\u{7f}\u{202e}\u{e0041}\"";
        let json = escaped(&serde_json::to_string(text).unwrap());
        assert!(!json.chars().any(is_hostile));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
