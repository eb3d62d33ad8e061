//! Rust's inline tests: a change that lies wholly in `#[cfg(test)]` items counts as a test file.

use foureyes_protocol::Digest;
use syn::{Attribute, Item, spanned::Spanned};

/// A Rust source file cut into its test items and the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The text of the test items, in order.
    pub tests: String,
    /// The text of everything else.
    pub rest: String,
}

/// Cuts a source; `None` when it does not parse, or when a test item shares a line with something
/// else: then nothing of it counts as a test, or code could hide behind one.
pub fn cut(source: &str) -> Option<Cut> {
    let file = syn::parse_file(source).ok()?;
    let (test_items, others): (Vec<&Item>, Vec<&Item>) = file.items.iter().partition(|i| is_test_item(i));
    let test_lines: Vec<Lines> = test_items.into_iter().map(lines).collect();
    let inner = file.attrs.iter().map(|a| (a.span().start().line, a.span().end().line));
    let other_lines: Vec<Lines> = others.into_iter().map(lines).chain(inner).collect();
    if test_lines.iter().any(|t| other_lines.iter().any(|o| t.0 <= o.1 && o.0 <= t.1)) {
        return None;
    }
    let within = |lines: &[Lines], n: usize| lines.iter().any(|(from, to)| (*from..=*to).contains(&n));
    let (mut tests, mut rest) = (String::new(), String::new());
    for (number, line) in source.lines().enumerate().map(|(n, l)| (n + 1, l)) {
        let inside = within(&test_lines, number);
        // Blank lines between items belong to neither: moving them is no change of code. Within an
        // item they may be part of a text.
        if inside || within(&other_lines, number) || !line.trim().is_empty() {
            let part = if inside { &mut tests } else { &mut rest };
            part.push_str(line);
            part.push('\n');
        }
    }
    Some(Cut { tests, rest })
}

/// The first and the last line of something, from 1.
type Lines = (usize, usize);

/// Whether old and new differ in test items only, and in those they do differ.
pub fn only_tests_changed(old: &str, new: &str) -> bool {
    match (cut(old), cut(new)) {
        (Some(old), Some(new)) => old.rest == new.rest && old.tests != new.tests,
        _ => false,
    }
}

/// The digest of a source's test items, which RED fixes.
pub fn tests_digest(source: &str) -> Option<Digest> {
    cut(source).map(|c| Digest::of_parts("foureyes.inline-tests.v1", [c.tests.as_bytes()]))
}

/// The new source with the test items of the other: what RED is composed of when implementation is
/// on the branch already. The test items of `base` are replaced by those of `branch`, at the end.
pub fn overlay(base: &str, branch: &str) -> Option<String> {
    let (base, branch) = (cut(base)?, cut(branch)?);
    Some(format!("{}\n{}", base.rest, branch.tests))
}

fn lines(item: &Item) -> Lines {
    let span = item.span();
    (first_line(item).min(span.start().line), span.end().line)
}

/// Attributes and doc comments stand before the item's own span on some items.
fn first_line(item: &Item) -> usize {
    attributes(item).iter().map(|a| a.span().start().line).min().unwrap_or(usize::MAX)
}

fn is_test_item(item: &Item) -> bool {
    attributes(item).iter().any(|a| is_cfg_test(a) || a.path().is_ident("test"))
}

/// Exactly `#[cfg(test)]`: `cfg(any(test, …))` is compiled into the product too.
fn is_cfg_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|p| p.is_ident("test"))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Const(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::ExternCrate(i) => &i.attrs,
        Item::ForeignMod(i) => &i.attrs,
        Item::Union(i) => &i.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "/// Adds.\npub fn add(a: i32) -> i32 {\n    a + 1\n}\n";

    fn with(tests: &str) -> String {
        format!("{CODE}\n{tests}")
    }

    #[test]
    fn test_items_are_told_from_code() {
        for tests in [
            "#[cfg(test)]\nmod tests {\n    #[test]\n    fn t() {}\n}\n",
            "/// Says why.\n#[allow(dead_code)]\n#[cfg(test)]\n#[rustfmt::skip]\nmod tests { mod deeper { } }\n",
            "#[test]\nfn t() {}\n",
            "#[cfg(test)]\nuse std::fmt;\n",
            "#[cfg(test)]\nconst X: i32 = 1;\n",
            "#[cfg(test)]\ntype T = i32;\n",
            "#[cfg(test)]\ntrait T {}\n",
            "#[cfg(test)]\nmod tests;\n",
            "#[cfg(test)]\nthread_local! { static X: i32 = 1; }\n",
        ] {
            let cut = cut(&with(tests)).unwrap();
            assert_eq!((cut.rest.as_str(), cut.tests.as_str()), (CODE, tests));
            assert!(only_tests_changed(CODE, &with(tests)), "{tests}");
        }
    }

    #[test]
    fn what_is_built_into_the_product_is_no_test() {
        for code in [
            "#[cfg(any(test, feature = \"x\"))]\nmod tests {}\n",
            "#[cfg(not(test))]\nmod tests {}\n",
            "#[cfg(all(test, unix))]\nmod tests {}\n",
            "#[cfg_attr(test, allow(dead_code))]\nmod tests {}\n",
            "mod a { #[cfg(test)] mod tests {} }\n",
            "mod tests {}\n",
            "macro_rules! m { () => { #[cfg(test)] mod tests {} } }\n",
            "// #[cfg(test)]\nmod tests {}\n",
            "#[tokio::test]\nfn t() {}\n",
        ] {
            assert_eq!(cut(&with(code)).unwrap().tests, "", "{code}");
            assert!(!only_tests_changed(CODE, &with(code)), "{code}");
        }
    }

    #[test]
    fn code_cannot_hide_on_the_line_of_a_test() {
        for hidden in [
            "pub fn evil() {} #[cfg(test)] mod tests {}\n",
            "#[cfg(test)] mod tests {} pub fn evil() {}\n",
            "#[cfg(test)]\nmod tests {\n} pub fn evil() {\n}\n",
            "pub fn evil() {\n} #[test] fn t() {}\n",
        ] {
            assert_eq!(cut(&with(hidden)), None, "{hidden}");
            assert!(!only_tests_changed(CODE, &with(hidden)), "{hidden}");
        }
    }

    #[test]
    fn blank_lines_count_within_items_only() {
        let spaced = format!("\n{CODE}\n\n#[cfg(test)]\nmod tests {{}}\n");
        assert!(only_tests_changed(CODE, &spaced));
        let text = "pub const T: &str = \"a\nb\";\n";
        let blank = "pub const T: &str = \"a\n\nb\";\n";
        assert!(!only_tests_changed(text, &format!("{blank}#[cfg(test)]\nmod tests {{}}\n")));
    }

    #[test]
    fn a_change_of_code_beside_one_of_tests_is_no_test_change() {
        let old = with("#[cfg(test)]\nmod tests {}\n");
        assert!(!only_tests_changed(&old, &old), "nothing changed");
        assert!(only_tests_changed(&old, &with("#[cfg(test)]\nmod tests { fn more() {} }\n")));
        assert!(!only_tests_changed(&old, &old.replace("a + 1", "a + 2").replace("tests {}", "tests { }")));
        assert!(only_tests_changed("", "#[cfg(test)]\nmod tests {}\n"), "a new file of tests alone");
        assert!(only_tests_changed(&old, CODE), "taking tests away is a change of tests, which RED sees");
    }

    #[test]
    fn what_does_not_parse_is_no_test() {
        assert_eq!(cut("fn ("), None);
        assert!(!only_tests_changed(CODE, "fn ("));
        assert!(!only_tests_changed("fn (", CODE));
        assert_eq!(tests_digest("fn ("), None);
    }

    #[test]
    fn red_is_composed_of_old_code_and_new_tests() {
        let base = format!("#![allow(dead_code)]\n{CODE}#[cfg(test)]\nmod tests {{ fn old() {{}} }}\n");
        let branch = base.replace("a + 1", "a + 2").replace("fn old", "fn new");
        let composed = overlay(&base, &branch).unwrap();
        assert!(composed.contains("a + 1") && composed.contains("fn new") && !composed.contains("fn old"));
        assert!(syn::parse_file(&composed).is_ok());
        assert_eq!(tests_digest(&composed), tests_digest(&branch));
        assert_ne!(tests_digest(&base), tests_digest(&branch));
    }
}
