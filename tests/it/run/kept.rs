//! The files that `run` keeps of its instance, and its JUnit report, in whatever way it ends.

use super::{gone, reachable};
use crate::harness::{Lab, NO_GUEST, guest_vm, vm};
use rustix::process::Signal;
use std::fs;

/// The report, without times.
fn report(lab: &Lab) -> String {
    let times = regex::Regex::new(r#" time="[0-9.]+""#).unwrap();
    times.replace_all(&lab.read("report.xml"), "").into_owned()
}

/// A report with one test case, and these counts of failures and errors.
fn case(name: &str, counts: (u8, u8), inside: &str) -> String {
    let (failures, errors) = counts;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"qqmgr run\" tests=\"1\" skipped=\"0\" failures=\"{failures}\" errors=\"{errors}\">\n    \
         <testsuite name=\"a\" tests=\"1\" skipped=\"0\" errors=\"{errors}\" failures=\"{failures}\">\n        \
         <testcase name=\"{name}\" classname=\"a\">\n{inside}        \
         </testcase>\n    </testsuite>\n</testsuites>\n"
    )
}

fn output(stdout: &str, stderr: &str) -> String {
    format!(
        "            <system-out>{stdout}</system-out>\n            <system-err>{stderr}</system-err>\n"
    )
}

#[test]
fn of_a_command_that_ends() {
    let lab = Lab::new(
        &guest_vm("a").replace("virtio-net-pci,netdev=n0", "virtio-net-pci,netdev=n0 -device VGA"),
    );
    let keep =
        "--serial serial.log --events events.ndjson --screenshot screen.png --junit report.xml";
    let line = format!("run a {keep} -- 'echo \"<out>\"; echo err >&2'");
    lab.qqmgr(&line).run().expect(0, "<out>\n", "err\n");
    assert!(lab.read("serial.log").contains("qqmgr guest: ready"));
    assert!(fs::read(lab.path("screen.png")).unwrap().starts_with(b"\x89PNG"));
    let events = lab.read("events.ndjson");
    let names = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert!(names.into_iter().any(|event| event["event"] == "NIC_RX_FILTER_CHANGED"), "{events}");
    let name = "echo &quot;&lt;out&gt;&quot;; echo err &gt;&amp;2";
    assert_eq!(report(&lab), case(name, (0, 0), &output("&lt;out&gt;\n", "err\n")));
    gone(&lab);
    // The output that `--json` collects is also in the JUnit report.
    let line = "run a --json --serial - --junit report.xml -- sh -c 'echo out; exit 3'";
    let outcome = lab.qqmgr(line).run();
    assert_eq!(outcome.code(3).json()["stdout"], "out\n");
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("qqmgr guest: ready"), "{outcome}");
    let failure = "            <failure message=\"exit code 3\" type=\"command\"/>\n".to_owned();
    let expected =
        case("sh -c &apos;echo out; exit 3&apos;", (1, 0), &(failure + &output("out\n", "")));
    assert_eq!(report(&lab), expected);
    gone(&lab);
}

#[test]
fn of_a_run_that_does_not_end_well() {
    let lab = Lab::new(&guest_vm("a"));
    let keep = "--serial serial.log --junit report.xml";
    let mut run = lab.qqmgr(&format!("run a {keep} -- 'echo begun; exec sleep 1000'")).in_pipe();
    run.shows("begun\n");
    reachable(&lab);
    run.signal(Signal::TERM);
    assert_eq!(run.ends(), 143);
    assert!(lab.read("serial.log").contains("qqmgr guest: ready"));
    let error = |of: &str, message: &str| {
        format!("            <error message=\"{message}\" type=\"{of}\"/>\n")
    };
    let inside = error("signal", "terminated; its VM is gone") + &output("begun\n", "");
    assert_eq!(report(&lab), case("echo begun; exec sleep 1000", (0, 1), &inside));
    gone(&lab);
    lab.qqmgr(&format!("run a {keep} --timeout 300ms -- true")).run().code(125);
    assert!(report(&lab).contains("type=\"timeout\""), "{}", report(&lab));
    gone(&lab);
    // The VM has no screen. The command succeeds, but the screenshot fails.
    let json = lab.qqmgr("run a --screenshot screen.png --json -- true").run().code(125).json();
    assert!(json["message"].as_str().unwrap().contains("it has no display"), "{json}");
    assert!(!lab.path("screen.png").exists());
    gone(&lab);
    let config = lab.read("qqmgr.toml").replace("q35,accel=tcg", "nonsense");
    lab.write("qqmgr.toml", config);
    lab.qqmgr(&format!("run a {keep} --events events.ndjson -- true")).run().code(125);
    assert_eq!((lab.read("serial.log"), lab.read("events.ndjson")), (String::new(), String::new()));
    assert!(report(&lab).contains("type=\"qemu_death\""), "{}", report(&lab));
    gone(&lab);
}

#[test]
fn of_a_run_that_is_not_even_tried() {
    let forward = "-netdev user,id=n,hostfwd=tcp::{{.vm.ssh.port}}-:22";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {forward}")));
    lab.qqmgr("run a --put nowhere:/tmp/x --junit report.xml").run().code(125);
    let message = "can&apos;t copy &quot;nowhere&quot;: No such file or directory";
    let inside = format!("            <error message=\"{message}\" type=\"file\"/>\n");
    assert_eq!(report(&lab), case("a shell", (0, 1), &(inside + &output("", ""))));
    for option in ["--serial", "--events", "--screenshot", "--junit"] {
        let missing = lab.qqmgr(&format!("run a {option} nowhere/x -- true")).run();
        let said = "error: can't write \"nowhere/x\": No such file or directory\n";
        missing.expect(125, "", said);
        lab.qqmgr(&format!("run a {option} home -- true")).run().code(125).stdout("");
    }
    assert!(!lab.path(".qqmgr").exists());
}
