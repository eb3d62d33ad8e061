//! The first line of a prompt, by which it is known again.

use foureyes_ports::backend::PromptId;

const BEGIN: &str = "[envelope-wake ";

/// The line, without its end. It also keeps what follows from being taken for a command of the
/// program, whatever it begins with.
pub(super) fn line(id: PromptId) -> String {
    format!("{BEGIN}{id}]")
}

/// The prompt that a submitted text is, when its first line says so.
pub(super) fn find(text: &str) -> Option<PromptId> {
    let id = text.trim_start().strip_prefix(BEGIN)?.split_once(']')?.0;
    uuid::Uuid::try_parse(id).ok().map(PromptId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_known_by_its_first_line_alone() {
        let id = PromptId(uuid::Uuid::from_u128(7));
        assert_eq!(find(&format!("{}\ntext", line(id))), Some(id));
        assert_eq!(find(&format!("text\n{}", line(id))), None);
        assert_eq!(find("[envelope-wake x]"), None);
        assert_eq!(find("[envelope-wake"), None);
    }
}
