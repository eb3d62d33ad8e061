//! HTML as a person would read it, in one pass over the text: pages are written by strangers, so the
//! work grows with their size and with nothing else (no tree, no recursion).

/// Elements whose content nobody reads.
const UNREAD: [&str; 8] = ["script", "style", "template", "svg", "math", "iframe", "object", "noscript"];

/// Elements that begin and end a line of their own.
const LINES: [&str; 28] = [
    "address",
    "article",
    "aside",
    "body",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "section",
    "select",
    "summary",
    "tbody",
    "thead",
    "tr",
    "ul",
    "caption",
];

/// Elements with an empty line around them.
const PARAGRAPHS: [&str; 12] =
    ["table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "p", "pre", "title"];

/// The text of a page.
pub(super) fn of(html: &str) -> String {
    let mut reader =
        Reader { html, lower: html.to_ascii_lowercase(), at: 0, out: Out::default(), href: None };
    reader.read();
    reader.out.text.trim().to_owned()
}

struct Reader<'a> {
    html: &'a str,
    /// The same in small letters, byte for byte, to find names in.
    lower: String,
    at: usize,
    out: Out,
    /// Where the link leads that is open.
    href: Option<String>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while self.at < self.html.len() {
            let end = self.find("<").unwrap_or(self.html.len());
            self.out.text(&decode(&self.html[self.at..end]));
            self.at = end;
            if self.at < self.html.len() {
                self.markup();
            }
        }
    }

    /// Where the next `what` begins.
    fn find(&self, what: &str) -> Option<usize> {
        self.lower[self.at..].find(what).map(|at| self.at + at)
    }

    fn skip_past(&mut self, what: &str) {
        self.at = self.find(what).map_or(self.html.len(), |at| at + what.len());
    }

    /// What begins with `<`.
    fn markup(&mut self) {
        let rest = &self.lower[self.at + 1..];
        let closes = rest.starts_with('/');
        if rest.starts_with("!--") {
            self.at += "<!--".len();
            return self.skip_past("-->");
        }
        if rest.starts_with(['!', '?']) {
            return self.skip_past(">");
        }
        if !rest[usize::from(closes)..].starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.out.text("<");
            self.at += 1;
            return;
        }
        let start = self.at + 1 + usize::from(closes);
        self.at = tag_end(self.lower.as_bytes(), start);
        let inside = start..if self.html[start..self.at].ends_with('>') { self.at - 1 } else { self.at };
        let length = self.lower[start..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let name = self.lower[start..start + length.unwrap_or(self.lower.len() - start)].to_owned();
        if closes { self.close(&name) } else { self.open(&name, inside) }
    }

    fn open(&mut self, name: &str, inside: std::ops::Range<usize>) {
        if UNREAD.contains(&name) {
            self.skip_past(&format!("</{name}"));
            return self.skip_past(">");
        }
        self.out.around(name);
        match name {
            "br" => self.out.lines(1),
            "hr" => self.out.plain("---\n\n"),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.out.plain(&"#".repeat(usize::from(name.as_bytes()[1] - b'0')));
                self.out.space = true;
            }
            "li" => self.out.plain("- "),
            "td" | "th" => self.out.cell(),
            "pre" => self.out.open_pre(),
            "code" => self.out.quote(),
            "a" => self.href = href(&self.html[inside]),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "pre" => self.out.close_pre(),
            "code" => self.out.quote(),
            "a" => {
                if let Some(href) = self.href.take() {
                    self.out.text(&format!(" ({href})"));
                }
            }
            _ => {}
        }
        self.out.around(name);
    }
}

/// Behind the `>` that ends a tag; one within quotes of an attribute does not.
fn tag_end(text: &[u8], from: usize) -> usize {
    let mut quote = None;
    for (at, byte) in text.iter().enumerate().skip(from) {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') if text[at - 1] == b'=' => quote = Some(*byte),
            (Some(q), b) if q == *b => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// Where a link leads, if not only within its page.
fn href(tag: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let at = lower.find("href=")? + "href=".len();
    let value = &tag[at..];
    let value = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value.split(|c: char| c.is_ascii_whitespace()).next()?,
    };
    let leads = !value.is_empty() && !value.starts_with('#') && !value.starts_with("javascript:");
    leads.then(|| decode(value.trim()))
}

/// The text that is written.
#[derive(Default)]
struct Out {
    text: String,
    /// Whether a space comes before the next word.
    space: bool,
    pre: bool,
}

impl Out {
    fn around(&mut self, name: &str) {
        if self.pre {
            return;
        }
        if PARAGRAPHS.contains(&name) {
            self.lines(2);
        } else if LINES.contains(&name) {
            self.lines(1);
        }
    }

    /// At least so many line breaks at the end, unless at the beginning of all.
    fn lines(&mut self, wanted: usize) {
        self.space = false;
        let there = self.text.bytes().rev().take_while(|b| *b == b'\n').count();
        if !self.text.is_empty() {
            self.text.extend(std::iter::repeat_n('\n', wanted.saturating_sub(there)));
        }
    }

    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
        self.space = false;
    }

    fn is_line_start(&self) -> bool {
        self.text.is_empty() || self.text.ends_with('\n')
    }

    fn text(&mut self, text: &str) {
        if self.pre {
            self.text.push_str(text);
            return;
        }
        for c in text.chars() {
            if c.is_whitespace() {
                self.space = true;
                continue;
            }
            self.put_space();
            self.text.push(c);
        }
    }

    fn put_space(&mut self) {
        if std::mem::take(&mut self.space) && !self.is_line_start() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    fn cell(&mut self) {
        if !self.is_line_start() {
            self.plain(" | ");
        }
    }

    fn quote(&mut self) {
        if !self.pre {
            // The space before belongs outside of the quote that opens; one that closes has none.
            self.put_space();
            self.text.push('`');
        }
    }

    fn open_pre(&mut self) {
        if !self.pre {
            self.plain("```\n");
            self.pre = true;
        }
    }

    fn close_pre(&mut self) {
        if std::mem::take(&mut self.pre) {
            self.lines(1);
            self.plain("```");
        }
    }
}

/// The named characters that pages of text really use.
const NAMED: [(&str, &str); 24] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("mdash", "—"),
    ("ndash", "–"),
    ("hellip", "…"),
    ("copy", "©"),
    ("reg", "®"),
    ("lsquo", "‘"),
    ("rsquo", "’"),
    ("ldquo", "“"),
    ("rdquo", "”"),
    ("laquo", "«"),
    ("raquo", "»"),
    ("bull", "•"),
    ("middot", "·"),
    ("rarr", "→"),
    ("larr", "←"),
    ("times", "×"),
    ("para", "¶"),
    ("sect", "§"),
];

/// The longest name of a character that is looked for.
const MAX_NAME: usize = 10;

fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name = rest.bytes().take(MAX_NAME).position(|b| b == b';').map(|end| &rest[..end]);
        match name.and_then(character) {
            Some(c) => {
                out.push_str(&c);
                rest = &rest[name.map_or(0, str::len) + 1..];
            }
            None => out.push('&'),
        }
    }
    out + rest
}

fn character(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).map(String::from);
    }
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| (*c).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_reads_like_one() {
        let page = r##"<!DOCTYPE html><html><head><title>The &amp; title</title>
            <style>p { color: red }</style><script>if (a < b) { steal("</p>") }</script></head>
            <body><!-- <p>hidden</p> --><nav><a href="/start">Start</a></nav>
            <h1>Head <em>line</em></h1><p>One   <a href='https://x.example/?a=1&amp;b=2'>link</a>,
            <a href="#here">here</a> and <code>code()</code>.<br>Next &lt;line&gt; &#8212; &#x41; &unknown; a < b</p>
            <pre><code>fn main() {
    let x = "a  b";
}</code></pre>
            <ul><li>one<li>two <ul><li>deep</li></ul></ul>
            <table><tr><th>k</th><th>v</th></tr><tr><td>1<td title="a > b">2</table>
            <noscript>enable it</noscript><hr>end<script>never closed"##;
        insta::assert_snapshot!(of(page));
    }

    #[test]
    fn what_is_nested_deeply_is_read_in_time() {
        for piece in
            ["<div>", "<b>", "<table><tr><td>x", "<blockquote>x", "<a href=x>y", "<", "<!--", "&", "<pre>"]
        {
            let text = of(&piece.repeat(256 * 1024 / piece.len()));
            assert!(text.len() <= 1024 * 1024, "{piece}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read(html in "(<|>|/|!|-|a|pre|code|=|\"|'|&|;|#|é|\n| ){0,80}") {
            of(&html);
        }
    }
}
