//! `ssh`: the real OpenSSH, on a real guest.

use crate::harness::{Lab, NO_GUEST, free_port, guest_vm, until, vm};
use crate::races::at_once;
use rustix::process::Signal;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What OpenSSH uses as home directory, whatever `$HOME` says.
fn known_hosts() -> Option<Vec<u8>> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    std::fs::read(home.join(".ssh/known_hosts")).ok()
}

#[test]
fn as_after_a_host_name() {
    let known = known_hosts();
    let lab = Lab::new(&guest_vm("a"));
    for outcome in at_once(&lab, &["start a --wait"; 8]) {
        outcome.code(0).stderr("");
    }

    lab.qqmgr("ssh a exit 42").run().expect(42, "", "");
    lab.qqmgr("ssh a 'kill -9 $$'").run().code(255);
    lab.qqmgr("ssh a echo 'it  is' '$((6*7))'").run().ok("it is 42\n");
    lab.qqmgr("ssh a 'echo out; echo err >&2; exit 3'").run().expect(3, "out\n", "err\n");
    lab.qqmgr("ssh a cat").stdin("from\0stdin\n").run().ok("from\0stdin\n");
    lab.qqmgr("ssh a").stdin("echo shell\nexit 5\n").run().expect(5, "shell\n", "");
    lab.qqmgr("ssh a -T -n echo options first").run().ok("options first\n");
    lab.qqmgr("ssh a -- echo --json").run().ok("--json\n");
    let mut terminal = lab.qqmgr("ssh a -t 'test -t 0 && echo terminal'").at_terminal();
    assert_eq!(terminal.shows("terminal").ends(), 0);

    lab.qqmgr("--json ssh a 'cat; echo err >&2; exit 7'").stdin("in").run().expect(
        7,
        "{\"exit_code\":7,\"stdout\":\"in\",\"stderr\":\"err\\n\"}\n",
        "",
    );
    lab.qqmgr("ssh --json a true").run().ok("{\"exit_code\":0,\"stdout\":\"\",\"stderr\":\"\"}\n");

    one_process_and_one_connection(&lab);
    a_forwarded_port(&lab);
    another_host_key(&lab);
    no_orphans(&lab);

    lab.qqmgr("stop a").run().code(0);
    // This ends the master.
    lab.nobody_is_left();
    assert_eq!(known_hosts(), known, "~/.ssh/known_hosts was touched");
}

fn ssh_control(lab: &Lab, command: &str) -> (i32, String) {
    let config = lab.vm_file("a", "ssh.conf").display().to_string();
    let outcome = lab.program("ssh").args(["-F", &config, "-O", command, "a"]).run();
    (outcome.code, String::from_utf8(outcome.stderr).unwrap())
}

/// All sessions share a master that stays.
fn one_process_and_one_connection(lab: &Lab) {
    let (code, master) = ssh_control(lab, "check");
    assert_eq!(code, 0, "{master}");
    let mut session = lab.qqmgr("ssh a cat").pipe();
    drop(session.stdin.take());
    assert!(session.wait().unwrap().success());
    let own = lab.qqmgr("ssh a 'echo $SSH_CONNECTION'").run().code(0).text();
    let again = lab.qqmgr("ssh a 'echo $SSH_CONNECTION'").run().code(0).text();
    assert_eq!(own, again, "the same connection");
    assert_eq!(ssh_control(lab, "check"), (0, master), "the same master");
}

fn a_forwarded_port(lab: &Lab) {
    let spawn = |port| {
        let options = format!("-o ExitOnForwardFailure=yes -N -L 127.0.0.1:{port}:127.0.0.1:22");
        lab.qqmgr(&format!("ssh a {options}")).spawn()
    };
    let mut port = free_port();
    let mut forward = spawn(port);
    let greeting = until("the port is forwarded", || {
        if forward.try_wait().unwrap().is_some() {
            // Another test has taken the port by now.
            port = free_port();
            forward = spawn(port);
        }
        let mut greeting = [0; 4];
        TcpStream::connect(("127.0.0.1", port)).ok()?.read_exact(&mut greeting).ok()?;
        Some(greeting)
    });
    assert_eq!(&greeting, b"SSH-");
    assert!(forward.try_wait().unwrap().is_none(), "-N waits, whatever its standard input");
    forward.kill().unwrap();
    forward.wait().unwrap();
    until("the port is free again", || TcpListener::bind(("127.0.0.1", port)).ok());
}

/// A guest with another host key than the known one is reached without a question.
fn another_host_key(lab: &Lab) {
    let (code, _) = ssh_control(lab, "exit");
    assert_eq!(code, 0);
    let port = lab.qqmgr("status a --json").run().code(0).json()["ssh"]["port"].clone();
    let guest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/guest");
    let other = std::fs::read_to_string(guest.join("id_ed25519.pub")).unwrap();
    let lines = format!("[127.0.0.1]:{port} {other}127.0.0.1 {other}a {other}");
    std::fs::write(lab.vm_file("a", "known_hosts"), lines).unwrap();
    lab.qqmgr("ssh a echo back").run().ok("back\n");
}

static CLIENTS: AtomicUsize = AtomicUsize::new(0);
static MOST_CLIENTS: AtomicUsize = AtomicUsize::new(0);

/// A server that is too busy to greet, and counts the clients that wait for it.
fn busy_server(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let serve = |mut client: TcpStream| {
        let open = CLIENTS.fetch_add(1, Ordering::SeqCst) + 1;
        MOST_CLIENTS.fetch_max(open, Ordering::SeqCst);
        let _ = client.read(&mut [0]);
        CLIENTS.fetch_sub(1, Ordering::SeqCst);
    };
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || serve(client));
        }
    });
}

/// A server has few places for clients that are not logged in (`MaxStartups`): even if many
/// commands wait for a login, only one at a time uses some.
#[test]
fn many_that_wait_take_few_connections() {
    let port = free_port();
    let lab = Lab::new(&vm("a", NO_GUEST).replace("2222", &port.to_string()));
    lab.qqmgr("start a").run().code(0);
    busy_server(port);
    for outcome in at_once(&lab, &["wait a --for ssh --timeout 3s"; 8]) {
        outcome.code(5);
    }
    let most = MOST_CLIENTS.load(Ordering::SeqCst);
    // The connections of one that ends are still there when the next one's first arrive.
    assert!((1..=8).contains(&most), "{most} connections at once");
}

/// A guest may answer each login with endless output.
#[test]
fn what_ssh_says_without_end_is_not_kept() {
    let lab = Lab::new(&vm("a", NO_GUEST).replace("port = 2222", "port = 2222, HostName = 'h'"));
    lab.qqmgr("start a").run().code(0);
    let says = "head -c 300000000 /dev/zero >&2; echo Permission denied >&2; >tried; exit 255";
    lab.script("bin/ssh", &format!("case $* in *BatchMode*) {says} ;; esac"));
    let path = std::env::join_paths([lab.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    let mut wait = lab.qqmgr("wait a --for ssh").env("PATH", path).in_pipe();
    until("it has tried to log in", || lab.path("tried").exists().then_some(()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", wait.pid())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(most < 100_000, "{most} kB");
    wait.signal(Signal::TERM);
    assert_eq!(wait.ends(), 128 + Signal::TERM.as_raw());
    lab.qqmgr("stop a --force").run().code(0);
}

/// When ssh can't replace qqmgr's process, it ends with qqmgr.
fn no_orphans(lab: &Lab) {
    let sessions = || {
        let processes = lab.processes().into_iter();
        processes.filter(|process| process.args.iter().any(|arg| arg == "sleep 77")).count()
    };
    let mut json = lab.qqmgr("--json ssh a 'sleep 77'").in_pipe();
    until("qqmgr and ssh run", || (sessions() == 2).then_some(()));
    json.signal(Signal::TERM);
    // Once it is connected, ssh catches the signal and exits with 255.
    let code = json.ends();
    assert!([128 + Signal::TERM.as_raw(), 255].contains(&code), "{code}");
    until("ssh has ended", || (sessions() == 0).then_some(()));

    // A login that waits for an agent that never answers.
    let agent = UnixListener::bind(lab.path("agent")).unwrap();
    agent.set_nonblocking(true).unwrap();
    let options = format!("ControlPath = \"none\"\nIdentityAgent = {:?}\n", lab.path("agent"));
    lab.write("qqmgr.toml", guest_vm("a") + &options);
    let mut wait = lab.qqmgr("wait a --for ssh").in_pipe();
    let (mut ssh, _) = until("ssh asks the agent", || agent.accept().ok());
    wait.signal(Signal::TERM);
    assert_eq!(wait.ends(), 128 + Signal::TERM.as_raw());
    ssh.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    ssh.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn own_failures_are_125() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.write("file", "");
    for line in ["ssh a true", "put a file /tmp/", "get a /etc/passwd ."] {
        lab.qqmgr(line).run().expect(
            125,
            "",
            "error: VM `a` is not running\nhint: start it: qqmgr start a\n",
        );
    }
    lab.qqmgr("--json ssh a true").run().expect(
        125,
        "{\"error\":{\"code\":\"vm_not_running\",\"message\":\"VM `a` is not running\",\
         \"hint\":\"start it: qqmgr start a\",\"location\":null}}\n",
        "",
    );
    lab.qqmgr("ssh b true").run().expect(
        125,
        "",
        "error: there is no VM `b` in \"[DIR]/qqmgr.toml\"\nhint: did you mean `a`?\n",
    );
    lab.write("qqmgr.toml", "[vm.a]\n");
    lab.qqmgr("ssh a true").run().code(125).stdout("");
}

#[test]
fn options_before_the_name() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for (line, command) in [
        ("ssh -v a", "ssh a -v"),
        ("ssh -p 22 a 'echo $HOME'", "ssh a -p 22 'echo $HOME'"),
        ("ssh -v b", "ssh VM -v b"),
        ("ssh -v", "ssh VM -v"),
    ] {
        let told = "error: options for ssh come after the VM's name\nhint: qqmgr ";
        lab.qqmgr(line).run().expect(125, "", &format!("{told}{command}\n"));
    }
    let json = lab.qqmgr("--json ssh -N a").run().code(125).stderr("").json();
    assert_eq!(json["error"]["code"], "usage");
}

#[test]
fn the_users_options_win() {
    let lab = Lab::new(
        &("[ssh]\nServerAliveInterval = 300\nuser = \"nobody\"\nSendEnv = [\"A\", \"B_*\"]\n"
            .to_owned()
            + &vm("a", NO_GUEST)
            + "[vm.b]\ncmd = ['-nodefaults -display none -machine none']\n[vm.b.ssh]\nport = 2089\n\
               User = \"{{.vm.name}}-user\"\nServerAliveInterval = 60\nCompression = true\n\
               ControlPath = \"none\"\n"),
    );
    lab.qqmgr("start b").run().code(0);
    // Without a server behind the port, ssh only reads its config.
    lab.qqmgr("ssh b -o ConnectTimeout=1 -o LogLevel=QUIET true").run().code(255);
    let config = lab.vm_file("b", "ssh.conf").display().to_string();
    let settings = lab.program("ssh").args(["-F", &config, "-G", "b"]).run().code(0).text();
    for line in [
        "port 2089",
        "user b-user",
        "serveraliveinterval 60",
        "compression yes",
        "sendenv A",
        "sendenv B_*",
        "hostname 127.0.0.1",
        "stricthostkeychecking false",
        "controlpersist 60",
    ] {
        assert!(settings.lines().any(|l| l == line), "no `{line}` in\n{settings}");
    }
    assert!(!settings.contains("\ncontrolpath "), "`none` is no path\n{settings}");
}

/// ssh would expand the variable.
#[test]
fn a_directory_whose_name_has_a_variable_in_it() {
    let lab = Lab::empty();
    lab.write("${b}/qqmgr.toml", vm("a", NO_GUEST));
    let qqmgr = |line| lab.qqmgr(line).cwd("${b}");
    qqmgr("start a").run().code(0);
    let settings = qqmgr("ssh a -G").run().code(0).stderr("").text();
    assert!(settings.lines().any(|line| line == "userknownhostsfile /dev/null"), "{settings}");
    qqmgr("stop a").run().code(0);
}

#[test]
fn a_vm_whose_command_line_can_no_longer_be_resolved() {
    let lab = Lab::new(&guest_vm("a").replace("-m 256", "-m {{.env.MEM}}"));
    lab.qqmgr("start a --wait").env("MEM", "256").run().code(0);
    lab.qqmgr("ssh a true").run().ok("");
    lab.write("f", "there and back\n");
    lab.qqmgr("put a f /tmp/").run().code(0);
    lab.qqmgr("get a /tmp/f g").run().code(0);
    assert_eq!(lab.read("g"), "there and back\n");
    lab.qqmgr("wait a --for file:/tmp/f").run().code(0);
    lab.qqmgr("ssh-config a").run().code(0).stderr("");
    lab.qqmgr("start a --wait --ttl 1h").run().code(0);
    lab.qqmgr("stop a").run().code(0);
    lab.qqmgr("start a").run().code(3);
}
