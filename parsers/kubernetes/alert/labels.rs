//! Labels and annotations of an alert as lines of Alertmanager's own text (` - alertname = KubeNodeNotReady`), out of the forms in
//! which receivers pass them on.
//!
//! Shapes: HTML as Alertmanager mails it (`template/email.tmpl`: `alertname = X<br>`) and as tools show it (lists `<li>alertname: X</li>`,
//! tables `<th>alertname</th>` over `<td>X</td>`), and titles that list the labels (`alertname:X severity:critical`).

/// What a cell of a table begins with while tags are taken out.
const CELL: char = '\u{1}';

/// Whether a line is one of those forms.
pub(super) fn is_marked_up(line: &str) -> bool {
    line.contains("</") || line.contains("<br")
}

/// The labels of a text with tags, each on a line.
pub(super) fn of_markup(text: &str) -> String {
    let bare = without_tags(text);
    let mut lines: Vec<String> = Vec::new();
    for part in bare.lines().map(str::trim).filter(|part| !part.is_empty()) {
        match (part.strip_prefix(CELL), lines.last_mut()) {
            (Some(value), Some(key)) if !key.contains(" = ") => *key = format!("{key} = {}", value.trim()),
            (Some(value), _) => lines.push(value.to_owned()),
            (None, _) => lines.push(part.to_owned()),
        }
    }
    lines.iter().filter_map(|line| pair(line)).collect()
}

/// The labels of a title, each on a line.
pub(super) fn of_title(line: &str) -> String {
    line.split_whitespace()
        .filter_map(|word| word.split_once(':'))
        .filter_map(|(key, value)| told(key, value))
        .collect()
}

/// `key = value` or `key: value`.
fn pair(line: &str) -> Option<String> {
    let (key, value) = line.split_once(" = ").or_else(|| line.split_once(": "))?;
    told(key, value)
}

fn told(key: &str, value: &str) -> Option<String> {
    let is_key =
        !key.is_empty() && key.len() < 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_key && !value.trim().is_empty()).then(|| format!("- {key} = {}\n", value.trim()))
}

fn without_tags(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        bare.push_str(before);
        bare.push('\n');
        if tag.starts_with("td") {
            bare.push(CELL);
        }
        rest = tag.split_once('>').map_or("", |(_, behind)| behind);
    }
    bare.push_str(rest);
    bare
}

#[cfg(test)]
mod tests {
    use super::{of_markup, of_title};

    #[test]
    fn each_label_is_on_a_line() {
        let want = "- alertname = KubeNodeNotReady\n- node = gpu-018\n";
        assert_eq!(of_markup("<ul><li>alertname: KubeNodeNotReady</li><li>node: gpu-018  </li></ul>"), want);
        assert_eq!(of_markup("alertname = KubeNodeNotReady<br style=\"x\">node = gpu-018<br>"), want);
        let table = "<tr>\n<th>alertname</th>\n<td>KubeNodeNotReady</td>\n</tr>\n<tr>\n<th>node</th>\n<td>gpu-018</td>\n</tr>\n";
        assert_eq!(of_markup(table), want);
        assert_eq!(of_title("# [ALERT] alertname:KubeNodeNotReady node:gpu-018"), want);
    }
}
