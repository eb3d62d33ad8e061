use super::*;
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

fn state(dir: &Path) -> StateDir {
    StateRoot::at(dir).of(Path::new("/home/a/My Größe"))
}

#[test]
fn an_id_is_readable_and_differs_by_path() {
    let id = repository_id(Path::new("/home/a/My Größe"));
    assert!(id.starts_with("my-gr--e-") && id.len() <= 37, "{id}");
    assert_ne!(id, repository_id(Path::new("/home/b/My Größe")));
    assert!(repository_id(Path::new("/")).starts_with("repository-"));
    assert!(repository_id(Path::new("/ääää")).starts_with("repository-"));
    assert_eq!(repository_id(Path::new(&format!("/{}", "n".repeat(200)))).len(), 37);
}

#[test]
fn nothing_is_open_to_others() {
    let temp = tempfile::tempdir().unwrap();
    let state = state(temp.path());
    state.create().unwrap();
    state.create_role(&PrincipalId::new("dev-a").unwrap()).unwrap();
    let mut open = vec![state.root().to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.mode() & 0o077, 0, "{}", path.display());
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
    }
}

#[test]
fn a_state_that_was_opened_is_closed_again() {
    let temp = tempfile::tempdir().unwrap();
    let state = state(temp.path());
    state.create().unwrap();
    fs::set_permissions(state.ledger(), fs::Permissions::from_mode(0o755)).unwrap();
    state.create().unwrap();
    assert_eq!(fs::metadata(state.ledger()).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_link_in_place_of_the_state_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let state = state(temp.path());
    fs::create_dir(temp.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(temp.path().join("elsewhere"), state.root()).unwrap();
    let error = state.create().unwrap_err();
    assert!(error.to_string().contains("not ours"), "{error}");
}

#[test]
fn every_repository_that_was_worked_on_is_found_again() {
    let temp = tempfile::tempdir().unwrap();
    let root = StateRoot::at(temp.path());
    assert_eq!(root.all(), []);
    let made = root.of(Path::new("/home/a/one"));
    assert!(!made.exists());
    made.create().unwrap();
    fs::create_dir(temp.path().join("demo")).unwrap();
    assert!(made.exists());
    assert_eq!(root.all(), [made]);
}

#[test]
fn sockets_of_a_deep_state_are_short_and_found_again() {
    let temp = tempfile::tempdir().unwrap();
    let deep = temp.path().join("d".repeat(80));
    let state = StateRoot::at(&deep).of(&temp.path().join("repository"));
    state.create().unwrap();
    let socket = state.control_socket();
    assert!(socket.as_os_str().len() <= MAX_SOCKET_PATH, "{}", socket.display());
    std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_eq!(fs::metadata(state.sockets()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(StateRoot::at(&deep).of(&temp.path().join("repository")), state);
    fs::remove_dir_all(state.sockets()).unwrap();
}
