use super::*;
use proptest::prelude::*;

/// Text as an agent might write it, and what a person reads.
const LINES: &[(&str, &str)] = &[
    ("", ""),
    ("plain", "plain"),
    ("Grüße, 世界 🎉", "Grüße, 世界 🎉"),
    ("a  b", "a b"),
    ("  a  ", "a"),
    ("a\nb", "a b"),
    ("a\r\nb", "a b"),
    ("a\rb", "a b"),
    ("a\tb", "a b"),
    ("a\x0bb\x0cc", "a b c"),
    ("a\u{85}b", "a b"),
    ("a\u{2028}b\u{2029}c", "a b c"),
    ("a\x00b", "ab"),
    ("a\x07b", "ab"),
    ("a\x08b", "ab"),
    ("a\x0eb\x0fc", "abc"),
    ("a\x7fb", "ab"),
    ("\x1b", ""),
    ("\x1b\x1b\x1b", ""),
    ("a\x1b", "a"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("\x1b[1;38;2;1;2;3mx", "x"),
    ("\x1b[2J\x1b[Hgone", "gone"),
    ("\x1b[?1049hx\x1b[?1049l", "x"),
    ("\x1b[6nx", "x"),
    ("\x1b[>0;276;0cx", "x"),
    ("\x1b[!px", "x"),
    ("\x1b[8mhidden\x1b[28m", "hidden"),
    ("\x1b[", ""),
    ("\x1b[31", ""),
    ("\x1b[31\u{fc}x", "üx"),
    ("\x1b[200~rm -rf\x1b[201~", "rm -rf"),
    ("\x1b]0;title\x07x", "x"),
    ("\x1b]0;title\x1b\\x", "x"),
    ("\x1b]0;title\u{9c}x", "x"),
    ("\x1b]52;c;ZXZpbA==\x07x", "x"),
    ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
    ("\x1b]1337;File=x\x07y", "y"),
    ("\x1b]0;no end, shown", "0;no end, shown"),
    ("\x1b]0;no end\nnext", "0;no end next"),
    ("\x1bPq#0;2;0;0;0~\x1b\\x", "x"),
    ("\x1bP$q\"p\x1b\\x", "x"),
    ("\x1bXsos\x1b\\x", "x"),
    ("\x1b^pm\x1b\\x", "x"),
    ("\x1b_Gf=24;AAAA\x1b\\x", "x"),
    ("\x1bcreset", "reset"),
    ("\x1b7\x1b8x", "x"),
    ("\x1b(0qqq\x1b(B", "qqq"),
    ("\x1b#8x", "x"),
    ("\x1b%Gx", "x"),
    ("\x1b Fx", "x"),
    ("\u{9b}31mred", "red"),
    ("\u{9d}0;t\x07x", "x"),
    ("\u{90}q\u{9c}x", "x"),
    ("\u{9e}pm\u{9c}x", "x"),
    ("\u{84}\u{8d}x", "x"),
    ("a\u{202e}dcb", "adcb"),
    ("a\u{202a}b\u{202b}c\u{202c}d\u{202d}e", "abcde"),
    ("a\u{2066}b\u{2067}c\u{2068}d\u{2069}e", "abcde"),
    ("a\u{200e}b\u{200f}c\u{61c}d", "abcd"),
    ("ma\u{200b}in", "main"),
    ("ma\u{200c}i\u{200d}n", "main"),
    ("ma\u{2060}i\u{feff}n", "main"),
    ("so\u{ad}ft", "soft"),
    ("f\u{115f}i\u{3164}l\u{ffa0}l", "fill"),
    ("t\u{e0001}\u{e0041}\u{e007f}g", "tg"),
    ("v\u{fe0f}s\u{e0100}", "vs"),
    ("i\u{fff9}n\u{fffa}t\u{fffb}", "int"),
    ("m\u{180e}v", "mv"),
    ("e\u{301}", "e\u{301}"),
    ("e\u{301}\u{302}\u{303}\u{304}x", "e\u{301}\u{302}x"),
    ("\x1b\x1b[31mx", "x"),
    ("\x1b]0;a\x1b[31mb", "0;ab"),
    ("\x1b[3\x1b[31mx", "x"),
    ("a\x1b[31m\nb", "a b"),
];

#[test]
fn one_line_of_nasty_text() {
    for (dirty, clean) in LINES {
        assert_eq!(clean_text(dirty, 100), *clean, "from {dirty:?}");
    }
    assert!(LINES.len() >= 60);
}

#[test]
fn cleaning_twice_changes_nothing() {
    for (dirty, _) in LINES {
        let once = clean_text(dirty, 100);
        assert_eq!(clean_text(&once, 100), once, "from {dirty:?}");
        assert!(once.chars().all(is_safe), "from {dirty:?}");
    }
}

#[test]
fn a_cut_is_shown_and_counts() {
    assert_eq!(clean_text("abcdef", 4), "abc…");
    assert_eq!(clean_text("abcd", 4), "abcd");
    assert_eq!(clean_text("abcd", 0), "");
    assert_eq!(clean_text("ab cd", 4), "ab …");
    assert_eq!(clean_text(&"x".repeat(1_000_000), 10).chars().count(), 10);
}

#[test]
fn lines_keep_their_indentation() {
    let text = "fn x() {\r\n\tone\n\x1b[31m    two\x1b[0m  \n}\n\n";
    assert_eq!(clean_lines(text, 10, 80), "fn x() {\n    one\n    two\n}");
    assert_eq!(clean_lines("a\nb\nc", 2, 80), "a\nb\n…");
    assert_eq!(clean_lines("abcdef", 2, 3), "ab…");
}

/// Text with far more traps in it than text drawn evenly has.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,8}",
        "[\u{0}-\u{a0}]{0,8}",
        "[\u{200b}-\u{206f}\u{300}-\u{36f}\u{fe00}-\u{feff}]{0,4}",
        "\u{1b}[\\[\\]PX^_(#]?[0-9;?]{0,5}[@-~\u{7}]?",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_written_reads_safely(text in tricky(), max in 0_usize..40) {
        let line = clean_text(&text, max);
        prop_assert!(line.chars().all(is_safe), "{:?}", line);
        prop_assert!(line.chars().count() <= max);
        prop_assert_eq!(clean_text(&line, max), line);
        let block = clean_lines(&text, 3, max);
        prop_assert!(block.chars().all(|c| c == '\n' || is_safe(c)), "{:?}", block);
        prop_assert!(block.lines().count() <= 4 && block.lines().all(|l| l.chars().count() <= max.max(1)));
    }
}
