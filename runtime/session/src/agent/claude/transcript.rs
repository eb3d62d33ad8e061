//! What the CLI wrote down of a conversation.
//!
//! The agent can write there too, so all of it is its word: what is read is bounded, no link is
//! followed, and only regular files are opened. The CLI writes with a delay: a prompt of which it
//! told that it took it may be missing for some 100 ms, and the file as well. After a crash the
//! transcript is therefore asked for *every* prompt that began no finished turn.

use super::value::text;
use foureyes_ports::backend::{PromptId, SessionRef};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat},
    sys::stat::Mode,
};
use serde_json::Value;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// Bytes at the end of a transcript that are looked through.
const LOOKED_THROUGH: u64 = 64 << 20;
/// Longer lines are not taken for a prompt.
const LONGEST_LINE: u64 = 4 << 20;

/// The transcript of one conversation. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    base: PathBuf,
    below: Vec<String>,
}

impl Transcript {
    /// The transcript of `session` for a CLI that works in `cwd` (as seen inside, such as `/work`).
    /// `base` is a directory of the host that the agent cannot replace, such as the one shown inside
    /// as its home; `config_dir` is the CLI's `CLAUDE_CONFIG_DIR` below it (empty when it is `base`
    /// itself).
    pub fn new(base: &Path, config_dir: &str, cwd: &str, session: Uuid) -> Self {
        let mut below: Vec<String> =
            config_dir.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let project: String = cwd.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        below.extend(["projects".to_owned(), project, format!("{session}.jsonl")]);
        Self { base: base.to_owned(), below }
    }

    /// Where it lies on the host.
    pub fn path(&self) -> PathBuf {
        self.base.join(self.below.join("/"))
    }

    /// Whether there is one: only then can the conversation be continued.
    pub fn exists(&self) -> bool {
        self.length().is_some()
    }

    /// How the next program takes this conversation up.
    pub fn session(&self, id: Uuid) -> SessionRef {
        SessionRef { id, resume: self.exists() }
    }

    /// Its length in bytes; grows while the program works. `None` when there is none that can be
    /// read.
    pub fn length(&self) -> Option<u64> {
        self.open().ok().flatten()?.metadata().ok().map(|meta| meta.len())
    }

    /// Whether the program wrote down that it took this prompt. Blocking: reads up to 64 MiB.
    ///
    /// # Errors
    /// Whatever reading gives; a transcript that is missing, or is no regular file, has seen
    /// nothing.
    pub fn was_seen(&self, prompt: PromptId) -> io::Result<bool> {
        let Some(mut file) = self.open()? else { return Ok(false) };
        let start = file.metadata()?.len().saturating_sub(LOOKED_THROUGH);
        file.seek(SeekFrom::Start(start))?;
        // Bounded also when it grows meanwhile.
        let mut reader = BufReader::with_capacity(64 * 1024, file.take(LOOKED_THROUGH));
        let id = prompt.to_string();
        let mut line = Vec::new();
        while read_line(&mut reader, &mut line)? {
            if names(&line, &id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn open(&self) -> io::Result<Option<File>> {
        match self.descend() {
            Ok(file) => {
                let file = File::from(file);
                Ok(file.metadata()?.is_file().then_some(file))
            }
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Opens each part below `base` in turn, and follows no link.
    fn descend(&self) -> nix::Result<OwnedFd> {
        let directory = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut at = open(&self.base, directory, Mode::empty())?;
        let (file, parents) = self.below.split_last().ok_or(Errno::ENOENT)?;
        for parent in parents {
            at = openat(&at, parent.as_str(), directory | OFlag::O_NOFOLLOW, Mode::empty())?;
        }
        // Without waiting for whoever writes into a pipe of this name.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        openat(&at, file.as_str(), flags, Mode::empty())
    }
}

/// Takes the next line; of one that is too long only its end. False at the end of the file.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(reader.take(LONGEST_LINE).read_until(b'\n', line)? > 0)
}

/// Whether a line records that the prompt was taken: as a message of its own, or into a turn that
/// ran.
fn names(line: &[u8], id: &str) -> bool {
    if !line.windows(id.len()).any(|window| window == id.as_bytes()) {
        return false;
    }
    let Ok(record) = serde_json::from_slice::<Value>(line) else { return false };
    let attachment = &record["attachment"];
    (record["type"] == "user" && text(&record, "uuid") == id)
        || (attachment["type"] == "queued_command" && text(attachment, "source_uuid") == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    const SESSION: Uuid = Uuid::from_u128(7);

    fn prompt(n: u128) -> PromptId {
        PromptId(Uuid::from_u128(n))
    }

    fn write(base: &Path, bytes: &[u8]) -> Transcript {
        let transcript = Transcript::new(base, ".claude", "/work", SESSION);
        fs::create_dir_all(transcript.path().parent().unwrap()).unwrap();
        fs::write(transcript.path(), bytes).unwrap();
        transcript
    }

    #[test]
    fn only_records_of_a_taken_prompt_count() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Transcript::new(dir.path(), ".claude", "/work/a.b", SESSION);
        assert!(missing.path().ends_with(format!(".claude/projects/-work-a-b/{SESSION}.jsonl")));
        assert!(!missing.exists() && !missing.was_seen(prompt(1)).unwrap());
        let lines = [
            r#"{"type":"user","uuid":"ID1","message":{}}"#,
            r#"{"type":"queue-operation","content":"ID2"}"#,
            r#"{"type":"assistant","uuid":"x","message":"{\"type\":\"user\",\"uuid\":\"ID3\"}"}"#,
            r#"{"type":"attachment","attachment":{"type":"queued_command","source_uuid":"ID4"}}"#,
            r#"not json ID5"#,
            r#"{"type":"user","uuid":"ID6","message":{"#,
        ];
        let mut text = lines.join("\n");
        for n in 1..=6 {
            text = text.replace(&format!("ID{n}"), &prompt(n).to_string());
        }
        let transcript = write(dir.path(), text.as_bytes());
        assert_eq!(transcript.length(), u64::try_from(text.len()).ok());
        assert!(transcript.session(SESSION).resume);
        let seen: Vec<u128> = (1..=6).filter(|n| transcript.was_seen(prompt(*n)).unwrap()).collect();
        assert_eq!(seen, [1, 4]);
    }

    #[test]
    fn long_lines_and_rubbish_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = vec![b'x'; 9 << 20];
        bytes.extend_from_slice(b"\n\xff\xfe\0\n[1]\n\n");
        bytes.extend_from_slice(format!("{{\"type\":\"user\",\"uuid\":\"{}\"}}\n", prompt(1)).as_bytes());
        let transcript = write(dir.path(), &bytes);
        assert!(transcript.was_seen(prompt(1)).unwrap());
        assert!(!transcript.was_seen(prompt(2)).unwrap());
    }

    #[test]
    fn no_link_and_no_pipe_is_opened() {
        let record = format!("{{\"type\":\"user\",\"uuid\":\"{}\"}}\n", prompt(1));
        for replaced in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let elsewhere = tempfile::tempdir().unwrap();
            let (real, transcript) = (write(elsewhere.path(), record.as_bytes()), write(dir.path(), b""));
            let ancestors = |t: &Transcript| t.path().ancestors().nth(replaced).unwrap().to_owned();
            let (from, to) = (ancestors(&real), ancestors(&transcript));
            if to.is_dir() {
                fs::remove_dir_all(&to).unwrap();
            } else {
                fs::remove_file(&to).unwrap();
            }
            symlink(from, &to).unwrap();
            assert!(fs::read_to_string(transcript.path()).unwrap().contains("user"), "the link leads there");
            assert!(!transcript.exists() && !transcript.was_seen(prompt(1)).unwrap(), "part {replaced}");
        }
        let dir = tempfile::tempdir().unwrap();
        let transcript = write(dir.path(), b"");
        fs::remove_file(transcript.path()).unwrap();
        nix::unistd::mkfifo(&transcript.path(), Mode::S_IRWXU).unwrap();
        assert!(!transcript.exists() && !transcript.was_seen(prompt(1)).unwrap());
    }
}
