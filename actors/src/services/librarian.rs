//! The librarian service: holds the freeze state, counts triggers, needs no model, and freezes when
//! the librarian's agent is down.

use crate::{
    context::Context as Core,
    journal::Cursor,
    services::registry::{CatchUp, Registry, SayAll},
    supervision::{ExitCause, Restartable},
};
use actix::prelude::*;
use foureyes_policies::veto::Veto;
use foureyes_ports::governance::Draft;
use foureyes_protocol::{Address, Body, PrincipalId, Priority, Reason, Risk, body::Alert};

/// Asks whether a role may lock, sign or move a gate now.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Reason>")]
pub struct MayAct(pub PrincipalId);

/// The librarian service.
pub struct Librarian {
    core: Core,
    registry: Addr<Registry>,
    veto: Veto,
    cursor: Cursor,
    /// A batch of triggered acts is on its way.
    acting: bool,
}

impl Librarian {
    /// A service that knows the journal.
    pub fn new(core: Core, registry: Addr<Registry>) -> Self {
        Self { core, registry, veto: Veto::default(), cursor: Cursor::default(), acting: false }
    }

    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        for entry in self.cursor.next(&self.core.journal) {
            self.veto.apply(&entry.record);
        }
        if self.acting {
            return;
        }
        let bodies = self.veto.triggered(&self.core.facts.triggers(), self.core.ports.clock.now_ms());
        if !bodies.is_empty() {
            self.act(bodies.into_iter().flat_map(drafts).collect(), ctx);
        }
    }

    fn act(&mut self, drafts: Vec<Draft>, ctx: &mut Context<Self>) {
        self.acting = true;
        let send = self.registry.send(SayAll(drafts)).into_actor(self).map(|answer, librarian, ctx| {
            librarian.acting = false;
            match answer {
                Ok(Ok(_)) => librarian.catch_up(ctx),
                other => tracing::error!(?other, "a triggered freeze or quarantine was not admitted"),
            }
        });
        ctx.spawn(send);
    }
}

/// The act itself, and an alert where a person must look.
fn drafts(body: Body) -> Vec<Draft> {
    let text = match &body {
        Body::Quarantine(q) => format!("{} is set aside: {}", q.role, q.reason),
        Body::Freeze(f) => format!("everything is frozen: {}", f.reason),
        _ => String::new(),
    };
    let event = body.kind().as_str().to_lowercase();
    let act = Draft { priority: Priority::Critical, ..Draft::new(Address::All, body) };
    let alert = Alert { severity: Risk::Critical, event, text };
    vec![act, Draft { priority: Priority::Critical, ..Draft::new(Address::user(), alert) }]
}

impl Actor for Librarian {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        self.catch_up(ctx);
    }
}

impl Restartable for Librarian {
    fn rebuild(&mut self, _: &mut Context<Self>, _: &ExitCause) {
        self.veto = Veto::default();
        self.cursor = Cursor::default();
        self.acting = false;
    }
}
crate::supervised!(Librarian);

impl Handler<CatchUp> for Librarian {
    type Result = ();
    fn handle(&mut self, _: CatchUp, ctx: &mut Context<Self>) {
        self.catch_up(ctx);
    }
}

impl Handler<MayAct> for Librarian {
    type Result = Result<(), Reason>;
    fn handle(&mut self, ask: MayAct, ctx: &mut Context<Self>) -> Self::Result {
        self.catch_up(ctx);
        self.veto.may_act(&ask.0)
    }
}
