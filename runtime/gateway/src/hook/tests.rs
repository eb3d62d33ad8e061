use super::*;
use crate::testing::Rig;
use foureyes_ports::hook::{DECIDING, REPORTING};
use std::os::unix::net::UnixListener;

/// What a runtime does with a hook.
type Server = fn(UnixStream);

fn swallow(stream: &mut UnixStream) -> String {
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    told
}

fn answering(text: &'static [u8]) -> impl Fn(UnixStream) {
    move |mut stream| {
        swallow(&mut stream);
        stream.write_all(text).unwrap();
    }
}

/// Runs the hook against a server that lives for one connection: the exit code and the reason.
fn run(event: &str, input: &[u8], server: impl Fn(UnixStream) + Send + 'static) -> (u8, String) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("rt.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || listener.accept().map(|(stream, _)| server(stream)));
    run_at(&socket, event, input)
}

fn run_at(socket: &Path, event: &str, input: &[u8]) -> (u8, String) {
    let args = vec!["--socket".to_owned(), socket.display().to_string(), event.to_owned()];
    let done = ask_in_time(args, io::Cursor::new(input.to_vec()), Duration::from_millis(300));
    let mut err = Vec::new();
    let code = ended(HookKind::of(event), done.map(drop), &mut err);
    (code, String::from_utf8(err).unwrap())
}

const EVENT: &[u8] = br#"{"hook_event_name":"PreToolUse","tool_name":"Bash"}"#;

#[test]
fn every_failure_refuses_what_decides_and_lets_reports_pass() {
    let huge = format!(r#"{{"x":"{}"}}"#, "y".repeat(MAX as usize));
    let silent: Server = |mut stream| {
        swallow(&mut stream);
        thread::park_timeout(Duration::from_secs(5));
    };
    let closing: Server = drop;
    let dripping: Server = |mut stream| {
        while stream.write_all(b" ").is_ok() {
            thread::park_timeout(Duration::from_millis(20));
        }
    };
    for event in DECIDING.into_iter().chain(REPORTING) {
        let cases = [
            ("no socket", run_at(Path::new("/no/such.sock"), event, EVENT)),
            ("no event", run(event, b"", answering(b"{}"))),
            ("an event that is no JSON", run(event, b"nonsense", answering(b"{}"))),
            ("an event that is no object", run(event, b"[1]", answering(b"{}"))),
            ("an event that is too long", run(event, huge.as_bytes(), answering(b"{}"))),
            ("no answer", run(event, EVENT, answering(b""))),
            ("garbage", run(event, EVENT, answering(b"\xff\x00garbage"))),
            ("half an answer", run(event, EVENT, answering(br#"{"hookSpecificOutput":"#))),
            ("no object", run(event, EVENT, answering(b"[]"))),
            ("null", run(event, EVENT, answering(b"null"))),
            (
                "another event's answer",
                run(event, EVENT, answering(br#"{"hookSpecificOutput":{"hookEventName":"X"}}"#)),
            ),
            ("a refusal in words", run(event, EVENT, answering(b"L-RATE (rate limits): wait a second\n"))),
            ("a runtime that is silent", run(event, EVENT, silent)),
            ("a runtime that hangs up", run(event, EVENT, closing)),
            ("an answer that drips in", run(event, EVENT, dripping)),
        ];
        for (what, (code, reason)) in cases {
            match HookKind::of(event) {
                Some(HookKind::Deciding) => {
                    assert_eq!(code, 2, "{event}, {what}");
                    assert!(reason.starts_with("agents-hook: refused: "), "{event}, {what}: {reason}");
                }
                _ => assert_eq!((code, reason.as_str()), (0, ""), "{event}, {what}"),
            }
        }
    }
}

#[test]
fn what_is_not_known_is_refused() {
    for args in [vec![], vec!["PreToolUse", "x"], vec!["Nonsense"], vec!["--socket", "/s"]] {
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let kind = args.last().and_then(|event| HookKind::of(event)).filter(|k| *k == HookKind::Deciding);
        let done = ask_in_time(args.clone(), io::empty(), Duration::from_secs(5));
        assert_eq!(ended(kind, done.map(drop), &mut Vec::new()), 2, "{args:?}");
    }
}

#[test]
fn a_panic_refuses() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("broken")
        }
    }
    let done = ask_in_time(vec!["PreToolUse".to_owned()], Broken, Duration::from_secs(5));
    assert_eq!(ended(Some(HookKind::Deciding), done.map(drop), &mut Vec::new()), 2);
}

#[test]
fn a_reason_holds_no_control_and_has_a_bound() {
    let (code, reason) = run("PreToolUse", EVENT, answering(b"no\x1b[2J\nway"));
    assert_eq!(code, 2);
    assert!(!reason.contains('\x1b') && reason.matches('\n').count() == 1, "{reason:?}");
}

#[test]
fn a_report_carries_no_contents() {
    let told = br#"{"tool_name":"Read","tool_use_id":"t1","tool_input":{"a":1},"tool_response":"secret"}"#;
    let (sender, receiver) = mpsc::channel();
    let (code, _) = run("PostToolUse", told, move |mut stream| {
        sender.send(swallow(&mut stream)).unwrap();
        stream.write_all(b"{}").unwrap();
    });
    assert_eq!(code, 0);
    assert_eq!(
        receiver.recv().unwrap(),
        "HOOK1 PostToolUse\n{\"tool_name\":\"Read\",\"tool_use_id\":\"t1\"}"
    );
}

#[test]
fn the_gateway_answers_and_counts() {
    let rig = Rig::new("dev-a");
    let asked =
        |event: &str| exchange(&rig.socket, event, r#"{"tool_name":"Bash"}"#, Duration::from_secs(10));
    let answer = asked("PreToolUse").unwrap();
    assert_eq!(answer["hookSpecificOutput"]["permissionDecision"], "deny", "nobody answers hooks here");
    assert_eq!(asked("Stop").unwrap(), json!({}));
    assert!(rig.core.state().bytes >= 2 * r#"HOOK1 Stop{"tool_name":"Bash"}"#.len());
    assert!(asked("Nonsense").unwrap_err().starts_with("M-FORM "));
    rig.core.state().budget = Some(30);
    assert!(asked("PreToolUse").unwrap_err().starts_with("L-RATE "));
}

#[test]
fn the_gateway_refuses_what_is_no_event() {
    let rig = Rig::new("dev-a");
    let told = |text: &str| exchange(&rig.socket, "PreToolUse", text, Duration::from_secs(20)).unwrap_err();
    assert!(told("").starts_with("M-FORM "));
    assert!(told("[]").starts_with("M-FORM "));
    assert!(told(&format!("{{\"x\":\"{}\"}}", "y".repeat(MAX as usize))).starts_with("M-SIZE "));
}
