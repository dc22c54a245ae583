//! Waits for conditions inside a guest: a login, its ports and files; and for a paused guest.

use super::say;
use crate::harness::{Lab, NO_GUEST, free_port, guest_vm, until, vm};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

#[test]
fn a_guest_that_stands_still() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &vm("b", NO_GUEST)));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("start b -- -S").run().code(0);
    lab.qqmgr("monitor a stop").run().code(0);
    say(&lab, "one\n");
    let resume =
        |vm: &str, state: &str| format!("its state is `{state}`; `qqmgr resume {vm}` resumes it");
    let expected = |vm: &str, state: &str, end: &str, see: &str| {
        format!(
            "{vm}: {state}\nerror: VM `{vm}`: timed out after 3s waiting for ssh: {state}\n{end}hint: {see}\n"
        )
    };
    // Long enough to ask for the state, even on a slow machine; all at once.
    let wait = |vm: &str| lab.qqmgr(&format!("wait {vm} --for ssh --timeout 3s"));
    std::thread::scope(|scope| {
        let text = scope.spawn(|| wait("a").run());
        let json = scope.spawn(|| wait("a").args(["--json"]).run());
        let unstarted = scope.spawn(|| wait("b").run());
        let (paused, end) = (resume("a", "paused"), "the serial log ends:\none\n");
        text.join().unwrap().expect(
            5,
            "",
            &expected("a", &paused, end, "the VM keeps running; see its log: qqmgr serial a -n 50"),
        );
        let json = json.join().unwrap().code(5).stderr("").json();
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.contains(&paused), "{message}");
        let prelaunch = resume("b", "prelaunch");
        unstarted.join().unwrap().expect(
            5,
            "",
            &expected("b", &prelaunch, "", "see its state: qqmgr status b"),
        );
    });
    lab.qqmgr("wait a --for paused").run().ok("a: after [SECONDS]: paused\n");
}

#[test]
fn a_port_of_another_address() {
    let stranger = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = stranger.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in stranger.incoming() {
            let _ = client.and_then(|mut client| client.write_all(b"hello"));
        }
    });
    let forward = format!("-netdev user,id=n,hostfwd=tcp:127.0.0.2:{port}-:80");
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {forward}")));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("wait a --for port:80 --timeout 1s").run().code(5).stdout("");
}

/// QEMU keeps each connection until the guest answers; then the guest gets all of them at once.
#[test]
fn few_connections_wait_for_a_guest() {
    let user = "-netdev user,id=n,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {user}")).replace("2222", "'auto'"));
    lab.qqmgr("start a").run().code(0);
    let pending = || {
        let table = lab.qqmgr("monitor a info usernet").run().code(0).text();
        table.lines().filter(|line| line.contains("TCP[SYN_SENT]")).count()
    };
    for condition in ["ssh", "port:22"] {
        let before = pending();
        let line = format!("wait a --for {condition} --timeout 12s");
        std::thread::scope(|scope| {
            let wait = scope.spawn(|| lab.qqmgr(&line).run());
            let mut most = 0;
            while !wait.is_finished() {
                most = most.max(pending() - before);
            }
            wait.join().unwrap().code(5);
            assert!((1..=3).contains(&most), "{condition}: {most}");
        });
    }
}

#[test]
fn what_only_a_guest_has() {
    let forward = "127.0.0.1:{{.vm.ssh.port}}-:{{.vm.ssh.vm_port}}";
    let more = format!("{forward},hostfwd=tcp:127.0.0.2:{}-:8080", free_port());
    let lab = Lab::new(&guest_vm("a").replace(forward, &more));
    lab.qqmgr("start a --for 'serial:^~ # ' --for ssh --for port:22").run().ok(
        "a: started (pid [PID]), SSH on port [PORT]; after [SECONDS]: serial:^~ # , ssh, port:22\n",
    );
    lab.qqmgr("wait a --for port:443").run().expect(
        2,
        "",
        "error: VM `a` forwards no port to port 443 of the guest\n\
         hint: add hostfwd=tcp:127.0.0.1:PORT-:443 to its -netdev user\n",
    );
    until("the refusal is told", || {
        let outcome = lab.qqmgr("wait a --for port:8080 --timeout 1s").run();
        let stderr = String::from_utf8_lossy(&outcome.code(5).stderr).into_owned();
        let told = "error: VM `a`: timed out after 1s waiting for port:8080: the guest refuses the connection\n";
        stderr.starts_with(told).then_some(())
    });
    std::thread::scope(|scope| {
        let both =
            scope.spawn(|| lab.qqmgr("wait a --for port:8080 --for \"file:/tmp/it's made\"").run());
        // A server that sends nothing: only QEMU knows that the guest accepts.
        lab.qqmgr("ssh a 'nc -ll -p 8080 -e sleep 100 >/dev/null 2>&1 </dev/null &'").run().code(0);
        lab.qqmgr("wait a --for port:8080").run().code(0);
        assert!(!both.is_finished(), "the file is still to come");
        lab.qqmgr("ssh a \"touch \\\"/tmp/it's made\\\"\"").run().code(0);
        both.join().unwrap().ok("a: after [SECONDS]: port:8080, file:/tmp/it's made\n");
    });
    // The command that looks for a file in the guest ends with the wait.
    let looks = |name: &str| {
        let line = format!("ssh a \"ps | grep -q '[u]ntil test -e .{name}'\"");
        lab.qqmgr(&line).run().code == 0
    };
    std::thread::scope(|scope| {
        let line = "wait a --for file:/never --fail-on file:/tmp/enough";
        let wait = scope.spawn(|| lab.qqmgr(line).run());
        until("it looks for the file", || looks("/never").then_some(()));
        lab.qqmgr("ssh a touch /tmp/enough").run().code(0);
        wait.join().unwrap().code(1);
        until("it does no more", || (!looks("/never")).then_some(()));
    });
    somebody_elses_connection(&lab);
    lab.qqmgr("stop a").run().code(0);
}

#[test]
fn a_login_that_can_not_be_noted() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a").run().code(0);
    std::fs::remove_file(lab.vm_file("a", "timeline.json")).unwrap();
    lab.write(".qqmgr/vm.a/timeline.json/in-the-way", "");
    lab.qqmgr("wait a --for ssh").run().ok("a: after [SECONDS]: ssh\n");
    lab.qqmgr("stop a --force").run().code(0);
}

/// A connection that the guest accepted once still exists after it accepts no more.
fn somebody_elses_connection(lab: &Lab) {
    let port = lab.qqmgr("status a --json").run().code(0).json()["ssh"]["port"].as_u64().unwrap();
    let mut other = TcpStream::connect(("127.0.0.1", port.try_into().unwrap())).unwrap();
    other.read_exact(&mut [0; 4]).unwrap();
    lab.qqmgr("monitor a stop").run().code(0);
    lab.qqmgr("wait a --for port:22 --timeout 2s").run().code(5).stdout("");
    lab.qqmgr("monitor a cont").run().code(0);
    lab.qqmgr("wait a --for port:22").run().code(0);
}
