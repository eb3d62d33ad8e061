//! `audit`: the ledger, checked and exported.

use super::{Place, print};
use crate::{args::AuditCommand, error::CliError, exit::Exit};
use foureyes_ledger::{
    export,
    verify::{VerifyOptions, verify_file},
};
use foureyes_protocol::envelope::{Envelope, MAX_BYTES, Sealed};
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

pub(super) fn audit(place: &Place, command: &AuditCommand) -> Result<ExitCode, CliError> {
    match command {
        AuditCommand::Verify { ledger, key, checkpoint, json } => {
            let ledger = ledger.as_ref().map_or_else(|| own(place), |path| Ok(path.clone()))?;
            let earlier = checkpoint.iter().map(|path| text(path)).collect::<Result<_, _>>()?;
            let key = key.as_deref().map(text).transpose()?;
            verify(&ledger, &VerifyOptions { key, earlier, checkpoint_file: None }, *json)
        }
        AuditCommand::Export { output } => write(&own(place)?, output.as_deref()),
    }
}

/// The ledger of the repository.
fn own(place: &Place) -> Result<PathBuf, CliError> {
    Ok(place.known_state()?.ledger_files().database())
}

fn text(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|e| CliError::file("cannot read", path, &e))
}

fn verify(ledger: &Path, options: &VerifyOptions, as_json: bool) -> Result<ExitCode, CliError> {
    if !ledger.is_file() {
        return Err(CliError::new(Exit::No, "there is no ledger")
            .at(ledger.display())
            .hint("agents run makes one"));
    }
    match verify_file(ledger, options) {
        Ok(report) if as_json => {
            let said = json!({ "ok": true, "records": report.records, "head": report.head,
                "checkpoints": report.checkpoints, "unsigned": report.unsigned });
            print(&format!("{said:#}\n"))
        }
        Ok(report) => print(&format!("{report}\n")),
        Err(failure) => {
            let said = json!({ "ok": false, "record": failure.record, "why": failure.why });
            print(&if as_json { format!("{said:#}\n") } else { format!("{failure}\n") })?;
            Ok(Exit::Audit.into())
        }
    }
}

/// The envelope of a record.
pub(super) fn envelope(bytes: &[u8]) -> Option<Envelope> {
    Sealed::of_bytes(bytes.to_vec().into()).open(MAX_BYTES).ok()
}

/// A record's body as JSON: the envelope, or its bytes where it is none.
fn decode(bytes: &[u8]) -> Value {
    let decoded = envelope(bytes).and_then(|envelope| serde_json::to_value(envelope).ok());
    decoded.unwrap_or_else(|| json!({ "undecodable": hex::encode(bytes) }))
}

fn write(ledger: &Path, output: Option<&Path>) -> Result<ExitCode, CliError> {
    let failed = |e: &foureyes_ledger::ExportError| {
        CliError::new(Exit::Internal, "cannot export the ledger").at(ledger.display()).because(e)
    };
    let Some(path) = output else {
        let mut out = BufWriter::new(io::stdout().lock());
        return match export(ledger, &mut out, &decode) {
            Err(foureyes_ledger::ExportError::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => {
                Ok(Exit::Ok.into())
            }
            exported => exported.map(|_| Exit::Ok.into()).map_err(|e| failed(&e)),
        };
    };
    // It holds what everybody said: for the owner only.
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|e| CliError::file("cannot make the export", path, &e))?;
    let mut out = BufWriter::new(file);
    let count = export(ledger, &mut out, &decode).map_err(|e| failed(&e))?;
    out.flush()
        .and_then(|()| out.get_ref().sync_all())
        .map_err(|e| CliError::file("cannot write the export", path, &e))?;
    print(&format!("{count} records in {}\n", path.display()))
}
