//! The events for Rust programs: `qqmgr::events`.

use super::Qmp;
use crate::harness::{Lab, fake_qemu};
use qqmgr::events::{EventStream, Told, history, subscribe};
use std::time::Duration;

fn instance(lab: &Lab) -> qqmgr::config::Instance {
    let config = qqmgr::config::Config::load(Some(&lab.path("qqmgr.toml"))).unwrap();
    config.instance("a").unwrap()
}

/// QEMU resets some time after it has announced that.
async fn next_but_reset(stream: &mut EventStream) -> String {
    loop {
        match stream.next().await.unwrap().unwrap() {
            Told::Event(event) if event.name == "RESET" => {}
            Told::Event(event) => return event.name,
            Told::Gap(bytes) => panic!("{bytes} bytes are missing"),
        }
    }
}

#[tokio::test]
async fn nothing_is_missed_after_subscribe() {
    let lab = Lab::running();
    let mut qmp = Qmp::open(&lab);
    for _ in 0..100 {
        let mut stream = subscribe(&instance(&lab)).unwrap();
        qmp.run(&["stop", "cont"]);
        for wanted in ["STOP", "RESUME"] {
            assert_eq!(next_but_reset(&mut stream).await, wanted);
        }
    }
}

#[tokio::test]
async fn one_that_reads_late_misses_nothing() {
    let lab = Lab::running();
    let mut qmp = Qmp::open(&lab);
    let mut late = subscribe(&instance(&lab)).unwrap();
    for _ in 0..4000 {
        qmp.run(&["stop", "cont"]);
    }
    for _ in 0..4000 {
        assert_eq!(next_but_reset(&mut late).await, "STOP");
        assert_eq!(next_but_reset(&mut late).await, "RESUME");
    }
    // A cancelled wait loses nothing.
    loop {
        tokio::select! {
            event = late.next() => break assert!(event.unwrap().is_some()),
            () = tokio::time::sleep(Duration::from_millis(20)) => qmp.run(&["stop", "cont"]),
        }
    }
    qmp.run(&["quit"]);
    while next_but_reset(&mut late).await != "SHUTDOWN" {}
    assert!(late.next().await.unwrap().is_none());
    assert!(late.next().await.unwrap().is_none());
}

/// A log that grows too long is cut as it is read, and readers report the gap.
#[tokio::test]
async fn a_log_that_grows_too_long_is_cut_behind_its_reader() {
    let lab = Lab::new(&fake_qemu("a", "storm=300000"));
    lab.qqmgr("start a").run().code(0);
    let mut first = subscribe(&instance(&lab)).unwrap();
    // QEMU writes the events before it replies to the next command.
    Qmp::open(&lab).run(&["x-storm", "query-status"]);
    let on_disk = || {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(lab.vm_file("a", "events.out")).unwrap().blocks() * 512
    };
    let length = std::fs::metadata(lab.vm_file("a", "events.out")).unwrap().len();
    assert!(length > 20 << 20, "{length}");
    let mut heard = 0;
    while heard < 300_000 {
        match first.next().await.unwrap().unwrap() {
            Told::Event(event) => {
                assert_eq!(event.data["number"], heard);
                heard += 1;
            }
            Told::Gap(bytes) => panic!("{bytes} bytes are missing for who reads first"),
        }
    }
    assert!(on_disk() < 10 << 20, "{}", on_disk());
    // The rest is complete to its end, and a late reader is told what is missing.
    let mut late = history(&instance(&lab)).unwrap();
    let (mut missing, mut next) = (0, 0);
    while next < 300_000 {
        match late.next().await.unwrap().unwrap() {
            Told::Event(event) => {
                let number = event.data["number"].as_u64().unwrap();
                assert!(next == number || missing > 0, "{next} {number}");
                next = number + 1;
            }
            Told::Gap(bytes) => missing += bytes,
        }
    }
    assert!(missing > 10 << 20, "{missing}");
    let shown = lab.qqmgr("events a --all --timeout 0").run().code(0).text();
    assert_eq!(shown.matches(" bytes of events are missing here --\n").count(), 1);
    assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "running");
    lab.qqmgr("stop a").run().code(0);
}
