//! What a ref name and a path are, as pure functions over text.

use foureyes_protocol::FeatureId;

/// The class of a ref in the authoritative repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefClass {
    /// `refs/heads/feature/<id>`.
    Feature(FeatureId),
    /// The target branch.
    Main,
    /// Anything below `refs/tags/`.
    Tag,
    /// Any other name.
    Other,
}

/// The class of a full ref name, where `main` is the full name of the target branch.
pub fn ref_class(name: &str, main: &str) -> RefClass {
    if name == main {
        return RefClass::Main;
    }
    if name.starts_with("refs/tags/") {
        return RefClass::Tag;
    }
    let feature = name.strip_prefix("refs/heads/feature/").and_then(|id| FeatureId::new(id).ok());
    feature.map_or(RefClass::Other, RefClass::Feature)
}

/// Why a full ref name cannot be used; `None` where it can. Stricter than git: printable ASCII and
/// letters of any script, below `refs/`.
pub fn bad_ref_name(name: &str) -> Option<&'static str> {
    let forbidden =
        |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c) || is_invisible(c);
    let Some(rest) = name.strip_prefix("refs/") else { return Some("it must start with refs/") };
    if name.len() > 255 {
        return Some("it is longer than 255 bytes");
    }
    if name.chars().any(forbidden) || name.contains("..") || name.contains("@{") || name.ends_with('.') {
        return Some("it holds a character or a sequence that git or a terminal treats specially");
    }
    let bad_part = |p: &str| p.is_empty() || p.starts_with('.') || p.starts_with('-') || p.ends_with(".lock");
    rest.split('/').any(bad_part).then_some("a part is empty, starts with '.' or '-' or ends with .lock")
}

/// Why a path of a tree is refused; `None` where it is fine. Case, dots and invisible characters
/// that some file systems drop are seen through.
pub fn unsafe_path(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.starts_with('/') || path.contains('\0') {
        return Some("it is empty or absolute");
    }
    path.split('/').find_map(unsafe_component)
}

fn unsafe_component(part: &str) -> Option<&'static str> {
    if matches!(part, "" | "." | "..") {
        return Some("it leaves its directory");
    }
    let folded: String = part.chars().filter(|c| !is_invisible(*c)).flat_map(char::to_lowercase).collect();
    let folded = folded.trim_end_matches(['.', ' ']);
    let stream = folded.split(':').next().unwrap_or(folded);
    matches!(stream, ".git" | "git~1").then_some("it names a repository's own directory")
}

/// Characters that file systems ignore or terminals reorder by.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether a symbolic link at `path` with this target stays inside the tree.
///
/// Only leading `..` are followed, at most as many as the link lies deep: what comes after a name
/// may pass another link, so a later `..` could lead anywhere.
pub fn link_stays_inside(path: &str, target: &str) -> bool {
    let depth = path.matches('/').count();
    let parts: Vec<&str> = target.split('/').filter(|p| !matches!(*p, "" | ".")).collect();
    let up = parts.iter().take_while(|p| **p == "..").count();
    !target.is_empty() && !target.starts_with('/') && up <= depth && !parts[up..].contains(&"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_fall_into_classes() {
        let main = "refs/heads/master";
        assert_eq!(ref_class("refs/heads/master", main), RefClass::Main);
        assert_eq!(ref_class("refs/heads/main", main), RefClass::Other);
        assert_eq!(ref_class("refs/tags/v1", main), RefClass::Tag);
        let login = FeatureId::new("login").expect("valid");
        assert_eq!(ref_class("refs/heads/feature/login", main), RefClass::Feature(login));
        for other in
            ["refs/heads/feature/a/b", "refs/heads/feature/", "refs/heads/feature/A", "refs/notes/x", "HEAD"]
        {
            assert_eq!(ref_class(other, main), RefClass::Other, "{other}");
        }
    }

    #[test]
    fn ref_names_are_judged() {
        for good in ["refs/heads/main", "refs/heads/feature/x-1", "refs/heads/größe", "refs/heads/a.b"] {
            assert_eq!(bad_ref_name(good), None, "{good}");
        }
        for bad in [
            "main",
            "refs/",
            "refs/heads/",
            "refs/heads/a b",
            "refs/heads/a..b",
            "refs/heads/a.lock",
            "refs/heads/-x",
            "refs/heads/.x",
            "refs//x",
            "refs/heads/x\u{202e}y",
            "refs/heads/x\n",
            "refs/heads/a@{b",
        ] {
            assert!(bad_ref_name(bad).is_some(), "{bad:?}");
        }
        assert!(bad_ref_name(&format!("refs/heads/{}", "x".repeat(300))).is_some());
    }

    #[test]
    fn paths_that_leave_or_name_a_repository_are_refused() {
        for good in ["a", "a/b c/ü.rs", ".gitattributes", ".github/x", "git", "a.git", ".gitmodules"] {
            assert_eq!(unsafe_path(good), None, "{good}");
        }
        for bad in [
            "",
            "/a",
            "a//b",
            "a/../b",
            "./a",
            ".git",
            "a/.GIT/config",
            ".git.",
            ".git ",
            "git~1/x",
            "GIT~1",
            ".g\u{200c}it/hooks/x",
            ".git::$INDEX_ALLOCATION/x",
            "a\0b",
        ] {
            assert!(unsafe_path(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn links_out_of_the_tree_are_seen() {
        for (path, target, inside) in [
            ("a", "b", true),
            ("a", "./b/c", true),
            ("d/a", "../b", true),
            ("d/e/a", "../../b", true),
            ("a", "../b", false),
            ("d/a", "../../b", false),
            ("a", "/etc/passwd", false),
            ("a", "b/../../c", false),
            ("a", "x/y/d/../foo", false),
            ("a", "", false),
        ] {
            assert_eq!(link_stays_inside(path, target), inside, "{path} -> {target}");
        }
    }
}
