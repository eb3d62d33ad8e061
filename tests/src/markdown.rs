//! As much of Markdown as the checks of the documentation need: links, headings, tables, code.

/// The targets of the links of a page, outside of code.
pub fn links(page: &str) -> Vec<String> {
    let prose = without_code(page);
    let mut found = Vec::new();
    for part in prose.split("](").skip(1) {
        if let Some((target, _)) = part.split_once(')') {
            found.push(target.to_owned());
        }
    }
    found
}

/// The names by which the headings of a page are linked to.
pub fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The rows of the tables of a page whose first cell passes, as trimmed cells.
pub fn rows(page: &str, first: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    page.lines().filter_map(cells).filter(|row| row.first().is_some_and(|c| first(c))).collect()
}

/// The lines of the fenced code blocks of a page.
pub fn code_lines(page: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            lines.push(line);
        }
    }
    lines
}

/// A page without its code blocks and code spans.
pub fn without_code(page: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            kept.extend(line.split('`').step_by(2));
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# A heading, here\n[a](b.md#x) `[no](c)` [d](e)\n```sh\n[f](g)\n```\n| 1 | x y |\n|---|---|\n";

    #[test]
    fn pieces() {
        assert_eq!(links(PAGE), ["b.md#x", "e"]);
        assert_eq!(anchors(PAGE), ["a-heading-here"]);
        assert_eq!(rows(PAGE, |cell| cell == "1"), [["1", "x y"]]);
        assert_eq!(code_lines(PAGE), ["[f](g)"]);
    }
}
