//! What the commands print.

use crate::scenes;
use foureyes_display::{Page, closing, status};

/// Prints every table in colour.
pub fn print() {
    let page = Page { width: 100, colour: true };
    let view = scenes::question();
    let parts = [
        status::summary(&view, page),
        status::summary(&scenes::frozen(), page),
        status::ps(&view, page),
        status::feature_list(&view, page),
        status::gate(&view, None, page).unwrap_or_default(),
        closing::closing_table(&scenes::done(), page),
        status::status_line(&view),
    ];
    println!("{}", parts.join("\n"));
}
