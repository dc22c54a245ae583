//! `status`: text, JSON and exit code.

use crate::harness::{Lab, NO_GUEST, until, vm};

const FILES: &str = "  pidfile  [DIR]/.qqmgr/vm.a/pid
  serial   [DIR]/.qqmgr/vm.a/serial
  QMP      [DIR]/.qqmgr/vm.a/qmp.socket
  monitor  [DIR]/.qqmgr/vm.a/monitor.socket
  stdout   [DIR]/.qqmgr/vm.a/stdout
  stderr   [DIR]/.qqmgr/vm.a/stderr
";

const FILES_JSON: &str = "\"stopping\":false,\"lease\":null,\"keeper_error\":null,\"ended\":null,\"configured\":true,\
    \"dir\":\"[DIR]/.qqmgr/vm.a\",\
    \"pid_file\":\"[DIR]/.qqmgr/vm.a/pid\",\
    \"serial_file\":\"[DIR]/.qqmgr/vm.a/serial\",\
    \"qmp_file\":\"[DIR]/.qqmgr/vm.a/qmp.socket\",\
    \"monitor_file\":\"[DIR]/.qqmgr/vm.a/monitor.socket\",\
    \"stdout_file\":\"[DIR]/.qqmgr/vm.a/stdout\",\
    \"stderr_file\":\"[DIR]/.qqmgr/vm.a/stderr\"}\n";

#[test]
fn stopped() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let text = format!("a: stopped\n  SSH      port 2222\n{FILES}");
    lab.qqmgr("status a").run().ok(&text);
    lab.qqmgr("status a --exit-code").run().expect(4, &text, "");
    lab.qqmgr("status a --json").run().ok(&format!(
        "{{\"name\":\"a\",\"state\":\"stopped\",\"state_detail\":null,\"pid\":null,\"uptime_seconds\":null,\
         \"qemu_version\":null,\"ssh\":{{\"port\":2222,\"host\":null}},\"ports\":{{}},\"forwards\":[],{FILES_JSON}"
    ));
    assert!(!lab.path(".qqmgr").exists(), "looking makes no directory");
}

#[test]
fn running_with_forwarded_ports_then_paused() {
    let ports = [crate::harness::free_port(), crate::harness::free_port()];
    let [web, udp] = ports;
    let lab = Lab::new(&vm(
        "a",
        &format!(
            "{NO_GUEST} -netdev user,id=n,hostfwd=tcp:127.0.0.1:{web}-:80,hostfwd=udp::{udp}-:53"
        ),
    ));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("status a --exit-code").run().ok(&format!(
        "a: running\n  pid      [PID]\n  uptime   [SECONDS]\n  QEMU     [VERSION]\n  \
         SSH      port 2222\n  forward  tcp 127.0.0.1:{web} -> 80\n  forward  udp :{udp} -> 53\n{FILES}"
    ));
    lab.qqmgr("status a --json").run().ok(&format!(
        "{{\"name\":\"a\",\"state\":\"running\",\"state_detail\":null,\"pid\":[PID],\"uptime_seconds\":[SECONDS],\
         \"qemu_version\":\"[VERSION]\",\"ssh\":{{\"port\":2222,\"host\":null}},\"ports\":{{}},\"forwards\":[\
         {{\"protocol\":\"tcp\",\"host_address\":\"127.0.0.1\",\"host_port\":{web},\"guest_port\":80}},\
         {{\"protocol\":\"udp\",\"host_address\":\"\",\"host_port\":{udp},\"guest_port\":53}}],\
         {FILES_JSON}"
    ));
    lab.qqmgr("stop a --force").run().code(0);
    lab.qqmgr("start a -- -S").run().code(0);
    lab.qqmgr("status a --exit-code").run().ok(&format!(
        "a: prelaunch\n  pid      [PID]\n  uptime   [SECONDS]\n  QEMU     [VERSION]\n  \
         SSH      port 2222\n  forward  tcp 127.0.0.1:{web} -> 80\n  forward  udp :{udp} -> 53\n{FILES}"
    ));
}

#[test]
fn a_lease() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr(&format!("start a --ttl 1h --owner-pid {}", std::process::id())).run().code(0);
    lab.qqmgr("status a").run().ok(&format!(
        "a: running\n  pid      [PID]\n  uptime   [SECONDS]\n  QEMU     [VERSION]\n  \
         SSH      port 2222\n  lease    ends in [TIME] or with process [PID]\n{FILES}"
    ));
    let lease = &lab.qqmgr("status a --json").run().code(0).json()["lease"];
    assert_eq!(lease["owner_pid"], std::process::id());
    assert!(lease["expires_at"].is_u64(), "{lease}");
    lab.qqmgr("kill a").run().code(0);
    assert!(lab.qqmgr("status a --json").run().code(0).json()["lease"].is_null());
}

#[test]
fn one_that_is_being_stopped() {
    let lab = Lab::running();
    // No guest powers down, so the stop takes its time.
    let mut stop = lab.qqmgr("stop a --timeout 50s").spawn();
    let stopping = || lab.qqmgr("status a --json").run().code(0).json()["stopping"] == true;
    until("it is being stopped", || stopping().then_some(()));
    let text = lab.qqmgr("status a").run().code(0).text();
    assert!(text.starts_with("a: running, being stopped\n"), "{text}");
    let text = lab.qqmgr("list").run().code(0).text();
    assert!(text.contains("\na     stopping  "), "{text}");
    // A stop that was killed no longer stops the VM.
    stop.kill().unwrap();
    stop.wait().unwrap();
    assert!(!stopping());
    lab.qqmgr("stop a --force").run().code(0);
    lab.qqmgr("start a").run().code(0);
    assert!(!lab.vm_file("a", "end.json").exists());
}

#[test]
fn a_pid_of_somebody_else_is_a_stopped_vm() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let mut stranger = lab.program("sleep").args(["1000"]).spawn();
    lab.write(".qqmgr/vm.a/pid", format!("{}\n", stranger.id()));
    let status = lab.qqmgr("status a --json").run().code(0).json();
    assert_eq!((&status["state"], &status["pid"]), (&"stopped".into(), &serde_json::Value::Null));
    lab.qqmgr("stop a").run().ok("a: is not running\n");
    lab.write(".qqmgr/vm.a/pid", format!("{}\n", stranger.id()));
    lab.qqmgr("start a").run().ok("a: started (pid [PID]), SSH on port [PORT]\n");
    lab.qqmgr("stop a --force").run().code(0);
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger was not signalled");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_live_pid_that_is_qemus_own_is_asked_of_the_lock_alone() {
    // The number in the file proves nothing; the lock does.
    let lab = Lab::running();
    let [pid] = lab.qemus()[..] else { panic!("{:?}", lab.qemus()) };
    let file = std::fs::OpenOptions::new().write(true).open(lab.vm_file("a", "pid")).unwrap();
    std::io::Write::write_all(&mut &file, b"1\n").unwrap();
    assert_eq!(lab.qqmgr("status a --json").run().json()["pid"], pid);
}
