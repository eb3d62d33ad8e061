use std::cell::Cell;
use std::rc::Rc;

use actix::prelude::*;

use super::*;

/// Counts what it handled; yields when it has a `Fairness`.
struct Flooded {
    handled: Rc<Cell<u32>>,
    fairness: Option<Fairness>,
}

impl Actor for Flooded {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(10_000);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Work;

impl Handler<Work> for Flooded {
    type Result = ();

    fn handle(&mut self, _: Work, ctx: &mut Context<Self>) {
        self.handled.set(self.handled.get() + 1);
        if let Some(fairness) = &mut self.fairness {
            fairness.tick(ctx);
        }
    }
}

/// How much of 5,000 queued messages is handled before a neighbour runs.
async fn handled_before_a_neighbour(fairness: Option<Fairness>) -> u32 {
    let handled = Rc::new(Cell::new(0));
    let flooded = Flooded { handled: handled.clone(), fairness }.start();
    tokio::task::yield_now().await;
    for _ in 0..5_000 {
        flooded.try_send(Work).unwrap();
    }
    tokio::task::yield_now().await;
    let seen = handled.get();
    flooded.send(Work).await.unwrap();
    assert_eq!(handled.get(), 5_001, "a yield loses nothing");
    seen
}

#[actix::test]
async fn a_flooded_actor_lets_its_neighbours_run_every_64_messages() {
    assert_eq!(handled_before_a_neighbour(None).await, 5_000);
    assert_eq!(handled_before_a_neighbour(Some(Fairness::default())).await, 64);
}
