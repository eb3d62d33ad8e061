//! `costs`: what models were used for, as the ledger says; also while no runtime runs.

use super::{Place, audit::envelope, print};
use crate::{error::CliError, exit::Exit, terminal};
use foureyes_display::{
    costs::{CostLine, CostsView, costs as tables},
    status,
};
use foureyes_ledger::export;
use foureyes_policies::{
    costs::{Costs, Line, Sum},
    record::Record,
};
use foureyes_ports::view::SpentView;
use serde_json::Value;
use std::{cell::RefCell, io, path::Path, process::ExitCode, sync::Arc};

pub(super) fn costs(place: &Place, json: bool) -> Result<ExitCode, CliError> {
    let ledger = place.known_state()?.ledger_files().database();
    let view = view(&read(&ledger)?);
    print(&if json { status::json(&view) } else { tables(&view, terminal::page()) })
}

fn read(ledger: &Path) -> Result<Costs, CliError> {
    let found = RefCell::new(Costs::default());
    let decode = |bytes: &[u8]| {
        if let Some(envelope) = envelope(bytes) {
            let record = Record { index: 0, at_ms: envelope.sent_at, envelope: Arc::new(envelope) };
            found.borrow_mut().apply(&record);
        }
        Value::Null
    };
    export(ledger, &mut io::sink(), &decode).map_err(|e| {
        CliError::new(Exit::Internal, "cannot read the ledger").at(ledger.display()).because(&e)
    })?;
    Ok(found.into_inner())
}

fn view(costs: &Costs) -> CostsView {
    CostsView {
        roles: lines(costs, |l| l.role.to_string()),
        features: lines(costs, |l| match (&l.feature, l.gate) {
            (Some(feature), Some(gate)) => format!("{feature} at {gate}"),
            (Some(feature), None) => feature.to_string(),
            (None, _) => "no feature".to_owned(),
        }),
        models: lines(costs, |l| l.model.clone()),
        total: spent(&costs.total()),
    }
}

fn lines(costs: &Costs, what: impl Fn(&Line) -> String) -> Vec<CostLine> {
    costs.by(what).into_iter().map(|(what, sum)| CostLine { what, spent: spent(&sum) }).collect()
}

fn spent(sum: &Sum) -> SpentView {
    SpentView { requests: sum.requests, tokens: sum.tokens(), microusd: sum.microusd, unpriced: sum.unpriced }
}
