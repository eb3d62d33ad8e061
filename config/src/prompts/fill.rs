//! Values in the text of a part: `${name}`, and `$${name}` for the characters themselves.

use super::PromptError;
use crate::check::did_you_mean;
use std::collections::BTreeMap;

/// The values of a role, by name.
pub(super) type Values = BTreeMap<&'static str, String>;

/// The text with its values; every name that is unknown is reported.
pub(super) fn fill(file: &str, text: &str, values: &Values, errors: &mut Vec<PromptError>) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (at, line) in text.lines().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let mut place = Line { file, line, number: at + 1, values, errors };
        place.fill(&mut out);
    }
    out
}

struct Line<'a> {
    file: &'a str,
    line: &'a str,
    number: usize,
    values: &'a Values,
    errors: &'a mut Vec<PromptError>,
}

impl Line<'_> {
    fn fill(&mut self, out: &mut String) {
        let mut rest = self.line;
        while let Some(start) = rest.find("${") {
            let behind = &rest[start + 2..];
            if let Some(before) = rest[..start].strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = behind;
                continue;
            }
            out.push_str(&rest[..start]);
            let column = self.line[..self.line.len() - rest.len() + start].chars().count() + 1;
            let Some(end) = behind.find('}') else {
                let hint = "close it with `}`, or write `$${` for the characters themselves";
                self.error(column, "`${` is not closed on its line".to_owned(), hint.to_owned());
                return;
            };
            self.value(&behind[..end], column, out);
            rest = &behind[end + 1..];
        }
        out.push_str(rest);
    }

    fn value(&mut self, name: &str, column: usize, out: &mut String) {
        if let Some(value) = self.values.get(name) {
            out.push_str(value);
            return;
        }
        let known: Vec<&str> = self.values.keys().copied().collect();
        let hint = did_you_mean(name, &known).unwrap_or_else(|| format!("known are {}", known.join(", ")));
        self.error(column, format!("there is no value ${{{name}}}"), hint);
    }

    fn error(&mut self, column: usize, message: String, hint: String) {
        let file = self.file.to_owned();
        self.errors.push(PromptError { file, line: self.number, column, message, hint });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> (String, Vec<String>) {
        let values = Values::from([("role", "dev-a".to_owned()), ("family", "dev".to_owned())]);
        let mut errors = Vec::new();
        let out = fill("x.md", text, &values, &mut errors);
        (out, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn values_are_put_in_and_dollars_stay() {
        for (text, wanted) in [
            ("${role} of ${family}", "dev-a of dev"),
            ("$${role} is ${role}", "${role} is dev-a"),
            ("it costs $5 or $role", "it costs $5 or $role"),
            ("a\n\nb ${role}\n", "a\n\nb dev-a"),
            ("ä${role}ü", "ädev-aü"),
        ] {
            assert_eq!(filled(text), (wanted.to_owned(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn what_is_unknown_has_its_place() {
        let (_, errors) = filled("fine\nüber ${rolle} and ${x}\nopen ${role");
        insta::assert_snapshot!(errors.join("\n"), @r"
        x.md:2:6: there is no value ${rolle}
          hint: did you mean `role`?
        x.md:2:19: there is no value ${x}
          hint: known are family, role
        x.md:3:6: `${` is not closed on its line
          hint: close it with `}`, or write `$${` for the characters themselves
        ");
    }
}
