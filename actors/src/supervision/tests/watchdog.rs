use std::sync::mpsc;
use std::time::Duration;

use super::*;

#[test]
fn a_stall_and_a_recovery_are_told_once_each() {
    let mut detector = StallDetector::new(100, 0, 0);
    let looks = [(1, 50), (1, 149), (1, 150), (1, 400), (2, 425), (2, 450), (2, 525)];
    let seen: Vec<_> = looks.into_iter().map(|(beat, now)| detector.observe(beat, now)).collect();
    let (stalled, recovered) =
        (Some(Pulse::Stalled { silent_ms: 100 }), Some(Pulse::Recovered { silent_ms: 375 }));
    assert_eq!(seen, [None, None, stalled, None, recovered, None, stalled]);
}

#[actix::test]
async fn a_handler_that_does_not_return_is_noticed_from_outside() {
    let (tell, told) = mpsc::channel();
    let watchdog = Watchdog::start("test", Duration::from_millis(40), move |pulse| {
        let _ = tell.send(pulse);
    })
    .unwrap();
    tokio::task::yield_now().await;
    // This thread is the arbiter: it hangs until the watchdog has noticed.
    let stalled = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(matches!(stalled, Pulse::Stalled { silent_ms } if silent_ms >= 40), "{stalled:?}");
    let recovered = loop {
        if let Ok(pulse) = told.try_recv() {
            break pulse;
        }
        tokio::task::yield_now().await;
    };
    assert!(matches!(recovered, Pulse::Recovered { .. }), "{recovered:?}");
    drop(watchdog);
    // Ends only because the watching thread has ended, and its callback with it.
    told.iter().for_each(drop);
}
