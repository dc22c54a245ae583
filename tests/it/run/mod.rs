//! `run`: one command in a throwaway instance, which leaves nothing however it ends.

mod failures;
mod job;
mod kept;
mod signals;

use crate::harness::{Lab, Live, NO_GUEST, guest_vm, until, vm};
use rustix::process::Signal;
use std::fs;

/// The directories of instances of `a`.
fn instances(lab: &Lab) -> Vec<String> {
    let entries = fs::read_dir(lab.vm_file("a", "runs")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Waits until nothing of any run is left; a keeper may need a moment for that.
fn gone(lab: &Lab) {
    until("nothing is left", || {
        (lab.processes().is_empty() && instances(lab).is_empty()).then_some(())
    });
}

/// Returns the name of the only instance once a login to it works.
fn reachable(lab: &Lab) -> String {
    let id = until("there is an instance", || instances(lab).pop());
    let name = format!("a+{id}");
    until("it runs", || {
        (lab.qqmgr(&format!("status {name} --json --exit-code")).run().code == 0).then_some(())
    });
    lab.qqmgr(&format!("wait {name} --for ssh")).run().code(0).stderr("");
    name
}

/// A run whose command has begun and goes on.
fn busy(lab: &Lab) -> Live {
    let mut run = lab.qqmgr("run a -- 'echo begun; exec sleep 1000'").in_pipe();
    run.shows("begun\n");
    run
}

#[test]
fn definitions_that_it_refuses() {
    let open = "-blockdev driver=file,filename=/tmp/disk,node-name=d";
    let ssh = "-netdev user,id=n,hostfwd=tcp::{{.vm.ssh.port}}-:22";
    let lab = Lab::new(&(vm("a", &format!("{NO_GUEST} {ssh} {open}")) + &vm("b", NO_GUEST)));
    let refused = lab.qqmgr("run a -- true").run();
    refused.code(125).stdout("");
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(stderr.contains("can't keep the guest from writing to this image"), "{refused}");
    assert!(stderr.contains("qqmgr.toml:2:"), "{refused}");
    let json = lab.qqmgr("run a --json -- true").run().code(125).stderr("").json();
    assert_eq!(json["error"]["code"], "config_invalid");
    assert_eq!(json["error"]["location"]["line"], 2);
    let refused = lab.qqmgr("run b -- true").run();
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(stderr.contains("`run` can't reach an instance of VM `b`"), "{refused}");
    assert!(stderr.contains("hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22"), "{refused}");
    refused.code(125);
    lab.qqmgr("run nobody -- true").run().code(125).stdout("");
    lab.qqmgr("run a --put nowhere -- true").run().code(2);
    lab.qqmgr("run a --get /tmp/x:- -- true").run().code(2);
    assert!(!lab.path(".qqmgr").exists());
}

#[test]
fn an_instance_that_is_reached_elsewhere() {
    for (option, code) in [
        ("HostName = 'h'", "qemu_death"),
        ("ProxyCommand = 'nc h 22'", "qemu_death"),
        ("proxyjump = 'h'", "qemu_death"),
        ("ProxyJump = 'none'", "config_invalid"),
    ] {
        let ssh = format!("port = 2222, {option}");
        let lab = Lab::new(&vm("a", "-machine nonsense").replace("port = 2222", &ssh));
        let json = lab.qqmgr("run a --json -- true").run().code(125).json();
        let end = json.get("ended_by").unwrap_or_else(|| &json["error"]["code"]);
        assert_eq!(end, code, "{option}: {json}");
        gone(&lab);
    }
}

#[test]
fn images_that_snapshot_does_not_protect() {
    let ssh = "-netdev user,id=n,hostfwd=tcp::{{.vm.ssh.port}}-:22";
    let json = r#"{"driver":"qcow2","file":"f","backing":{"driver":"null-co","read-only":true}}"#;
    for open in [
        &format!("-blockdev '{json}' -S"),
        "-blockdev driver=nbd,server.type=unix,server.path=/tmp/s,node-name=d",
        "-drive file=/tmp/d,snapshot=no",
        "-drive file=/tmp/d,nosnapshot",
        "-drive id=d,file=/tmp/d -set drive.d.snapshot=off",
    ] {
        let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {ssh} {open}")));
        let json = lab.qqmgr("run a --json -- true").run().code(125).stderr("").json();
        let message = "`run` can't keep the guest from writing to this image";
        assert_eq!(json["error"]["message"], message, "{open}: {json}");
    }
}

#[test]
fn a_qemu_that_does_not_start() {
    let broken = guest_vm("a").replace("-machine q35,accel=tcg", "-machine nonsense");
    let lab = Lab::new(&broken);
    let json = lab.qqmgr("run a --json -- true").run().code(125).json();
    assert_eq!(json["ended_by"], "qemu_death");
    assert!(json["message"].as_str().unwrap().contains("unsupported machine type"), "{json}");
    let place = (&json["location"]["line"], &json["location"]["column"]);
    assert_eq!(place, (&3.into(), &27.into()), "{json}");
    assert!(fs::metadata(json["bundle"].as_str().unwrap()).unwrap().is_dir());
    gone(&lab);
    // It is shown as `start` shows it.
    let shown = |line: &str| String::from_utf8(lab.qqmgr(line).run().stderr).unwrap();
    let run = shown("run a -- true");
    let name = run.split('`').nth(1).unwrap().to_owned();
    let (run, bundle) = run.split_once("crash bundle: ").unwrap();
    assert!(run.contains("qqmgr.toml:3:27\n") && bundle.contains("/crashes/"), "{run}{bundle}");
    let start = shown("start a");
    assert_eq!(run.replace(&name, "a"), start.split_once("crash bundle: ").unwrap().0);
    gone(&lab);
}

#[test]
fn side_by_side_with_the_vm_and_each_other() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a").run().code(0);
    let (mut one, mut two) = (busy(&lab), busy(&lab));
    let listed = lab.qqmgr("list --json").run().code(0).stderr("").json();
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|vm| vm["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[0], "a");
    assert!(names[1..].iter().all(|name| name.starts_with("a+")), "{names:?}");
    let ports: Vec<_> =
        listed.as_array().unwrap().iter().map(|vm| vm["ssh"]["port"].as_u64().unwrap()).collect();
    assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2], "{ports:?}");
    lab.qqmgr(&format!("ssh {} hostname", names[1])).run().ok("guest\n");
    lab.qqmgr(&format!("stop {} --force", names[1])).run().code(0);
    until("one has ended", || (instances(&lab).len() == 1).then_some(()));
    for run in [&one, &two] {
        run.signal(Signal::TERM);
    }
    let mut codes = [one.ends(), two.ends()];
    codes.sort_unstable();
    assert_eq!(codes, [125, 143]);
    lab.qqmgr("wait a --for ssh").run().code(0);
    lab.qqmgr("stop a").run().code(0);
    gone(&lab);
}

#[test]
fn what_the_guest_writes_never_reaches_the_image() {
    let lab = Lab::empty();
    let image: Vec<u8> = (0..1 << 20).map(|at: u32| (at / 512 % 251) as u8).collect();
    let path = lab.write("disk", &image);
    let drive = format!(
        "\"-drive file={},format=raw,if=virtio\",\n    \"-device virtio-net",
        path.display()
    );
    lab.write("qqmgr.toml", guest_vm("a").replace("\"-device virtio-net", &drive));
    // The guest sees the contents of the image, and reads back what it wrote.
    lab.qqmgr("run a -- 'yes x | head -c 65536 >/dev/vda && sync && echo 3 >/proc/sys/vm/drop_caches && head -c 4 /dev/vda && tail -c 1 /dev/vda | od -An -tu1'")
        .run()
        .ok(&format!("x\nx\n {:3}\n", image.last().unwrap()));
    assert!(fs::read(&path).unwrap() == image, "the image has changed");
    gone(&lab);
}
