//! `agents ps`: the roles and services with their health.

use crate::ink::{self, Ink};
use crate::page::Page;
use crate::table::{Cell, Table, cell, flexible, inked, left, right};
use crate::words;
use foureyes_ports::view::{RoleView, ServiceView, View};

/// The roles and services with their health.
pub fn ps(view: &View, page: Page) -> String {
    let columns = [
        left("ROLE"),
        left("STATE"),
        right("PID"),
        right("RESTARTS"),
        right("UNREAD"),
        right("QUIET"),
        right("MEMORY"),
        right("TURNS"),
        right("USD"),
        left("BACKEND"),
        flexible("WORK"),
    ];
    let mut table = Table::new(&columns);
    view.roles.iter().for_each(|role| table.row(role_row(role)));
    let mut out = table.render(page);
    if !view.services.is_empty() {
        out.push('\n');
        out.push_str(&services(&view.services, page));
    }
    out
}

fn role_row(role: &RoleView) -> Vec<Cell> {
    let unread = match role.unread {
        0 => "0".to_owned(),
        n => format!("{n} ({})", words::duration(role.oldest_unread_ms)),
    };
    vec![
        inked(ink::family(role.family), role.id.as_str()),
        inked(ink::state(role.state), format!("{} {}", ink::state_mark(role.state), role.state)),
        cell(role.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())),
        cell(role.restarts.to_string()),
        cell(unread),
        inked(Ink::Dim, words::duration(role.quiet_ms)),
        cell(words::memory(role.memory)),
        cell(role.turns.to_string()),
        cell(if role.spent.requests == 0 { "-".to_owned() } else { words::money(&role.spent) }),
        inked(Ink::Dim, &role.backend),
        cell(role.held.as_deref().map_or_else(|| role.work.clone(), |why| format!("held: {why}"))),
    ]
}

fn services(services: &[ServiceView], page: Page) -> String {
    let mut table = Table::new(&[left("SERVICE"), left("STATE"), right("RESTARTS")]);
    for service in services {
        let (text, colour) = if service.responsive {
            ("● responsive", Ink::Green)
        } else {
            ("✗ not responsive", Ink::Red)
        };
        table.row(vec![cell(&service.name), inked(colour, text), cell(service.restarts.to_string())]);
    }
    table.render(page)
}
