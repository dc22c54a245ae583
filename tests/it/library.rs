//! The library in a program that keeps running, and that is not `qqmgr`.

use crate::harness::{Lab, NO_GUEST, until, vm};
use qqmgr::config::{Config, Instance};
use qqmgr::console::{self, ConsoleError, Port};
use qqmgr::ops::{Up, up};
use qqmgr::vm::{self, By, From, Lease, StartOptions};
use std::path::Path;
use std::time::Duration;

fn load(lab: &Lab) -> (Config, Instance) {
    let config = Config::load(Some(&lab.path("qqmgr.toml"))).unwrap();
    let instance = config.instance("a").unwrap();
    (config, instance)
}

fn wanted(lease: Option<Lease>) -> Up {
    let timeout = Duration::from_mins(3);
    let options = StartOptions { extra: Vec::new(), timeout, die_with_us: false };
    Up { options, conditions: Vec::new(), lease }
}

/// Whether a process exists, even as a zombie.
fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn no_zombie_is_left_of_a_vm() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let (config, instance) = load(&lab);
    let started = up(&config, &instance, &wanted(None), async |_| {}).await.unwrap().started;
    let stopped = vm::stop(&instance, From::Quit, By::Stop).await.unwrap();
    assert_eq!(stopped.pid, Some(started.pid));
    until("nothing is left of it", || (!is_there(started.pid)).then_some(()));
}

#[tokio::test]
async fn a_port_is_held_once_in_a_process() {
    let lab = Lab::running();
    let (_, instance) = load(&lab);
    let one = console::hold(&instance, Port::Serial, false).await.unwrap();
    for force in [false, true] {
        let error = console::hold(&instance, Port::Serial, force).await.unwrap_err();
        let held = error.get::<ConsoleError>();
        assert!(matches!(held, Some(ConsoleError::Held { pid: Some(_), .. })), "{error}");
        // The refused attempt has not released the lock.
        let said = lab.qqmgr("console a --until x --json").run().code(1).json();
        assert_eq!(said["error"]["code"], "console_held");
    }
    let other = console::hold(&instance, Port::Monitor, false).await.unwrap();
    drop((one, other));
    console::hold(&instance, Port::Serial, false).await.unwrap();
    lab.qqmgr("kill a").run().code(0);
}

/// If the keeper were the current executable, it would be this test program with all its tests.
#[tokio::test]
async fn leases_are_kept_by_qqmgr() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let (config, instance) = load(&lab);
    qqmgr::lease::keeper_is(Path::new(env!("CARGO_BIN_EXE_qqmgr")));
    let lease = Lease { ttl: Some(Duration::from_hours(1)), ..Lease::default() };
    up(&config, &instance, &wanted(Some(lease)), async |_| {}).await.unwrap();
    let lease = lab.qqmgr("status a --json").run().code(0).json()["lease"].clone();
    assert!(lease["expires_at"].is_u64(), "{lease}");
    vm::stop(&instance, From::Quit, By::Stop).await.unwrap();
    lab.nobody_is_left();
}
