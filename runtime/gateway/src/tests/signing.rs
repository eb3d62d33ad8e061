//! Signatures name what the runtime asked, whatever the agent says.

use crate::testing::{CONTENT, POLICY, Rig, role};
use foureyes_protocol::{
    Body, Code, Digest, Label, Reason,
    body::{CoSignRequest, SignOffRequest, StatusReport, Subject},
};
use serde_json::{Value, json};

const ASKED: Digest = Digest([4; 32]);
const NOBODYS: &str = "0192e4a0-0000-7000-8000-000000000000";

fn request() -> SignOffRequest {
    SignOffRequest {
        subject: Subject::Tests,
        content: ASKED,
        head: None,
        lines: 3,
        files: 1,
        checks: vec![],
        evidence: vec![],
        text: String::new(),
    }
}

fn finding() -> Value {
    json!({"severity": "HIGH", "place": "src/lib.rs:3", "problem": "p", "fix": "f"})
}

#[test]
fn an_approval_copies_subject_and_content_of_the_request() {
    let rig = Rig::with_feature("dev-b");
    let id = rig.core.deliver("system", "dev-b", Some("greet"), request());
    let call = json!({"request": id, "checked": ["diff"], "ran": [], "concerns": [], "feature": "other"});
    rig.client().call("sign_off", call).unwrap();
    let (channel, draft) = rig.core.last();
    assert_eq!((channel, draft.to, draft.in_reply_to), (role("dev-b"), role("system").into(), Some(id)));
    assert_eq!(draft.feature.unwrap().as_str(), "greet");
    assert_eq!(draft.labels, [Label::Agent, Label::RepoFile].into());
    let Body::SignOffApproval(a) = draft.body else { panic!("no approval") };
    assert_eq!((a.subject, a.content, a.policy), (Subject::Tests, ASKED, POLICY));
    assert_eq!(a.checked, ["diff"]);
}

#[test]
fn content_subject_and_policy_are_no_arguments() {
    let rig = Rig::with_feature("dev-b");
    let id = rig.core.deliver("system", "dev-b", Some("greet"), request());
    for forged in ["content", "subject", "policy", "from", "role"] {
        let refused = rig.client().call("sign_off", json!({"request": id, forged: CONTENT})).unwrap_err();
        assert_eq!(refused.code, "BAD-CALL", "{forged}");
    }
    assert!(rig.core.state().submitted.is_empty());
}

#[test]
fn nobody_signs_what_another_was_asked_or_what_is_no_request() {
    let rig = Rig::with_feature("dev-a");
    let others = rig.core.deliver("system", "dev-b", Some("greet"), request());
    let report = rig.core.deliver("system", "dev-a", None, StatusReport { text: "x".into() });
    for id in [json!(others), json!(report), json!(NOBODYS)] {
        let calls = [
            ("sign_off", json!({"request": id})),
            ("reject", json!({"request": id, "findings": [finding()]})),
            ("cosign", json!({"request": id, "granted": true, "points": []})),
        ];
        for (tool, arguments) in calls {
            assert_eq!(rig.client().call(tool, arguments).unwrap_err().code, "M-NOT-ASKED", "{tool}");
        }
    }
    assert!(rig.core.state().submitted.is_empty());
}

#[test]
fn self_approval_without_a_request_is_left_to_the_rules() {
    let rig = Rig::with_feature("dev-a");
    let call = json!({"request": NOBODYS, "feature": "greet", "checked": ["all"]});
    rig.client().call("sign_off", call.clone()).unwrap();
    let (channel, draft) = rig.core.last();
    assert_eq!(channel, role("dev-a"));
    assert!(
        matches!(draft.body, Body::SignOffApproval(a) if a.subject == Subject::Change && a.content == CONTENT)
    );
    rig.core.state().refuse = Some(Reason::new(Code::SelfApproval, "dev-a wrote part of greet"));
    let refused = rig.client().call("sign_off", call).unwrap_err();
    assert_eq!(
        refused.text,
        "E-SELF (four eyes): dev-a wrote part of greet — next: \
         leave it: another pair of eyes signs it, and is drawn by the runtime"
    );
    rig.core.state().features[0].content = None;
    let refused = rig.client().call("sign_off", json!({"request": NOBODYS, "feature": "greet"}));
    assert_eq!(refused.unwrap_err().code, "M-NOT-ASKED");
}

#[test]
fn a_rejection_carries_findings() {
    let rig = Rig::new("dev-b");
    let id = rig.core.deliver("system", "dev-b", Some("greet"), request());
    rig.client().call("reject", json!({"request": id, "findings": [finding()]})).unwrap();
    let (_, draft) = rig.core.last();
    assert!(matches!(draft.body, Body::SignOffRejection(r)
        if r.content == ASKED && r.subject == Subject::Tests && r.findings[0].place == "src/lib.rs:3"));
    let refused = rig.client().call("reject", json!({"request": id, "findings": []})).unwrap_err();
    assert_eq!(refused.code, "BAD-CALL");
}

#[test]
fn a_co_sign_is_never_by_rule_when_an_agent_gives_it() {
    let rig = Rig::new("librarian");
    let wanted =
        CoSignRequest { act: "DEPLOY greet".into(), content: ASKED, evidence: vec![], points: vec![] };
    let id = rig.core.deliver("system", "librarian", Some("greet"), wanted);
    let point = json!({"point": "p", "confirmed": true, "evidence": "e"});
    rig.client().call("cosign", json!({"request": id, "granted": true, "points": [point]})).unwrap();
    let (_, draft) = rig.core.last();
    assert!(matches!(draft.body, Body::CoSign(c)
        if c.granted && !c.by_rule && c.content == ASKED && c.points[0].confirmed));
    let forged = json!({"request": id, "granted": true, "points": [], "by_rule": true});
    assert_eq!(rig.client().call("cosign", forged).unwrap_err().code, "BAD-CALL");
}
