//! Lines of text of a given width, with or without colour.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::super::guard;

/// How a piece of text is meant; the style table below says how that looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// What is read first.
    Strong,
    /// What can be skipped.
    Faint,
    /// A cause that is known.
    Bad,
    /// Something that is not decided.
    Unsure,
    /// All is well.
    Good,
    /// The id of a cited line.
    Cite,
    /// Something to type.
    Command,
}

fn style(tone: Tone) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match tone {
        Tone::Plain => Style::new(),
        Tone::Strong => Style::new().bold(),
        Tone::Faint => Style::new().dimmed(),
        Tone::Bad => colour(AnsiColor::Red).bold(),
        Tone::Unsure => colour(AnsiColor::Yellow).bold(),
        Tone::Good => colour(AnsiColor::Green).bold(),
        Tone::Cite => colour(AnsiColor::Cyan),
        Tone::Command => colour(AnsiColor::Green),
    }
}

/// A piece of text. Whatever it is made of goes through the guard here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    text: String,
    tone: Tone,
}

impl Span {
    /// A piece of text in a tone.
    pub(crate) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: guard::plain(text.as_ref()).into_owned(), tone }
    }

    /// A piece of plain text.
    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, Tone::Plain)
    }

    /// Columns that it takes.
    pub(crate) fn width(&self) -> usize {
        self.text.width()
    }

    /// The text, safe for a terminal.
    #[cfg(feature = "triage")]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How it is meant.
    #[cfg(feature = "triage")]
    pub(crate) const fn tone(&self) -> Tone {
        self.tone
    }
}

/// Something written on line by line.
#[derive(Debug)]
pub(crate) struct Paper {
    width: usize,
    colour: bool,
    lines: Vec<Vec<Span>>,
}

impl Paper {
    /// An empty paper, so many columns wide.
    pub(crate) fn new(width: usize, colour: bool) -> Self {
        Self { width: width.max(24), colour, lines: Vec::new() }
    }

    /// Columns.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            for span in line {
                let style = style(span.tone);
                if self.colour && span.tone != Tone::Plain {
                    out.push_str(&format!("{style}{}{style:#}", span.text));
                } else {
                    out.push_str(&span.text);
                }
            }
            out.push('\n');
        }
        out
    }

    /// What was written, line by line, for a screen that has its own way to show tones.
    #[cfg(feature = "triage")]
    pub(crate) fn lines(self) -> Vec<Vec<Span>> {
        self.lines
    }

    /// An empty line, unless the last one was empty or there is none.
    pub(crate) fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(Vec::new());
        }
    }

    /// Writes `lead`, then the spans behind it, wrapped at words; further lines begin `indent` columns in.
    pub(crate) fn flow(&mut self, lead: &[Span], indent: usize, spans: &[Span]) {
        self.set(lead, indent, indent, &words(spans), "");
    }

    /// Writes one line as it is, spaces and all, cut where the paper ends.
    pub(crate) fn verbatim(&mut self, indent: usize, text: &str) {
        let mut line = Line::begin(&[], indent);
        let mut room = self.width.saturating_sub(indent);
        for c in guard::plain(text).chars() {
            let Some(left) = room.checked_sub(c.width().unwrap_or(0)) else { break };
            room = left;
            line.push(c.encode_utf8(&mut [0; 4]), Tone::Plain);
        }
        self.put(&line);
    }

    /// Writes a shell command; a line that goes on ends in a backslash, so that it can be pasted.
    pub(crate) fn command(&mut self, lead: &[Span], indent: usize, argv: &[String]) {
        let room = self.width.saturating_sub(indent + 2);
        let Some(long) = argv.iter().position(|word| word.width() > room && quoted_whole(word)) else {
            let words: Vec<Word> = argv.iter().map(|word| vec![Span::new(word, Tone::Command)]).collect();
            return self.set(lead, indent, indent + 2, &words, " \\");
        };
        // A quoted word that is wider than the paper: quotes that touch are one word for a shell, so that it can be
        // closed and opened again around a line end.
        let before = [&argv[..long], &["\\".to_owned()]].concat();
        let words: Vec<Word> = before.iter().map(|word| vec![Span::new(word, Tone::Command)]).collect();
        self.set(lead, indent, indent + 2, &words, " \\");
        let pieces = pieces(&argv[long], self.width.saturating_sub(4));
        let rest = &argv[long + 1..];
        for (at, piece) in pieces.iter().enumerate() {
            let goes_on = match at + 1 == pieces.len() {
                false => "\\",
                true if rest.is_empty() => "",
                true => " \\",
            };
            self.set(&[], 0, 0, &[vec![Span::new(format!("'{piece}'{goes_on}"), Tone::Command)]], "");
        }
        if !rest.is_empty() {
            self.command(&[], indent + 2, rest);
        }
    }

    fn set(&mut self, lead: &[Span], indent: usize, hang: usize, words: &[Word], goes_on: &str) {
        let mut line = Line::begin(lead, indent);
        for (at, word) in words.iter().enumerate() {
            let room = if at + 1 == words.len() { self.width } else { self.width - goes_on.width() };
            if !line.fresh && line.used + 1 + word.iter().map(Span::width).sum::<usize>() > room {
                line.push(goes_on, Tone::Command);
                self.put(&line);
                line = Line::begin(&[], hang);
            }
            if !line.fresh {
                line.push(" ", Tone::Plain);
            }
            for span in word {
                self.fill(&mut line, span, hang);
            }
        }
        self.put(&line);
    }

    /// Puts a span on the line; what does not fit goes on in the next one.
    fn fill(&mut self, line: &mut Line, span: &Span, hang: usize) {
        for c in span.text.chars() {
            if line.used + c.width().unwrap_or(0) > self.width && line.used > hang {
                self.put(line);
                *line = Line::begin(&[], hang);
            }
            line.push(c.encode_utf8(&mut [0; 4]), span.tone);
        }
    }

    /// Puts a line down, without the spaces at its end.
    fn put(&mut self, line: &Line) {
        let mut spans = line.spans.clone();
        while let Some(last) =
            spans.last_mut().filter(|last| last.text.ends_with(' ') && !(self.colour && last.tone != Tone::Plain))
        {
            last.text.truncate(last.text.trim_end_matches(' ').len());
            if last.text.is_empty() {
                spans.pop();
            }
        }
        self.lines.push(spans);
    }
}

/// Whether a word is one pair of single quotes with none inside.
fn quoted_whole(word: &str) -> bool {
    let inner = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    inner.is_some_and(|inner| !inner.contains('\''))
}

/// The inside of a quoted word in pieces of at most so many columns, cut behind spaces where there are any.
fn pieces(word: &str, columns: usize) -> Vec<String> {
    let safe = guard::plain(word.trim_matches('\'')).into_owned();
    let mut pieces = vec![String::new()];
    for part in safe.split_inclusive(' ') {
        let full = pieces.last().is_some_and(|piece| !piece.is_empty() && piece.width() + part.width() > columns);
        if full {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push_str(part);
        }
    }
    pieces
}

/// What is not torn apart at the end of a line, in one or several tones.
type Word = Vec<Span>;

fn words(spans: &[Span]) -> Vec<Word> {
    let mut words: Vec<Word> = vec![Vec::new()];
    for span in spans {
        for (at, part) in span.text.split(' ').enumerate() {
            if at > 0 {
                words.push(Vec::new());
            }
            if let (Some(word), false) = (words.last_mut(), part.is_empty()) {
                word.push(Span { text: part.to_owned(), tone: span.tone });
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A line in the making.
struct Line {
    spans: Vec<Span>,
    used: usize,
    fresh: bool,
}

impl Line {
    /// A line that begins with `lead`, filled up to the indent.
    fn begin(lead: &[Span], indent: usize) -> Self {
        let mut line = Self { spans: Vec::new(), used: 0, fresh: true };
        lead.iter().for_each(|span| line.push(&span.text, span.tone));
        line.push(&" ".repeat(indent.saturating_sub(line.used)), Tone::Plain);
        line.fresh = true;
        line
    }

    fn push(&mut self, text: &str, tone: Tone) {
        self.used += text.width();
        self.fresh = false;
        match self.spans.last_mut() {
            Some(last) if last.tone == tone => last.text.push_str(text),
            _ => self.spans.push(Span { text: text.to_owned(), tone }),
        }
    }
}

/// Text cut to so many columns: the middle goes, what lies within `focus` (a range of bytes) stays as long as it can.
pub(in crate::report) fn cut(text: &str, focus: std::ops::Range<usize>, columns: usize) -> String {
    let part = |range: std::ops::Range<usize>| guard::plain(text.get(range).unwrap_or_default()).trim_end().to_owned();
    let whole = guard::plain(text.trim()).into_owned();
    if whole.width() <= columns {
        return whole;
    }
    let (head, middle, tail) = (part(0..focus.start), part(focus.clone()), part(focus.end..text.len()));
    let room = columns.saturating_sub(middle.width());
    if (2..12).contains(&room) {
        let dots = |part: &str| if part.trim().is_empty() { "" } else { "…" };
        return format!("{}{middle}{}", dots(&head), dots(&tail));
    }
    if room < 12 {
        // Not even the deciding part fits well: its start, and a little of its end.
        return format!("…{}", shortened(&(middle + &tail), columns.saturating_sub(1)));
    }
    // What stands behind tells more than prefixes do.
    let head = ends(head.trim(), room.saturating_sub(tail.width() + 2).max(room / 4));
    let head = if head.is_empty() { head } else { head + gap(text, focus.start) };
    let between = gap(text, focus.end);
    let tail = shortened(tail.trim(), room.saturating_sub(head.width() + between.len()));
    format!("{head}{}{between}{tail}", middle.trim()).trim().to_owned()
}

/// What parts of a text that meet at a place have between them: a blank, or nothing.
fn gap(text: &str, at: usize) -> &'static str {
    let (before, behind) = (text.get(..at).unwrap_or_default(), text.get(at..).unwrap_or_default());
    let blank = before.ends_with(char::is_whitespace) || behind.starts_with(char::is_whitespace);
    if blank { " " } else { "" }
}

/// The end of a text, at most so many columns of it, from a word on, after an ellipsis where something is missing.
fn ends(text: &str, columns: usize) -> String {
    const WORD: usize = 16;
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.char_indices().rev().take_while(|(_, c)| {
        used += c.width().unwrap_or(0);
        used <= columns
    });
    let end = &text[kept.last().map_or(text.len(), |(at, _)| at)..];
    let word = end.find(' ').filter(|at| *at < WORD.min(end.len() / 2)).map_or(end, |at| &end[at + 1..]);
    if columns == 0 { String::new() } else { format!("…{word}") }
}

/// A text cut in its middle: two thirds of the columns for its start, one for its end.
fn shortened(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let tail = ends(text, (columns / 3).max(1));
    let room = columns.saturating_sub(tail.width());
    let mut used = 0;
    let head: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect();
    head.trim_end().to_owned() + &tail
}

/// A path cut in front, so that its file stays.
pub(in crate::report) fn path(text: &str, columns: usize) -> String {
    ends(&guard::plain(text), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flowed(width: usize, text: &str) -> Vec<String> {
        let mut paper = Paper::new(width, false);
        paper.flow(&[Span::new("Why", Tone::Strong)], 5, &[Span::plain(text)]);
        paper.finish().lines().map(str::to_owned).collect()
    }

    #[test]
    fn no_line_is_wider_than_the_paper() {
        for text in [
            "a few words that do not fit on one line of it",
            &"x".repeat(90),
            "数据加载器崩溃了 数据加载器崩溃了数据加载器崩溃了",
        ] {
            for width in 24..60 {
                assert!(flowed(width, text).iter().all(|line| line.width() <= width), "{width}: {text}");
            }
        }
        assert_eq!(flowed(24, "one two three four five")[1], "     five");
    }

    #[test]
    fn a_command_can_be_pasted() {
        let mut paper = Paper::new(30, false);
        let argv = ["scontrol", "update", "NodeName=gpu-17", "State=DRAIN"].map(str::to_owned);
        paper.command(&[Span::plain("$")], 2, &argv);
        assert_eq!(paper.finish(), "$ scontrol update \\\n    NodeName=gpu-17 \\\n    State=DRAIN\n");
    }

    #[test]
    fn a_long_quoted_word_stays_one_word() {
        let mut paper = Paper::new(30, false);
        let argv = ["python3", "-c", "'import torch; print(torch.version.cuda)'", ">", "x"].map(str::to_owned);
        paper.command(&[Span::plain("$ ")], 2, &argv);
        let text = paper.finish();
        assert!(text.lines().all(|line| line.width() <= 30), "{text}");
        let joined = text.replace("\\\n", "").replace("''", "");
        let words: Vec<&str> = joined.split_whitespace().collect();
        assert_eq!(words.join(" "), "$ python3 -c 'import torch; print(torch.version.cuda)' > x");
    }

    #[test]
    fn the_deciding_part_stays() {
        let line = format!("[rank3]: 2026-05-04 {} ValueError: bad token {}", "noise ".repeat(30), "tail ".repeat(30));
        let at = line.find("ValueError").unwrap();
        for columns in 30..120 {
            let cut = cut(&line, at..at + 21, columns);
            assert!(cut.width() <= columns, "{columns}: {cut}");
            assert!(cut.contains("ValueError: bad token"), "{columns}: {cut}");
        }
    }

    #[test]
    fn no_blank_is_put_where_parts_of_a_line_meet() {
        let line =
            format!("{} Killed process 4242 (python) anon-rss:1kB, file-rss:0kB, {}", "x".repeat(40), "y".repeat(60));
        let (from, to) = (line.find("Killed").unwrap(), line.find(", file").unwrap());
        assert!(cut(&line, from..to, 80).contains(" Killed process 4242 (python) anon-rss:1kB, file-rss"));
    }
}
