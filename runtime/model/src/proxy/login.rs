//! Credentials in files: read again when the file changes, never written.

use super::credentials::{Credential, CredentialKind, moment};
use foureyes_ports::clock::UnixMillis;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// What a file of credentials holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The login of the user's Claude Code, as JSON.
    Login,
    /// One key of the API, or one token of a subscription.
    Key,
    /// One bearer token of another provider.
    Token,
}

/// What tells that a file is another than the one that was read.
type Stamp = (u64, u64, i64, i64);

/// A file of credentials.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    form: Form,
    read: Mutex<Option<(Stamp, Result<Credential, String>)>>,
}

/// Larger is no file of credentials.
const MAX_BYTES: u64 = 256 * 1024;

impl Watched {
    pub(super) fn new(path: PathBuf, form: Form) -> Self {
        Self { path, form, read: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The credential, as the file stands now.
    ///
    /// # Errors
    /// Why there is none, and what mends it.
    pub(super) fn current(&self, now: UnixMillis) -> Result<Credential, String> {
        let credential = self.read_if_changed()?;
        match credential.expires_at.filter(|at| *at <= now) {
            None => Ok(credential),
            Some(at) => Err(format!(
                "the login in {} ended at {}: run `claude` once, which renews it, or set \
                 CLAUDE_CODE_OAUTH_TOKEN (from `claude setup-token`)",
                self.path.display(),
                moment(at).unwrap_or_default()
            )),
        }
    }

    fn read_if_changed(&self) -> Result<Credential, String> {
        let meta = fs::metadata(&self.path).map_err(|e| self.unreadable(&e))?;
        let stamp = (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec());
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, result)) = read.as_ref().filter(|(of, _)| *of == stamp) {
            return result.clone();
        }
        let result = self.read(meta.size());
        *read = Some((stamp, result.clone()));
        result
    }

    fn read(&self, size: u64) -> Result<Credential, String> {
        if size > MAX_BYTES {
            return Err(format!("{} is too large to hold credentials", self.path.display()));
        }
        let text = fs::read_to_string(&self.path).map_err(|e| self.unreadable(&e))?;
        let text = SecretString::from(text);
        let text = text.expose_secret().trim();
        match self.form {
            Form::Login => login(text)
                .ok_or_else(|| format!("{} holds no login: run `claude` and log in", self.path.display())),
            Form::Key | Form::Token if !is_token(text) => Err(format!(
                "{} holds no key: expected one line with the key and nothing else",
                self.path.display()
            )),
            Form::Token => Ok(Credential::new(CredentialKind::Bearer, text)),
            Form::Key if text.starts_with("sk-ant-oat") => {
                Ok(Credential::new(CredentialKind::Subscription, text))
            }
            Form::Key => Ok(Credential::new(CredentialKind::ApiKey, text)),
        }
    }

    fn unreadable(&self, error: &io::Error) -> String {
        let path = self.path.display();
        match (self.form, error.kind()) {
            (Form::Login, io::ErrorKind::NotFound) => format!(
                "set ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or CLAUDE_CODE_OAUTH_TOKEN, or log in with \
                 `claude` (no login in {path})"
            ),
            _ => format!("{path} cannot be read: {error}"),
        }
    }

    /// What is wrong with how the file is kept.
    pub(super) fn warning(&self) -> Option<String> {
        let mode = fs::metadata(&self.path).ok()?.mode() & 0o777;
        (mode & 0o077 != 0)
            .then(|| format!("others can read it (mode {mode:04o}): chmod 600 {}", self.path.display()))
    }
}

/// Whether a text can stand in a header as a key: visible ASCII without spaces.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= 16 * 1024 && text.bytes().all(|b| b.is_ascii_graphic())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    claude_ai_oauth: Login,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    access_token: SecretString,
    expires_at: Option<f64>,
}

fn login(text: &str) -> Option<Credential> {
    let login = serde_json::from_str::<File>(text).ok()?.claude_ai_oauth;
    if !is_token(login.access_token.expose_secret()) {
        return None;
    }
    // Written as a whole number of milliseconds; a fraction would do no harm.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let expires_at = login.expires_at.map(|at| at as UnixMillis);
    Some(Credential { kind: CredentialKind::Subscription, secret: login.access_token, expires_at })
}
