//! The same for Rust programs: `qqmgr::events::subscribe`.

use super::{Listener, Qmp, running};
use crate::harness::{Lab, until};
use qqmgr::events::{EventStream, subscribe};
use std::time::Duration;

/// A subscription of this very process. Its relay has to be there already: a test's own program
/// can't serve as one.
async fn subscribed(lab: &Lab) -> EventStream {
    let config = qqmgr::config::Config::load(Some(&lab.path("qqmgr.toml"))).unwrap();
    subscribe(&config.instance("a").unwrap()).await.unwrap()
}

/// QEMU resets some time after it has said that it will.
async fn next_but_reset(stream: &mut EventStream) -> String {
    loop {
        match stream.next().await.unwrap().unwrap().name {
            name if name == "RESET" => {}
            name => return name,
        }
    }
}

#[tokio::test]
async fn nothing_is_missed_after_subscribe() {
    let lab = running();
    let keep = Listener::start(&lab, "out", "");
    let mut qmp = Qmp::open(&lab);
    keep.hears(&mut qmp);
    for _ in 0..100 {
        let mut stream = subscribed(&lab).await;
        qmp.run(&["stop", "cont"]);
        for wanted in ["STOP", "RESUME"] {
            assert_eq!(next_but_reset(&mut stream).await, wanted);
        }
    }
    keep.kill();
}

#[tokio::test]
async fn a_stuck_listener_is_told_and_stops_nobody() {
    let lab = running();
    let quick = Listener::start(&lab, "out", "--filter STOP --filter RESET");
    let all = Listener::start(&lab, "all", "");
    let mut qmp = Qmp::open(&lab);
    all.hears(&mut qmp);
    quick.hears(&mut qmp);
    let stops = || quick.names().iter().filter(|name| *name == "STOP").count();
    let mut stuck = subscribed(&lab).await;
    for batch in 1..=40 {
        for _ in 0..100 {
            qmp.run(&["stop", "cont"]);
        }
        until("the quick one has it all", || (stops() == batch * 100).then_some(()));
    }
    let mut heard = 0;
    let lost = loop {
        match stuck.next().await {
            Ok(event) => heard += usize::from(event.is_some()),
            Err(error) => break error,
        }
    };
    assert!(0 < heard && heard < 8000, "{heard}");
    assert_eq!(lost.code(), "events_lost");
    // It goes on after the gap, to the end; a wait that is given up loses nothing.
    loop {
        tokio::select! {
            event = stuck.next() => break assert!(event.unwrap().is_some()),
            () = tokio::time::sleep(Duration::from_millis(20)) => qmp.run(&["stop", "cont"]),
        }
    }
    qmp.run(&["quit"]);
    let mut last = String::new();
    while let Some(event) = stuck.next().await.unwrap() {
        last = event.name;
    }
    assert_eq!(last, "SHUTDOWN");
    assert!(stuck.next().await.unwrap().is_none());
    assert_eq!((quick.end(), all.end()), (0, 0));
}
