//! Where credentials are found.

use crate::{
    proxy::{CredentialState, Settings},
    testing::*,
};
use foureyes_config::sections::model::{Credentials, Model, Provider};
use foureyes_ports::model::ModelTrouble;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const ALL: [(&str, &str); 3] = [
    ("ANTHROPIC_API_KEY", "sk-ant-api03-k"),
    ("ANTHROPIC_AUTH_TOKEN", "gateway-token"),
    ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-o"),
];

/// The headers that carry what was found, as the provider gets them.
async fn sent(model: &Model, pairs: &[(&str, &str)], home: &Path) -> Vec<String> {
    let mut upstream = Upstream::start(vec![answer("200 OK", "", "{}")]).await;
    let model = Model { base_url: Some(upstream.url()), ..model.clone() };
    let world = World::new(&model, &env(pairs), home);
    let path = match model.provider {
        Provider::Bedrock => "/model/claude/invoke",
        Provider::Vertex => "/v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict",
        _ => "/v1/messages",
    };
    let head = world.head("POST", path, "anthropic-beta: a,b\r\nanthropic-beta: c\r\n", 2);
    assert_eq!(world.raw(&format!("{head}{{}}")).await.status, 200);
    let request = upstream.request().await;
    let carries =
        |line: &&str| ["x-api-key", "authorization", "anthropic-beta"].iter().any(|n| line.starts_with(n));
    request.lines().filter(carries).map(str::to_owned).collect()
}

fn login(home: &Path, token: &str, expires_at: u64) {
    let dir = home.join(".claude");
    fs::create_dir_all(&dir).unwrap();
    let login = serde_json::json!({ "claudeAiOauth": {
        "accessToken": token, "refreshToken": "never used", "expiresAt": expires_at, "scopes": ["user:inference"],
    } });
    let new = dir.join("new");
    fs::write(&new, login.to_string()).unwrap();
    fs::rename(new, dir.join(".credentials.json")).unwrap();
}

#[tokio::test]
async fn they_are_looked_for_in_order_and_sent_as_their_kind_wants() {
    let home = tempfile::tempdir().unwrap();
    login(home.path(), "sk-ant-oat01-login", NOW + 1);
    let oauth = |token: &str| {
        vec![format!("authorization: Bearer {token}"), "anthropic-beta: a,b,c,oauth-2025-04-20".to_owned()]
    };
    let plain =
        |line: &str| vec![line.to_owned(), "anthropic-beta: a,b".to_owned(), "anthropic-beta: c".to_owned()];
    let table = [
        (Credentials::Auto, 0, plain("x-api-key: sk-ant-api03-k")),
        (Credentials::Auto, 1, plain("authorization: Bearer gateway-token")),
        (Credentials::Auto, 2, oauth("sk-ant-oat01-o")),
        (Credentials::Auto, 3, oauth("sk-ant-oat01-login")),
        (Credentials::ApiKey, 0, plain("x-api-key: sk-ant-api03-k")),
        (Credentials::Bearer, 0, plain("authorization: Bearer gateway-token")),
        (Credentials::Subscription, 0, oauth("sk-ant-oat01-o")),
        (Credentials::Subscription, 3, oauth("sk-ant-oat01-login")),
    ];
    for (credentials, without, mut expected) in table {
        let model = Model { credentials, ..Model::default() };
        let mut got = sent(&model, &ALL[without..], home.path()).await;
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected, "{credentials:?} without {without}");
    }
}

#[tokio::test]
async fn clouds_have_their_own() {
    let variables =
        [ALL[0], ("AWS_BEARER_TOKEN_BEDROCK", "aws-token"), ("GOOGLE_OAUTH_ACCESS_TOKEN", "google-token")];
    for (provider, token) in [(Provider::Bedrock, "aws-token"), (Provider::Vertex, "google-token")] {
        let model = Model { provider, ..Model::default() };
        let got = sent(&model, &variables, Path::new("/nonexistent")).await;
        assert!(got.contains(&format!("authorization: Bearer {token}")), "{got:?}");
        assert!(!got.iter().any(|line| line.starts_with("x-api-key")));
        let unfit = Model { credentials: Credentials::Subscription, ..model };
        let error = Settings::new(&unfit, &env(&[]), Path::new("/")).unwrap_err();
        assert!(error.to_string().contains("use `auto, bearer or file`"), "{error}");
    }
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let write = |text: &str| {
        let new = dir.path().join("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, &path).unwrap();
    };
    let mut upstream = Upstream::start(vec![answer("200 OK", "", "{}")]).await;
    let model = Model {
        credentials: Credentials::File,
        credentials_file: Some(path.clone()),
        ..config(&upstream.url())
    };
    let world = World::new(&model, &env(&ALL), dir.path());
    assert_eq!(world.ask("{}").await.status, 401, "there is none yet");
    for (text, header) in [
        ("sk-ant-api03-one\n", "x-api-key: sk-ant-api03-one"),
        ("sk-ant-oat01-two", "authorization: Bearer sk-ant-oat01-two"),
    ] {
        write(text);
        assert_eq!(world.ask("{}").await.status, 200);
        assert!(upstream.request().await.contains(header));
    }
    assert!(matches!(world.proxy.credential_state(), CredentialState::Found { warning: None, .. }));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let CredentialState::Found { warning: Some(warning), .. } = world.proxy.credential_state() else {
        panic!()
    };
    assert!(warning.contains("others can read it (mode 0644): chmod 600"), "{warning}");
    write("two lines\nof text");
    assert!(world.proxy.credential_state().to_string().contains("holds no key"));
}

#[tokio::test]
async fn the_users_login_is_never_written_and_its_end_is_told() {
    let home = tempfile::tempdir().unwrap();
    login(home.path(), CANARY, NOW + 60_000);
    let path = home.path().join(".claude/.credentials.json");
    let before = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
    let upstream = Upstream::start(vec![answer("200 OK", "", "{}")]).await;
    let world = World::new(&config(&upstream.url()), &env(&[]), home.path());
    assert_eq!(world.ask("{}").await.status, 200);
    world.clock.advance(60_000);
    let got = world.ask("{}").await;
    assert_eq!(got.status, 401);
    assert!(got.message().contains("ended at 2025-11-26 23:34 UTC: run `claude` once"), "{}", got.message());
    assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap()), before);
    // The user's own CLI renews it.
    login(home.path(), CANARY, NOW + 3_600_000);
    assert_eq!(world.ask("{}").await.status, 200);
}

#[tokio::test]
async fn where_there_are_none_everything_says_what_to_set() {
    let world = World::new(
        &config("http://127.0.0.1:1"),
        &env(&[("ANTHROPIC_API_KEY", " ")]),
        Path::new("/nonexistent"),
    );
    let got = world.ask("{}").await;
    assert_eq!(got.status, 401);
    assert!(got.head.contains("x-should-retry: false"));
    for name in ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "`claude`"] {
        assert!(got.message().contains(name), "{}", got.message());
    }
    assert!(
        matches!(&world.watch.troubles()[..], [ModelTrouble::Auth(why)] if why.starts_with("no credentials"))
    );
}

#[test]
fn the_state_reads_well() {
    let home = tempfile::tempdir().unwrap();
    login(home.path(), CANARY, NOW + 60_000);
    fs::set_permissions(home.path().join(".claude/.credentials.json"), fs::Permissions::from_mode(0o600))
        .unwrap();
    let none = Path::new("/nonexistent");
    let auto = Model::default();
    let key = Model { credentials: Credentials::ApiKey, ..Model::default() };
    let bedrock = Model { provider: Provider::Bedrock, ..Model::default() };
    let file = Model {
        credentials: Credentials::File,
        credentials_file: Some("/nonexistent/key".into()),
        ..Model::default()
    };
    let stand_in = Model { provider: Provider::StandIn, ..config("http://127.0.0.1:1") };
    let bad = [("ANTHROPIC_API_KEY", "two words")];
    type Case<'a> = (&'a Model, &'a [(&'a str, &'a str)], &'a Path);
    let cases: [Case; 9] = [
        (&auto, &ALL, none),
        (&auto, &ALL[1..], none),
        (&auto, &[], home.path()),
        (&auto, &[], none),
        (&key, &ALL[1..], none),
        (&key, &bad, none),
        (&bedrock, &ALL, none),
        (&file, &ALL, none),
        (&stand_in, &[], none),
    ];
    let lines = cases.map(|(model, pairs, home)| {
        Settings::new(model, &env(pairs), home).unwrap().credential_state(NOW).to_string()
    });
    let shown = lines.join("\n").replace(&home.path().display().to_string(), "<home>");
    insta::assert_snapshot!(shown);
    assert!(!shown.contains(CANARY));
}
