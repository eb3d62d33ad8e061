use super::{
    protocol::{Hand, Request, Response, RoleAction, Typed},
    *,
};
use crate::{
    exit::Exit,
    state::{StateDir, StateRoot},
};
use foureyes_display::attach::{ScreenFeed, ScreenUpdate};
use foureyes_ports::{
    screen::ScreenSnapshot,
    view::{QuestionView, RoleState, View},
};
use foureyes_protocol::{
    Address, Code, Digest, Family, FeatureId, MessageId, PrincipalId, Reason, body::FeatureAction,
};
use std::{
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    sync::Arc,
};
use tokio::sync::watch;

struct Fake {
    views: watch::Sender<Arc<View>>,
    taken: watch::Sender<Vec<String>>,
}

struct OneScreen(Option<ScreenUpdate>);

#[async_trait::async_trait]
impl ScreenFeed for OneScreen {
    async fn next(&mut self) -> Option<ScreenUpdate> {
        self.0.take()
    }
}

fn role(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

#[async_trait::async_trait]
impl ControlHandler for Fake {
    fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.subscribe()
    }
    async fn screen(&self, id: &PrincipalId) -> Option<Box<dyn ScreenFeed>> {
        let update = ScreenUpdate {
            role: id.clone(),
            family: Family::Dev,
            state: RoleState::Busy,
            work: String::new(),
            restarts: 0,
            taken: false,
            screen: Arc::new(ScreenSnapshot::of_text("hello", 3, 10)),
        };
        (*id == role("dev-a")).then(|| Box::new(OneScreen(Some(update))) as Box<dyn ScreenFeed>)
    }
    async fn request(&self, id: FeatureId, title: String, text: String) -> Done {
        Ok(format!("request {id} {title} {text}"))
    }
    async fn steer(&self, id: FeatureId, action: FeatureAction, reason: String) -> Done {
        Ok(format!("steer {id} {action:?} {reason}"))
    }
    async fn send(&self, to: Address, text: String, _: Option<FeatureId>) -> Done {
        Ok(format!("send {to} {text}"))
    }
    async fn question(&self, which: &str) -> Result<QuestionView, Reason> {
        Ok(QuestionView {
            id: MessageId::from_parts(1, [0; 10]),
            number: which.parse().unwrap(),
            from: role("dev-a"),
            feature: None,
            what: "question".to_owned(),
            text: "why?".to_owned(),
            options: Vec::new(),
            decision: None,
            at_ms: 1,
        })
    }
    async fn answer(&self, which: &str, text: &str) -> Done {
        Ok(format!("answer {which} {text}"))
    }
    async fn approve(&self, which: &str, typed: Option<Typed>) -> Done {
        Ok(format!("approve {which} {}", typed.unwrap_or_default().code))
    }
    async fn reject(&self, which: &str, findings: &[String]) -> Done {
        Ok(format!("reject {which} {}", findings.join("+")))
    }
    async fn freeze(&self, _: String) -> Done {
        Err(Reason::new(Code::Frozen, "it is frozen already"))
    }
    async fn unfreeze_decision(&self) -> Result<Digest, Reason> {
        Ok(Digest::of(b"x"))
    }
    async fn unfreeze(&self, report: String, typed: Typed) -> Done {
        Ok(format!("unfreeze {report} {}", typed.digest))
    }
    async fn role(&self, id: &PrincipalId, action: RoleAction) -> Done {
        Ok(format!("role {id} {action:?}"))
    }
    async fn take(&self, id: &PrincipalId) -> Result<bool, Reason> {
        let free = self.taken.send_if_modified(|done| {
            let free = done.last().is_none_or(|last| last == "given back");
            free.then(|| done.push(format!("taken {id}"))).is_some()
        });
        free.then_some(true).ok_or_else(|| Reason::new(Code::Receiver, "it is taken already"))
    }
    async fn give_back(&self, _: &PrincipalId) {
        self.taken.send_modify(|done| done.push("given back".to_owned()));
    }
    async fn type_to(&self, id: &PrincipalId, keys: &[u8]) -> Done {
        self.taken.send_modify(|done| done.push(format!("{id} keys {}", keys.escape_ascii())));
        Ok(String::new())
    }
    async fn say_to(&self, _: &PrincipalId, text: String) -> Done {
        Err(Reason::new(Code::Frozen, format!("not {text}")))
    }
    async fn crash(&self, path: &str) -> Done {
        Ok(format!("crash {path}"))
    }
    async fn down(&self) -> Done {
        Ok("down".to_owned())
    }
}

struct Served {
    client: Client,
    views: watch::Sender<Arc<View>>,
    taken: watch::Receiver<Vec<String>>,
    _runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

fn state(dir: &tempfile::TempDir) -> StateDir {
    let state = StateRoot::at(&dir.path().join("s")).of(&dir.path().join("r"));
    state.create().unwrap();
    state
}

fn served() -> Served {
    let dir = tempfile::tempdir().unwrap();
    let state = state(&dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (views, _) = watch::channel(Arc::new(View { repository: "first".to_owned(), ..View::default() }));
    let (done, taken) = watch::channel(Vec::new());
    let handler = Arc::new(Fake { views: views.clone(), taken: done });
    let listener = {
        let _inside = runtime.enter();
        server::listen(&state.control_socket()).unwrap()
    };
    runtime.spawn(server::serve(listener, handler));
    Served { client: Client::new(state), views, taken, _runtime: runtime, _dir: dir }
}

#[test]
fn every_act_reaches_the_handler_with_its_arguments() {
    let served = served();
    let id = FeatureId::new("greet").unwrap();
    let typed = Typed { digest: "0123".to_owned(), code: "000000".to_owned() };
    let text = |s: &str| s.to_owned();
    let acts = [
        (Request::Feature { id: id.clone(), title: text("T"), text: text("a\nb") }, "request greet T a\nb"),
        (Request::Steer { id, action: FeatureAction::Pause, reason: text("why") }, "steer greet Pause why"),
        (Request::Send { to: Address::All, text: text("hi"), feature: None }, "send all hi"),
        (Request::Answer { which: text("3"), text: text("yes") }, "answer 3 yes"),
        (Request::Approve { which: text("3"), typed: Some(typed.clone()) }, "approve 3 000000"),
        (Request::Reject { which: text("3"), findings: vec![text("a"), text("b")] }, "reject 3 a+b"),
        (Request::Unfreeze { report: text("ok"), typed }, "unfreeze ok 0123"),
        (Request::Role { role: role("dev-a"), action: RoleAction::Restart }, "role dev-a Restart"),
        (Request::Crash(text("services/registry")), "crash services/registry"),
        (Request::Down, "down"),
    ];
    for (request, wanted) in acts {
        assert_eq!(served.client.act(request).unwrap(), wanted);
    }
    assert_eq!(served.client.view().unwrap().repository, "first");
    assert_eq!(served.client.question("7").unwrap().number, 7);
    assert_eq!(served.client.unfreeze_decision().unwrap(), Digest::of(b"x"));
}

#[test]
fn a_refusal_names_its_rule() {
    let served = served();
    let error = served.client.act(Request::Freeze { reason: "x".to_owned() }).unwrap_err();
    assert_eq!(error.exit, Exit::Refused);
    assert_eq!(error.to_string(), "error: it is frozen already (V-FROZEN, librarian veto)");
}

#[test]
fn the_picture_is_followed_until_one_has_enough() {
    let served = served();
    let mut seen = Vec::new();
    served
        .client
        .stream(Request::Watch, &mut |response| {
            let Response::View(view) = response else { panic!("{response:?}") };
            served.views.send_replace(Arc::new(View { repository: "second".to_owned(), ..View::default() }));
            seen.push(view.repository);
            seen.len() < 2
        })
        .unwrap();
    assert_eq!(seen, ["first", "second"]);
}

#[test]
fn screens_come_until_the_role_is_gone() {
    let served = served();
    let mut text = String::new();
    let mut take = |response| {
        let Response::Screen(update) = response else { panic!("{response:?}") };
        text = ScreenUpdate::from(*update).screen.to_text();
        true
    };
    served.client.stream(Request::Screen(role("dev-a")), &mut take).unwrap();
    assert_eq!(text, "hello");
    let error = served.client.stream(Request::Screen(role("dev-z")), &mut |_| true).unwrap_err();
    assert!(error.to_string().contains("no role dev-z"), "{error}");
}

#[test]
fn a_role_is_taken_by_one_connection_and_given_back_at_its_end() {
    let mut served = served();
    let mut first = served.client.take(role("dev-a")).unwrap();
    assert!(first.has_terminal());
    let refused = served.client.take(role("dev-a")).unwrap_err();
    assert!(refused.to_string().contains("it is taken already"), "{refused}");
    first.hand(&Hand::Keys(b"ls\x1b[A\r\xff".to_vec())).unwrap();
    let refused = first.hand(&Hand::Say("now".to_owned())).unwrap_err();
    assert_eq!((refused.exit, refused.what.as_str()), (Exit::Refused, "not now"));
    drop(first);
    let wanted = ["taken dev-a", "dev-a keys ls\\x1b[A\\r\\xff", "given back"];
    let inside = served._runtime.handle().clone();
    let came = served.taken.wait_for(|done| done.len() == wanted.len());
    let came =
        inside.block_on(async { tokio::time::timeout(std::time::Duration::from_secs(20), came).await });
    assert_eq!(*came.unwrap().unwrap(), wanted);
    served.client.take(role("dev-a")).unwrap();
}

#[test]
fn what_is_no_request_is_told_so() {
    let served = served();
    for line in ["{}\n", "rubbish\n", "{\"version\":99,\"request\":\"view\"}\n"] {
        let mut stream = UnixStream::connect(served.client.state().control_socket()).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("{\"failed\":") && answer.contains("restart"), "{answer}");
    }
}

#[test]
fn a_socket_is_its_owner_s_and_no_second_one_listens() {
    let served = served();
    let socket = served.client.state().control_socket();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let error = server::listen(&socket).unwrap_err();
    assert_eq!(error.exit, Exit::AlreadyRunning);
}

#[test]
fn without_a_runtime_the_command_that_starts_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let state = state(&dir);
    // A socket that a killed runtime left behind.
    drop(std::os::unix::net::UnixListener::bind(state.control_socket()).unwrap());
    let client = Client::new(state.clone());
    assert!(!client.is_running());
    let error = client.view().unwrap_err();
    assert_eq!(error.exit, Exit::NotRunning);
    assert!(error.to_string().contains("agents run"), "{error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    server::listen(&state.control_socket()).expect("the left-over is replaced");
}
