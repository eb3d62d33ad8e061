//! The colours and what they mean, once for terminals drawn whole and for lines with escape
//! sequences. Nothing is told by colour alone: each has a word or a shape beside it.

use foureyes_ports::view::{RoleState, Tone};
use foureyes_protocol::{Family, Outcome, Risk};
use ratatui::style::{Color, Modifier, Style};

/// A way to draw text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ink {
    #[default]
    Plain,
    Dim,
    Bold,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    /// White on red: the freeze.
    Alarm,
    /// The name of the product.
    Badge,
    /// What is being shown in a demonstration.
    Caption,
}

impl Ink {
    /// The SGR parameters.
    pub(crate) fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Blue => "94",
            Self::Magenta => "35",
            Self::Cyan => "36",
            Self::Alarm => "1;97;41",
            Self::Badge => "1;30;46",
            Self::Caption => "1;30;43",
        }
    }

    /// The name that tmux has for the colour.
    pub(crate) fn tmux(self) -> &'static str {
        match self {
            Self::Red | Self::Alarm => "red",
            Self::Green => "green",
            Self::Yellow | Self::Caption => "yellow",
            Self::Blue => "brightblue",
            Self::Magenta => "magenta",
            Self::Cyan | Self::Badge => "cyan",
            Self::Plain | Self::Dim | Self::Bold => "white",
        }
    }

    /// The style for drawing whole screens.
    pub(crate) fn style(self, colour: bool) -> Style {
        if colour { self.coloured() } else { self.colourless() }
    }

    fn coloured(self) -> Style {
        let style = Style::new();
        match self {
            Self::Plain => style,
            Self::Dim => style.fg(Color::DarkGray),
            Self::Bold => style.add_modifier(Modifier::BOLD),
            Self::Red => style.fg(Color::Red),
            Self::Green => style.fg(Color::Green),
            Self::Yellow => style.fg(Color::Yellow),
            Self::Blue => style.fg(Color::LightBlue),
            Self::Magenta => style.fg(Color::Magenta),
            Self::Cyan => style.fg(Color::Cyan),
            Self::Alarm => style.fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD),
            Self::Badge => style.fg(Color::Black).bg(Color::Cyan).add_modifier(Modifier::BOLD),
            Self::Caption => style.fg(Color::Black).bg(Color::Yellow).add_modifier(Modifier::BOLD),
        }
    }

    fn colourless(self) -> Style {
        let style = Style::new();
        match self {
            Self::Dim => style.add_modifier(Modifier::DIM),
            Self::Bold | Self::Red => style.add_modifier(Modifier::BOLD),
            Self::Alarm | Self::Badge | Self::Caption => {
                style.add_modifier(Modifier::BOLD | Modifier::REVERSED)
            }
            _ => style,
        }
    }
}

/// The colour of a family: management red, planners blue, architects magenta, devs green, qa
/// yellow, docs cyan.
pub(crate) fn family(family: Family) -> Ink {
    match family {
        Family::Orchestrator | Family::Librarian => Ink::Red,
        Family::Planner => Ink::Blue,
        Family::Architect => Ink::Magenta,
        Family::Dev => Ink::Green,
        Family::Qa => Ink::Yellow,
        Family::Docs => Ink::Cyan,
        Family::User | Family::System => Ink::Bold,
    }
}

/// The colour of a message by how much it matters.
pub(crate) fn tone(tone: Tone) -> Ink {
    match tone {
        Tone::Plain => Ink::Plain,
        Tone::Good => Ink::Green,
        Tone::Warn => Ink::Yellow,
        Tone::Bad => Ink::Red,
    }
}

/// The shape of a message by how much it matters.
pub(crate) fn tone_mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => " ",
        Tone::Good => "✓",
        Tone::Warn => "!",
        Tone::Bad => "✗",
    }
}

/// The colour of a role's state.
pub(crate) fn state(state: RoleState) -> Ink {
    match state {
        RoleState::Busy => Ink::Green,
        RoleState::Waiting | RoleState::Starting => Ink::Yellow,
        RoleState::Restarting | RoleState::Degraded => Ink::Red,
        RoleState::Idle | RoleState::Asleep | RoleState::Stopped => Ink::Dim,
    }
}

/// The shape of a role's state.
pub(crate) fn state_mark(state: RoleState) -> &'static str {
    match state {
        RoleState::Asleep => "·",
        RoleState::Starting => "◌",
        RoleState::Idle => "○",
        RoleState::Busy => "●",
        RoleState::Waiting => "◐",
        RoleState::Restarting => "↻",
        RoleState::Degraded => "✗",
        RoleState::Stopped => "■",
    }
}

/// The colour of an outcome.
pub(crate) fn outcome(outcome: Outcome) -> Ink {
    match outcome {
        Outcome::Passed => Ink::Green,
        Outcome::Checked => Ink::Cyan,
        Outcome::Returned => Ink::Yellow,
        Outcome::NotApplicable => Ink::Dim,
        Outcome::Broken => Ink::Red,
    }
}

/// The colour of a risk.
pub(crate) fn risk(risk: Risk) -> Ink {
    match risk {
        Risk::Low => Ink::Dim,
        Risk::Medium => Ink::Blue,
        Risk::High => Ink::Yellow,
        Risk::Critical => Ink::Red,
    }
}
