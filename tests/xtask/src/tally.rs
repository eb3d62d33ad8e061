//! Counts tests from what `cargo test` prints: one segment per test binary or set of doc tests.
//!
//! Only a binary's *last* closing line counts, because the output of a failed test, shown before
//! it, may itself hold closing lines of a test run. Doc tests close several times, once per merged
//! program, and each counts. A segment without a closing line is a binary that died: one failure.

/// Sums over all segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, and binaries that died.
    pub failed: u64,
    /// Tests that were left out by their authors.
    pub ignored: u64,
}

impl Tally {
    /// One more thing that passed or failed.
    pub fn count(&mut self, passed: bool) {
        if passed { self.passed += 1 } else { self.failed += 1 }
    }

    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

enum Segment {
    None,
    Binary(Option<Tally>),
    Docs(Option<Tally>),
}

/// Reads the output of `cargo test` line by line.
pub struct Reader {
    total: Tally,
    segment: Segment,
}

impl Reader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self { total: Tally::default(), segment: Segment::None }
    }

    /// The next line, without its end.
    pub fn line(&mut self, line: &str) {
        if line.starts_with("     Running ") {
            self.open(Segment::Binary(None));
        } else if line.starts_with("   Doc-tests ") {
            self.open(Segment::Docs(None));
        } else if let Some(result) = closing_line(line) {
            self.closed(result);
        }
    }

    /// The sum, when no more lines come.
    pub fn finish(mut self) -> Tally {
        self.open(Segment::None);
        self.total
    }

    fn open(&mut self, next: Segment) {
        match std::mem::replace(&mut self.segment, next) {
            Segment::None => {}
            Segment::Binary(Some(result)) | Segment::Docs(Some(result)) => self.total.add(result),
            Segment::Binary(None) | Segment::Docs(None) => self.total.failed += 1,
        }
    }

    fn closed(&mut self, result: Tally) {
        match &mut self.segment {
            Segment::None => {}
            Segment::Binary(last) => *last = Some(result),
            Segment::Docs(sum) => sum.get_or_insert_default().add(result),
        }
    }
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn closing_line(line: &str) -> Option<Tally> {
    let rest = line.strip_prefix("test result: ")?;
    let (_, counts) = rest.split_once(". ")?;
    let number = |word: &str| {
        counts.split("; ").find_map(|part| part.strip_suffix(word)?.trim_end().parse::<u64>().ok())
    };
    Some(Tally { passed: number("passed")?, failed: number("failed")?, ignored: number("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (u64, u64, u64) {
        let mut reader = Reader::new();
        text.lines().for_each(|line| reader.line(line));
        let Tally { passed, failed, ignored } = reader.finish();
        (passed, failed, ignored)
    }

    const OK: &str =
        "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
    const BAD: &str =
        "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";

    #[test]
    fn binaries_and_doc_tests_are_summed() {
        let text =
            format!("     Running unittests a\n{OK}     Running tests/b\n{BAD}   Doc-tests c\n{OK}{OK}");
        assert_eq!(read(&text), (11, 1, 3));
    }

    #[test]
    fn the_last_closing_line_of_a_binary_counts() {
        assert_eq!(read(&format!("     Running unittests a\n{OK}{OK}{BAD}")), (2, 1, 0));
    }

    #[test]
    fn a_binary_that_dies_is_a_failure() {
        assert_eq!(read(&format!("     Running unittests a\n     Running b\n{OK}")), (3, 1, 1));
        assert_eq!(read("   Doc-tests c\n"), (0, 1, 0));
    }

    #[test]
    fn lines_outside_of_a_segment_and_look_alikes_do_not_count() {
        assert_eq!(read(OK), (0, 0, 0));
        let text = format!("     Running a\ntest result: fine\ntest result: ok. x passed; 0 failed\n{OK}");
        assert_eq!(read(&text), (3, 0, 1));
    }
}
