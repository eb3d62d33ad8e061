//! Arguments of `agents model-stub`.

use clap::Args;
use foureyes_protocol::PrincipalId;

/// `agents model-stub`.
#[derive(Clone, Debug, Default, Args)]
pub struct ModelStubArgs {
    /// The port on 127.0.0.1 [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// What a role plays: a built-in play or a file; may be given several times
    #[arg(long, value_name = "ROLE=PLAY", value_parser = role_and_play)]
    pub play: Vec<(PrincipalId, String)>,
    /// The configuration whose team and plays it takes
    #[arg(long, value_name = "CONFIG", default_value = "default")]
    pub roster: String,
}

fn role_and_play(text: &str) -> Result<(PrincipalId, String), String> {
    let (role, play) = text.split_once('=').ok_or("write it as ROLE=PLAY, such as dev-a=good/dev")?;
    Ok((PrincipalId::new(role).map_err(|e| e.to_string())?, play.to_owned()))
}
