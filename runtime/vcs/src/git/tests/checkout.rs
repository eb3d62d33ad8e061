//! Checkouts for gate runs.

use super::*;

#[test]
fn a_checkout_is_byte_for_byte() {
    let bench = Bench::new();
    let attributes = "*.txt text eol=crlf\n*.bin filter=evil\n*.id ident\n";
    bench.commit(&[(".gitattributes", attributes), ("run.sh", "#!/bin/sh\n")]);
    fs::set_permissions(bench.user.join("run.sh"), fs::Permissions::from_mode(0o755)).expect("chmod");
    symlink("../run.sh", {
        fs::create_dir(bench.user.join("d")).expect("mkdir");
        bench.user.join("d/link")
    })
    .expect("link");
    let commit = bench.commit(&[
        ("a.txt", "one\ntwo\n"),
        ("x.bin", "raw\n"),
        ("v.id", "$Id$\n"),
        ("deep/er/ü", "u\n"),
    ]);
    bench.import();
    let out = bench.dir.path().join("out");
    bench.repo.checkout_tree(&commit, &out).expect("checkout");
    let read = |path: &str| fs::read_to_string(out.join(path)).expect(path);
    assert_eq!(
        (read("a.txt").as_str(), read("v.id").as_str(), read("deep/er/ü").as_str()),
        ("one\ntwo\n", "$Id$\n", "u\n")
    );
    assert_eq!(fs::read_link(out.join("d/link")).expect("link"), Path::new("../run.sh"));
    assert_eq!(fs::metadata(out.join("run.sh")).expect("file").permissions().mode() & 0o111, 0o111);
    assert!(bench.repo.checkout_tree(&commit, &out).is_err(), "the directory is no longer empty");
    symlink("/etc/passwd", bench.user.join("out")).expect("link");
    let commit = bench.commit(&[]);
    bench.import();
    let error =
        bench.repo.checkout_tree(&commit, &bench.dir.path().join("other")).expect_err("leaves the tree");
    assert!(matches!(error, VcsError::UnsafePath { .. }), "{error}");
}
