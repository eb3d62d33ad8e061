//! The real credentials: where they are found, and what may be said about them.

use super::{login, login::Form};
use crate::outward::{Env, value};
use foureyes_config::sections::model::{Credentials, Model, Provider};
use foureyes_ports::clock::UnixMillis;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How a credential is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// As `x-api-key`.
    ApiKey,
    /// As `Authorization: Bearer`, with the beta header that belongs to a subscription's token.
    Subscription,
    /// As `Authorization: Bearer`.
    Bearer,
}

impl CredentialKind {
    fn word(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::Subscription => "subscription",
            Self::Bearer => "bearer token",
        }
    }
}

/// Which credentials there are, for people. Never the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// The provider needs none.
    NotNeeded,
    /// They were found.
    Found {
        /// How they are sent.
        kind: CredentialKind,
        /// Where they come from, such as `ANTHROPIC_API_KEY` or a path.
        source: String,
        /// When they end, where that is known.
        expires_at: Option<UnixMillis>,
        /// What is wrong with how they are kept.
        warning: Option<String>,
    },
    /// There are none that hold.
    Missing {
        /// Why, and what mends it.
        why: String,
    },
}

impl fmt::Display for CredentialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNeeded => write!(f, "none needed"),
            Self::Missing { why } => write!(f, "missing: {why}"),
            Self::Found { kind, source, expires_at, warning } => {
                write!(f, "{} from {source}", kind.word())?;
                if let Some(at) = expires_at.and_then(moment) {
                    write!(f, ", until {at}")?;
                }
                warning.iter().try_for_each(|w| write!(f, " (warning: {w})"))
            }
        }
    }
}

/// A moment in words, to the minute.
pub(super) fn moment(at: UnixMillis) -> Option<String> {
    let at = Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// A credential that holds now.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) kind: CredentialKind,
    pub(super) secret: SecretString,
    pub(super) expires_at: Option<UnixMillis>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?})", self.kind)
    }
}

impl Credential {
    pub(super) fn new(kind: CredentialKind, secret: &str) -> Self {
        Self { kind, secret: SecretString::from(secret.to_owned()), expires_at: None }
    }

    /// The text without the secret, should a provider say it back.
    pub(super) fn redact(&self, text: &str) -> String {
        text.replace(self.secret.expose_secret(), "[redacted]")
    }
}

/// Where the credentials come from. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Vault {
    /// The provider needs none.
    NotNeeded,
    /// From a variable of the runtime's own environment.
    Variable(&'static str, Credential),
    /// From a file that may change.
    File(Arc<login::Watched>),
    /// There are none.
    Missing(String),
}

/// What a configuration asks for that its provider does not have.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The provider has no such credentials.
    #[error("`model.credentials: {credentials}` does not fit `model.provider: {provider}`: use `{instead}`")]
    Unfit {
        /// As configured.
        credentials: &'static str,
        /// As configured.
        provider: &'static str,
        /// What fits.
        instead: &'static str,
    },
    /// A file is asked for and not named.
    #[error("`model.credentials: file` needs `model.credentials_file`")]
    NoFile,
}

impl Vault {
    /// The vault that a configuration asks for. Finding nothing in it is no error: a login may come
    /// later, and the state says what is missing.
    pub(super) fn of(model: &Model, env: Env<'_>, home: &Path) -> Result<Self, CredentialsError> {
        match model.provider {
            Provider::StandIn => Ok(Self::NotNeeded),
            Provider::Anthropic => Self::anthropic(model, env, home),
            Provider::Bedrock => Self::cloud(model, env, "bedrock", "AWS_BEARER_TOKEN_BEDROCK"),
            Provider::Vertex => Self::cloud(model, env, "vertex", "GOOGLE_OAUTH_ACCESS_TOKEN"),
        }
    }

    fn anthropic(model: &Model, env: Env<'_>, home: &Path) -> Result<Self, CredentialsError> {
        let key = || variable(env, "ANTHROPIC_API_KEY", CredentialKind::ApiKey);
        let bearer = || variable(env, "ANTHROPIC_AUTH_TOKEN", CredentialKind::Bearer);
        let subscription = || {
            variable(env, "CLAUDE_CODE_OAUTH_TOKEN", CredentialKind::Subscription)
                .unwrap_or_else(|| Self::login(env, home))
        };
        let missing = |name: &str| Self::Missing(format!("set {name}"));
        Ok(match model.credentials {
            Credentials::Auto => key().or_else(bearer).unwrap_or_else(subscription),
            Credentials::ApiKey => key().unwrap_or_else(|| missing("ANTHROPIC_API_KEY")),
            Credentials::Bearer => bearer().unwrap_or_else(|| missing("ANTHROPIC_AUTH_TOKEN")),
            Credentials::Subscription => subscription(),
            Credentials::File => Self::file(model, Form::Key)?,
        })
    }

    fn cloud(
        model: &Model,
        env: Env<'_>,
        provider: &'static str,
        name: &'static str,
    ) -> Result<Self, CredentialsError> {
        let unfit = |credentials| {
            Err(CredentialsError::Unfit { credentials, provider, instead: "auto, bearer or file" })
        };
        match model.credentials {
            Credentials::ApiKey => unfit("api-key"),
            Credentials::Subscription => unfit("subscription"),
            Credentials::File => Self::file(model, Form::Token),
            Credentials::Auto | Credentials::Bearer => Ok(variable(env, name, CredentialKind::Bearer)
                .unwrap_or_else(|| Self::Missing(format!("set {name}")))),
        }
    }

    fn file(model: &Model, form: Form) -> Result<Self, CredentialsError> {
        let path = model.credentials_file.clone().ok_or(CredentialsError::NoFile)?;
        Ok(Self::File(Arc::new(login::Watched::new(path, form))))
    }

    /// The login of the user's own Claude Code: read, never written.
    fn login(env: Env<'_>, home: &Path) -> Self {
        let dir = value(env, "CLAUDE_CONFIG_DIR").map_or_else(|| home.join(".claude"), PathBuf::from);
        Self::File(Arc::new(login::Watched::new(dir.join(".credentials.json"), Form::Login)))
    }

    /// The credential that holds now; none where the provider needs none.
    ///
    /// # Errors
    /// Why there is none, and what mends it.
    pub(super) fn current(&self, now: UnixMillis) -> Result<Option<Credential>, String> {
        match self {
            Self::NotNeeded => Ok(None),
            Self::Variable(_, credential) => Ok(Some(credential.clone())),
            Self::File(file) => file.current(now).map(Some),
            Self::Missing(why) => Err(why.clone()),
        }
    }

    pub(super) fn state(&self, now: UnixMillis) -> CredentialState {
        let credential = match self.current(now) {
            Ok(None) => return CredentialState::NotNeeded,
            Err(why) => return CredentialState::Missing { why },
            Ok(Some(credential)) => credential,
        };
        let (source, warning) = match self {
            Self::Variable(name, _) => ((*name).to_owned(), None),
            Self::File(file) => (file.path().display().to_string(), file.warning()),
            Self::NotNeeded | Self::Missing(_) => (String::new(), None),
        };
        CredentialState::Found { kind: credential.kind, source, expires_at: credential.expires_at, warning }
    }
}

fn variable(env: Env<'_>, name: &'static str, kind: CredentialKind) -> Option<Vault> {
    let secret = SecretString::from(value(env, name)?);
    if !login::is_token(secret.expose_secret()) {
        return Some(Vault::Missing(format!("{name} holds characters that no key has: set it anew")));
    }
    Some(Vault::Variable(name, Credential { kind, secret, expires_at: None }))
}
