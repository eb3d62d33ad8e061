//! What every back end must do, checked through the port alone. An adapter's tests call
//! [`conformance`] with programs of its own kind.

use super::{
    AgentBackend, AgentEvent, AgentEvents, AgentSession, AgentStart, DeliverError, ExitCause, Grace, Prompt,
    PromptId, Size,
};
use std::time::Duration;
use uuid::Uuid;

/// The programs that the battery starts.
pub trait Subject: Send + Sync {
    /// The back end under test.
    fn backend(&self) -> &dyn AgentBackend;
    /// A program that shows every prompt's text on its screen and otherwise waits.
    fn echo(&self) -> AgentStart;
    /// A program that ends at once with this code.
    fn exits(&self, code: i32) -> AgentStart;
    /// A program that cannot be started.
    fn missing(&self) -> AgentStart;
}

/// Far more than any step takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the whole battery.
///
/// # Panics
/// When the back end breaks the contract; the message names the rule.
pub async fn conformance(subject: &dyn Subject) {
    starts_and_reports(subject).await;
    delivers_what_the_screen_then_shows(subject).await;
    survives_every_size(subject).await;
    stops_on_request_and_stays_stopped(subject).await;
    tells_the_exit_code(subject).await;
    names_the_reason_of_a_kill(subject).await;
    refuses_what_cannot_start(subject).await;
}

type Session = Box<dyn AgentSession>;

async fn begin(subject: &dyn Subject, start: AgentStart) -> (Session, AgentEvents) {
    let session = subject.backend().start(start).await.expect("the program starts");
    let events = session.events().expect("the events can be taken once");
    (session, events)
}

async fn next(events: &mut AgentEvents) -> Option<AgentEvent> {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event comes in time")
}

/// The last event, and that nothing follows it.
async fn last(events: &mut AgentEvents) -> ExitCause {
    loop {
        match next(events).await.expect("the last event is `Exited`") {
            AgentEvent::Exited(cause) => {
                assert_eq!(next(events).await, None, "nothing follows `Exited`");
                return cause;
            }
            _ => continue,
        }
    }
}

async fn starts_and_reports(subject: &dyn Subject) {
    let (session, mut events) = begin(subject, subject.echo()).await;
    let first = next(&mut events).await;
    assert_eq!(first, Some(AgentEvent::Started { pid: session.pid() }), "the first event");
    assert!(session.events().is_none(), "the events can be taken only once");
    session.stop(Grace::NONE).await;
}

async fn delivers_what_the_screen_then_shows(subject: &dyn Subject) {
    let (session, mut events) = begin(subject, subject.echo()).await;
    let mut changes = session.screen_changes();
    for n in 0..3_u128 {
        let id = PromptId(Uuid::from_u128(n));
        let prompt = Prompt { id, text: format!("word-{n}"), urgent: false };
        let written = session.deliver(prompt).await.expect("a prompt is written");
        assert_eq!(written.id, id);
        assert!(written.bytes > 0);
    }
    let shown = async {
        while !(0..3).all(|n| session.screen().to_text().contains(&format!("word-{n}"))) {
            changes.changed().await.expect("the screen changes while the program lives");
        }
    };
    tokio::time::timeout(PATIENCE, shown).await.expect("the prompts appear on the screen");
    assert!(session.transcript(50).contains("word-2"), "the transcript has it too");
    let (before, again) = (session.screen(), session.screen());
    assert!(before.version > 0 && again.version >= before.version, "the version grows");
    while next(&mut events).await.expect("a session that lives has events") != AgentEvent::Screen {}
    session.stop(Grace::NONE).await;
}

async fn survives_every_size(subject: &dyn Subject) {
    let (session, mut events) = begin(subject, subject.echo()).await;
    for (rows, cols) in [(0, 0), (u16::MAX, u16::MAX), (1, 9999), (24, 80)] {
        let size = Size::new(rows, cols);
        session.resize(size);
        let screen = session.screen();
        assert_eq!(screen.rows.len(), usize::from(size.rows()), "rows of {rows}x{cols}");
        assert_eq!(screen.cols, size.cols(), "columns of {rows}x{cols}");
        assert!(screen.rows.iter().all(|row| row.len() == usize::from(size.cols())));
    }
    session.stop(Grace::NONE).await;
    assert_eq!(last(&mut events).await, ExitCause::Requested);
}

async fn stops_on_request_and_stays_stopped(subject: &dyn Subject) {
    let (session, mut events) = begin(subject, subject.echo()).await;
    assert_eq!(session.stop(Grace::default()).await, ExitCause::Requested, "a stop on request");
    assert_eq!(last(&mut events).await, ExitCause::Requested);
    assert_eq!(session.stop(Grace::default()).await, ExitCause::Requested, "a second stop");
    session.kill(ExitCause::Hung);
    assert_eq!(session.stop(Grace::NONE).await, ExitCause::Requested, "the cause is settled");
    let prompt = Prompt { id: PromptId(Uuid::nil()), text: "late".into(), urgent: false };
    assert_eq!(session.deliver(prompt).await, Err(DeliverError::Ended), "a prompt after the end");
    assert_eq!(session.interrupt().await, Err(DeliverError::Ended), "an interrupt after the end");
    session.resize(Size::new(30, 90));
}

async fn tells_the_exit_code(subject: &dyn Subject) {
    for code in [0, 7] {
        let (session, mut events) = begin(subject, subject.exits(code)).await;
        assert_eq!(last(&mut events).await, ExitCause::Exit(code));
        assert_eq!(session.stop(Grace::default()).await, ExitCause::Exit(code), "it was gone");
    }
}

async fn names_the_reason_of_a_kill(subject: &dyn Subject) {
    let (session, mut events) = begin(subject, subject.echo()).await;
    session.kill(ExitCause::Hung);
    assert_eq!(last(&mut events).await, ExitCause::Hung);
    drop(session);
}

async fn refuses_what_cannot_start(subject: &dyn Subject) {
    if let Ok(session) = subject.backend().start(subject.missing()).await {
        let mut events = session.events().expect("the events can be taken once");
        let cause = last(&mut events).await;
        assert!(matches!(cause, ExitCause::SpawnFailed(_)), "a missing program gave {cause:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BackendError, FakeBackend, FakeSession, SessionRef, Transport};
    use super::*;
    use crate::sandbox::Launch;
    use foureyes_protocol::PrincipalId;

    struct Fake(FakeBackend);

    fn start(program: &str) -> AgentStart {
        AgentStart {
            role: PrincipalId::new("dev-a").expect("a role's name"),
            generation: 1,
            launch: Launch { program: program.into(), args: vec![], env: vec![] },
            size: Size::default(),
            session: SessionRef { id: Uuid::nil(), resume: false },
            transport: Transport::Pty,
        }
    }

    fn play(session: &FakeSession) -> Result<(), BackendError> {
        let program = session.start.launch.program.to_string_lossy().into_owned();
        if let Some(code) = program.strip_prefix("/exit/") {
            session.exit(ExitCause::Exit(code.parse().expect("a code")));
        }
        if program == "/missing" {
            return Err(BackendError::Spawn { program, why: "no such file".into() });
        }
        Ok(())
    }

    impl Subject for Fake {
        fn backend(&self) -> &dyn AgentBackend {
            &self.0
        }
        fn echo(&self) -> AgentStart {
            start("/echo")
        }
        fn exits(&self, code: i32) -> AgentStart {
            start(&format!("/exit/{code}"))
        }
        fn missing(&self) -> AgentStart {
            start("/missing")
        }
    }

    #[tokio::test]
    async fn the_fake_is_a_back_end() {
        conformance(&Fake(FakeBackend::new(play))).await;
    }

    #[test]
    fn causes_that_restart() {
        let cases = [
            (ExitCause::Requested, false, false),
            (ExitCause::Auth, false, false),
            (ExitCause::RateLimited { until: None }, true, false),
            (ExitCause::Exit(0), true, true),
            (ExitCause::Signal(9), true, true),
            (ExitCause::Hung, true, true),
            (ExitCause::OutOfMemory, true, true),
            (ExitCause::SpawnFailed("x".into()), true, true),
        ];
        for (cause, restart, spends) in cases {
            assert_eq!(cause.wants_restart(), restart, "{cause}");
            assert_eq!(cause.spends_intensity(), spends, "{cause}");
        }
    }

    #[test]
    fn sizes_are_clamped() {
        assert_eq!((Size::new(0, 9999).rows(), Size::new(0, 9999).cols()), (2, 500));
    }
}
