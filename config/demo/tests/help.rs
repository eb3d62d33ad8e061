use slate::cli::HELP;

#[test]
fn help_names_every_command() {
    for command in ["sum", "smallest", "largest"] {
        assert!(HELP.contains(command), "{command} is missing in the help");
    }
}
