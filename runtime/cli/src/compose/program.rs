//! What a role's sandbox starts, and with what: one function for each back end.

use super::{conversation::Conversation, launcher::Inner};
use foureyes_config::sections::roster::{Backend, ClaudeMode};
use foureyes_ports::{backend::Transport, sandbox::Bind};
use foureyes_protocol::{Family, PrincipalId};
use foureyes_session::agent::{
    acp::AcpOrder,
    claude::{ClaudeLaunch, ClaudeOrder, Transcript, tools_of},
    claude_terminal::{TerminalPlan, configure},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Where a play is shown inside.
const PLAY_DIR: &str = "/play";
pub(super) const PLAYER: &str = "/rt/bin/agents-play";
/// Where an agent's home is shown inside.
const HOME: &str = "/home/agent";
/// The CLI's own directory, below the home.
pub(super) const CLAUDE_DIR: &str = ".claude-agent";
/// Where the CLI is shown inside.
const CLAUDE: &str = "/opt/agents/claude";
/// Where another agent's native program is shown inside.
const PROGRAM: &str = "/opt/agents/program";
/// What the runtime gives a role to read: its prompt.
const ROLE_DIR: &str = "/opt/agents/role";
const PROMPT: &str = "prompt.md";
/// The loopback port inside that leads to the runtime's proxy.
pub(super) const PROXY_PORT: u16 = 9999;
/// The CLI's own tries before it gives a turn up: the runtime does the waiting, for all of an account.
const RETRIES: u8 = 2;
/// The CLI's option for whether it keeps to the prompt with which a conversation began.
const SNAPSHOT: &str = "--system-prompt-snapshot";

/// What is started for a role.
pub(super) struct Program {
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub binds: Vec<Bind>,
    pub transport: Transport,
    pub forward_port: Option<u16>,
    pub drive: Drive,
    /// The conversation, and whether it goes on with an earlier one.
    pub conversation: Option<(Conversation, bool)>,
}

/// How the started program is spoken with.
pub(super) enum Drive {
    Scripted,
    Command,
    Claude(ClaudeOrder),
    ClaudeTerminal,
    Acp(AcpOrder),
}

/// What is asked for.
pub(super) struct Wanted<'a> {
    pub role: &'a PrincipalId,
    pub family: Family,
    pub backend: &'a Backend,
    /// The role's directory of the state, which no agent can write to.
    pub dir: &'a Path,
    /// A new conversation.
    pub anew: bool,
}

impl Inner {
    pub(super) fn program(&self, wanted: &Wanted<'_>) -> Result<Program, String> {
        let mut program = match wanted.backend {
            Backend::Scripted { play } => self.scripted(wanted, play)?,
            Backend::Command { argv, env } => {
                let env = env.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
                terminal(argv.clone(), env, Drive::Command)
            }
            Backend::Claude { model, mode: ClaudeMode::Structured, args } => {
                self.claude(wanted, model.as_deref(), args)?
            }
            Backend::Claude { model, mode: ClaudeMode::Terminal, args } => {
                self.claude_terminal(wanted, model.as_deref(), args)?
            }
            Backend::Acp { argv, env, model } => self.acp(wanted, argv, env, model.as_deref())?,
        };
        program.env.push(("AGENTS_ROLE".to_owned(), wanted.role.to_string()));
        let shown = &self.context.facts.config.sandbox.read_only;
        let shown = shown.iter().map(|p| Bind { host: p.clone(), inside: p.clone(), writable: false });
        program.binds.splice(0..0, shown);
        Ok(program)
    }

    fn scripted(&self, wanted: &Wanted<'_>, play: &str) -> Result<Program, String> {
        let host = wanted.dir.join("play");
        let text = self.play(play)?;
        write(&host, "play.yaml", &text)?;
        let argv = vec![PLAYER.to_owned(), format!("{PLAY_DIR}/play.yaml")];
        let mut program = terminal(argv, Vec::new(), Drive::Scripted);
        program.binds.push(Bind { host, inside: PathBuf::from(PLAY_DIR), writable: false });
        Ok(program)
    }

    /// A play is one of the built-in ones, or a file of the accepted configuration's directory.
    fn play(&self, play: &str) -> Result<String, String> {
        let built_in = foureyes_config::builtin::play(play).map(str::to_owned);
        built_in.or_else(|| self.plays.get(play).cloned()).ok_or_else(|| {
            format!("play {play} is neither built in nor accepted with the configuration: `agents trust`")
        })
    }

    fn claude(&self, wanted: &Wanted<'_>, model: Option<&str>, args: &[String]) -> Result<Program, String> {
        let (role, family) = (wanted.role, wanted.family);
        let models = self.models.as_ref().ok_or("there is no way to a model")?;
        let (conversation, resume) = self.open_claude(wanted)?;
        let host = wanted.dir.join("shown");
        write(&host, PROMPT, &(self.prompts)(role)?)?;
        let launch = ClaudeLaunch {
            program: CLAUDE.to_owned(),
            model: model.map(str::to_owned),
            session: conversation.session(resume),
            prompt_file: Some(format!("{ROLE_DIR}/{PROMPT}")),
            tools: tools_of(family).iter().map(|t| (*t).to_owned()).collect(),
            extra_args: self.arguments(args)?,
            max_retries: RETRIES,
        };
        let door = models.door(role, PROXY_PORT);
        let mut env = launch.environment(&door.url, &door.token, &format!("{HOME}/{CLAUDE_DIR}"));
        door.adapt(&mut env);
        Ok(Program {
            argv: launch.argv(),
            env,
            binds: self.claude_binds(host)?,
            transport: Transport::Pipes,
            forward_port: Some(PROXY_PORT),
            drive: Drive::Claude(launch.order()),
            conversation: Some((conversation, resume)),
        })
    }

    fn claude_binds(&self, shown: PathBuf) -> Result<Vec<Bind>, String> {
        Ok(vec![
            Bind { host: self.claude_copy()?, inside: PathBuf::from(CLAUDE), writable: false },
            Bind { host: shown, inside: PathBuf::from(ROLE_DIR), writable: false },
        ])
    }

    fn claude_terminal(
        &self,
        wanted: &Wanted<'_>,
        model: Option<&str>,
        args: &[String],
    ) -> Result<Program, String> {
        let role = wanted.role;
        let models = self.models.as_ref().ok_or("there is no way to a model")?;
        let (conversation, resume) = self.open_claude(wanted)?;
        let host = wanted.dir.join("shown");
        write(&host, PROMPT, &(self.prompts)(role)?)?;
        let tools: Vec<String> = tools_of(wanted.family).iter().map(|t| (*t).to_owned()).collect();
        let door = models.door(role, PROXY_PORT);
        let plan = TerminalPlan {
            program: PathBuf::from(CLAUDE),
            config_dir: Path::new(HOME).join(CLAUDE_DIR),
            work: PathBuf::from("/work"),
            name: role.to_string(),
            session: conversation.id,
            base_url: door.url.clone(),
            token: door.token.clone(),
            model: model.map(str::to_owned),
            allow: tools.iter().cloned().chain(["mcp__rt".to_owned()]).collect(),
            tools,
            prompt_file: Some(Path::new(ROLE_DIR).join(PROMPT)),
            walled: !self.context.facts.advisory,
            args: self.arguments(args)?,
        };
        let home = self.state.role_home(role);
        fs::create_dir_all(&home).map_err(|e| format!("{}: {e}", home.display()))?;
        let mut ready = configure(&plan, &home.join(CLAUDE_DIR)).map_err(|e| e.to_string())?;
        door.adapt(&mut ready.env);
        Ok(Program {
            argv: ready.argv,
            env: ready.env,
            binds: self.claude_binds(host)?,
            transport: Transport::Pty,
            forward_port: Some(PROXY_PORT),
            drive: Drive::ClaudeTerminal,
            conversation: Some((conversation, resume && ready.resumes)),
        })
    }

    fn acp(
        &self,
        wanted: &Wanted<'_>,
        argv: &[String],
        env: &BTreeMap<String, String>,
        model: Option<&str>,
    ) -> Result<Program, String> {
        let role = wanted.role;
        let models = self.models.as_ref().ok_or("there is no way to a model")?;
        let opened =
            self.conversations.open(role.as_str(), wanted.anew, self.session_id(), |k| k.foreign.is_some());
        let (conversation, resume) = opened.map_err(|e| format!("the conversation of {role}: {e}"))?;
        let door = models.door(role, PROXY_PORT);
        let own = [("ANTHROPIC_BASE_URL", door.url.as_str()), ("ANTHROPIC_API_KEY", door.token.as_str())];
        let mut all: Vec<_> = own.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        all.extend(env.iter().map(|(k, v)| (k.clone(), v.clone())));
        let order = AcpOrder {
            instructions: (self.prompts)(role)?,
            model: model.map(str::to_owned),
            resume: conversation.foreign.clone().filter(|_| resume),
        };
        let (argv, binds) = self.unreadable(argv)?;
        Ok(Program {
            argv,
            env: all,
            binds,
            transport: Transport::Pipes,
            forward_port: Some(PROXY_PORT),
            drive: Drive::Acp(order),
            conversation: Some((conversation, resume)),
        })
    }

    /// A native program is started from a file that nobody inside can read, so that its tools cannot
    /// write into its pipe. A script's interpreter cannot be hidden so.
    fn unreadable(&self, argv: &[String]) -> Result<(Vec<String>, Vec<Bind>), String> {
        let Some((program, rest)) = argv.split_first() else { return Ok((Vec::new(), Vec::new())) };
        if !crate::claude::is_native(Path::new(program)) {
            return Ok((argv.to_vec(), Vec::new()));
        }
        let host = self.copy(Path::new(program))?;
        let bind = Bind { host, inside: PathBuf::from(PROGRAM), writable: false };
        Ok((std::iter::once(PROGRAM.to_owned()).chain(rest.iter().cloned()).collect(), vec![bind]))
    }

    fn copy(&self, program: &Path) -> Result<PathBuf, String> {
        foureyes_session::sandbox::unreadable_copy(program, &self.state.sandbox().join("programs"))
            .map_err(|e| e.to_string())
    }

    fn open_claude(&self, wanted: &Wanted<'_>) -> Result<(Conversation, bool), String> {
        let role = wanted.role;
        let opened = self
            .conversations
            .open(role.as_str(), wanted.anew, self.session_id(), |kept| self.transcript(role, kept).exists());
        opened.map_err(|e| format!("the conversation of {role}: {e}"))
    }

    /// The user's own arguments and those by which a conversation that goes on gets the role's present
    /// prompt: newer versions repeat the one with which it began, whatever they are given.
    fn arguments(&self, own: &[String]) -> Result<Vec<String>, String> {
        let program = self.claude_program()?;
        let present = self.prompt_args.get_or_init(|| match crate::claude::knows(&program, SNAPSHOT) {
            true => vec![SNAPSHOT.to_owned(), "off".to_owned()],
            false => Vec::new(),
        });
        Ok(own.iter().chain(present).cloned().collect())
    }

    fn claude_program(&self) -> Result<PathBuf, String> {
        let program = crate::claude::find(self.context.facts.config.agents.claude_program.as_deref());
        program.map_err(|e| format!("{e}; install it: {}", crate::claude::INSTALL))
    }

    /// Where the CLI of a role writes its conversation down.
    pub(super) fn transcript(&self, role: &PrincipalId, conversation: &Conversation) -> Transcript {
        Transcript::new(&self.state.role_home(role), CLAUDE_DIR, "/work", conversation.id)
    }

    /// The program that nobody inside can read, made once.
    fn claude_copy(&self) -> Result<PathBuf, String> {
        self.copy(&self.claude_program()?)
    }
}

fn terminal(argv: Vec<String>, env: Vec<(String, String)>, drive: Drive) -> Program {
    Program {
        argv,
        env,
        binds: Vec::new(),
        transport: Transport::Pty,
        forward_port: None,
        drive,
        conversation: None,
    }
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), String> {
    fs::create_dir_all(dir)
        .and_then(|()| fs::write(dir.join(name), text))
        .map_err(|e| format!("{}: {e}", dir.display()))
}
