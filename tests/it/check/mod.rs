//! `check`: which faults it finds before a launch, and where it must not complain.

mod files;
mod shared;

use crate::harness::{Lab, NO_GUEST, Outcome, free_port, until, vm};
use qqmgr::check::Code;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// Options of a VM that has something to boot.
const BOOTS: &str = "-M q35,accel=tcg -display none -drive file=null-co://,format=raw,if=virtio";

/// A `[vm.NAME]` whose SSH leads elsewhere, so it needs no forward.
fn elsewhere(name: &str, cmd: &str) -> String {
    format!("[vm.{name}]\ncmd = ['''{cmd}''']\nssh = {{ port = 2222, HostName = 'h' }}\n")
}

/// The findings of `check --json`, one a line.
#[track_caller]
fn findings(outcome: &Outcome) -> Vec<String> {
    let json = outcome.stderr("").json();
    let list = json["findings"].as_array().unwrap();
    let errors = list.iter().filter(|finding| finding["severity"] == "error").count();
    assert_eq!(json["errors"], errors);
    assert_eq!(json["warnings"], list.len() - errors);
    let invalid = list.iter().any(|finding| finding["code"] == "config_invalid");
    assert_eq!(outcome.code, if invalid { 3 } else { i32::from(errors > 0) }, "{outcome}");
    let dir = outcome.lab.display().to_string();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").replace(&dir, "[DIR]");
    let line = |finding: &serde_json::Value| {
        let place = &finding["location"];
        let place = format!("{}:{}", place["line"], place["column"]);
        let [code, message, hint] = ["code", "message", "hint"].map(|key| text(&finding[key]));
        format!("{} {code} {place} {message} | {hint}", text(&finding["vm"]))
    };
    list.iter().map(line).collect()
}

#[test]
fn nothing_to_complain_about() {
    let net = "-netdev user,id=n,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22 \
               -device virtio-net-pci,netdev=n,mac=52:54:00:00:00:01,bus=pcie.0,addr=3,id=net";
    let rest = "-M q35,kernel_irqchip=split,smp.cpus=2,nvdimm=on,hmat=off -cpu qemu64,+x2apic \
                -name -kernel -device '{\"driver\":\"nvme\",\"serial\":\"1\",\"drive\":\"d\"}' \
                -drive id=d,if=none,driver=null-co -nic user,model=virtio -snapshot -S -k de \
                -bios bios-256k.bin -global ICH9-LPC.disable_s3=1 -object rng-builtin,id=r";
    let port = free_port().to_string();
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {net} {rest}")).replace("2222", &port));
    lab.qqmgr("check").run().ok("1 VM checked: no problems found\n");
    lab.qqmgr("check a --json --strict")
        .run()
        .ok("{\"findings\":[],\"errors\":0,\"warnings\":0,\"vms\":1}\n");
    // QEMU agrees.
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("check a").run().ok("1 VM checked: no problems found\n");
}

#[test]
fn a_file_without_vms() {
    let lab = Lab::new("[qemu]\nbin = 'nope'\n");
    lab.qqmgr("check --strict").run().ok("[DIR]/qqmgr.toml defines no VMs\n");
    let nothing = "{\"findings\":[],\"errors\":0,\"warnings\":0,\"vms\":0}\n";
    lab.qqmgr("check --json").run().ok(nothing);
}

#[test]
fn what_is_left_of_a_run_is_no_vm() {
    let lab = Lab::new(&elsewhere("a", BOOTS));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("stop a --force").run().code(0);
    for dir in ["runs", "runs/12345678"] {
        std::fs::create_dir(lab.vm_file("a", dir)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(lab.vm_file("a", dir), mode).unwrap();
    }
    lab.qqmgr("check").run().ok("1 VM checked: no problems found\n");
    let listed = lab.qqmgr("list --json").run().code(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn a_finding_shows_its_line() {
    let lab = Lab::new(&elsewhere("a", "-nodefualts -machine none"));
    lab.qqmgr("check").run().expect(
        1,
        "error[unknown_option]: VM `a`: QEMU has no option `-nodefualts`\n \
         --> [DIR]/qqmgr.toml:2:11\n  |\n2 | cmd = ['''-nodefualts -machine none''']\n  \
         |           ^^^^^^^^^^^\n  |\n  = help: did you mean `-nodefaults`?\n\n\
         1 VM checked: 1 error, 0 warnings\n",
        "",
    );
}

#[test]
fn names_that_qemu_does_not_know() {
    let lab = Lab::new(
        r#"
[vars]
card = "virtio-net-pic"
[vm.a]
cmd = [
    "-nodefualts --machine q36,foo=1",
    "-cpu qemu65,+avx -accel tgc",
    "-device {{.card}},netdev=n",
    "-device nvme,serial=1,cmd_mb_size_mb=1",
    ["-device", '{"driver":"virtio-rng-pci","max_bytes":1}'],
    "-M q35,accell=tcg -nic user,model=e1001",
    "-append -nodefualts",
    "-smp",
]
ssh = { port = 1, HostName = "h" }
"#,
    );
    assert_eq!(
        findings(&lab.qqmgr("check --json").run()),
        [
            "a unknown_option 6:6 QEMU has no option `-nodefualts` | did you mean `-nodefaults`?",
            "a unknown_machine 6:28 QEMU has no machine `q36` | did you mean `q35`?",
            "a unknown_cpu 7:11 QEMU has no CPU model `qemu65` | did you mean `qemu64`?",
            "a unknown_accelerator 7:30 QEMU has no accelerator `tgc` | did you mean `tcg`?",
            "a unknown_device 8:14 QEMU has no device `virtio-net-pic` | did you mean `virtio-net-pci`?",
            "a unknown_property 9:28 device `nvme` has no property `cmd_mb_size_mb` | did you mean `cmb_size_mb`?",
            "a unknown_property 10:46 device `virtio-rng-pci` has no property `max_bytes` | did you mean `max-bytes`?",
            "a unknown_property 11:13 machine `q35` has no property `accell` | did you mean `accel`?",
            "a unknown_nic 11:40 QEMU has no network card `e1001` | did you mean `e1000`?",
            "a missing_value 13:6 `-smp` needs a value | -",
        ]
    );
}

#[test]
fn binaries_that_are_no_qemu() {
    let config = "[qemu]\nbin = 'qemu-nope'\n".to_owned()
        + &elsewhere("a", "-foo")
        + &elsewhere("b", "-foo").replace("cmd", "bin = 'true'\ncmd")
        + &elsewhere("c", "-foo").replace("cmd", "bin = './endless'\ncmd");
    let lab = Lab::new(&config);
    lab.script("endless", "exec yes");
    assert_eq!(
        findings(&lab.qqmgr("check --json").run()),
        [
            "a qemu_not_run 2:7 can't run `qemu-nope`: No such file or directory | is it installed and in $PATH?",
            "b qemu_unknown 7:7 `true -help` lists no options: names were not checked | -",
            "c qemu_not_run 11:7 can't run `./endless`: its output does not end | is it installed and in $PATH?",
        ]
    );
}

#[test]
fn a_qemu_that_hangs_dies_or_talks_nonsense() {
    let config = format!(
        "[qemu]\nbin = './half'\n{}",
        elsewhere(
            "a",
            "-machine q36 -cpu qemu65 -device nvme,foo=1 -device e1000,foo=1 -device nvmee -foo"
        )
    );
    let lab = Lab::new(&config);
    lab.script(
        "half",
        r#"case "$*" in
            -help) exec qemu-system-x86_64 -help ;;
            *nvme,*) echo $$ >> hangs; exec sleep 1000 ;;
            *e1000*|"-device help") kill -9 $$ ;;
            *nvmee*) printf '\377\376\033[31m}{' ;;
            *) echo 'nonsense' >&2; exit 1 ;;
        esac"#,
    );
    let start = Instant::now();
    // Without an answer from QEMU, this is not checked.
    assert_eq!(
        findings(&lab.qqmgr("check --json").run()),
        ["a unknown_option 4:89 QEMU has no option `-foo` | -"]
    );
    assert!(start.elapsed() < Duration::from_mins(2), "{:?}", start.elapsed());
    for pid in lab.read("hangs").lines() {
        until("the end of what hangs", || (!Path::new("/proc").join(pid).exists()).then_some(()));
    }
}

#[test]
fn ports_of_the_host() {
    let ours = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (taken, free) = (ours.local_addr().unwrap().port(), free_port());
    let net = "-netdev user,id=n,hostfwd=tcp::FREE-:80,hostfwd=tcp:127.0.0.1:TAKEN-:22";
    let config = vm("a", &format!("{NO_GUEST} -boot n {net}"));
    let config = config.replace("FREE", &free.to_string()).replace("TAKEN", &taken.to_string());
    let lab = Lab::new(&config);
    let program = std::env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_str().unwrap();
    let pid = std::process::id();
    let open = format!(
        "tcp port {free} of the host is open to the network, not only to this host | \
         write `hostfwd=tcp:127.0.0.1:{free}-:80`"
    );
    let unforwarded = "the SSH port 2222 is not forwarded to port 22 of the guest | add \
                       `hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:{{.vm.ssh.vm_port}}` to a `-netdev user`, \
                       or say where the guest is with `HostName`";
    let column = |part: &str| config.lines().nth(1).unwrap().find(part).unwrap() + 1;
    let (free_at, taken_at) = (column(&format!(":{free}-")), column(&format!("127.0.0.1:{taken}")));
    assert_eq!(
        findings(&lab.qqmgr("check --json").run()),
        [
            format!("a ssh_not_forwarded 1:5 {unforwarded}"),
            format!("a hostfwd_open 2:{free_at} {open}"),
            format!(
                "a port_unavailable 2:{taken_at} port {taken} of the host is in use by `{program}` (pid {pid}) | -"
            ),
        ]
    );
    drop(ours);
    lab.qqmgr("check").run().code(0);
    lab.qqmgr("check --strict").run().code(1);
    // A running VM's own ports do not count as taken.
    lab.qqmgr("start a").run().code(0);
    let json = lab.qqmgr("check --json").run().code(0).json();
    assert_eq!((&json["errors"], &json["warnings"]), (&0.into(), &2.into()));
}

/// These options have the same checks as `hostfwd`.
#[test]
fn ports_that_other_options_listen_on() {
    let listens = |port: u16| {
        let display = port - 5900;
        [
            format!("-vnc 127.0.0.1:{display}"),
            format!("-display vnc=127.0.0.1:{display}"),
            format!("-gdb tcp:127.0.0.1:{port}"),
            format!("-chardev socket,id=c,host=127.0.0.1,port={port},server=on,wait=off"),
            format!("-netdev socket,id=n,listen=127.0.0.1:{port}"),
        ]
    };
    for at in 0..listens(5900).len() {
        // VNC adds 5900 to the number of the display.
        let taken = std::iter::repeat_with(|| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let ours = taken.take(100).find(|listener| port(listener) > 5900).unwrap();
        let option = listens(port(&ours))[at].clone();
        let cmd = format!("{NO_GUEST} -boot n {option}").replace(" -display none -boot", " -boot");
        let lab = Lab::new(&elsewhere("a", &cmd));
        let found = findings(&lab.qqmgr("check --json").run());
        let message = format!("port {} of the host is in use by `it-", port(&ours));
        assert!(found.len() == 1 && found[0].starts_with("a port_unavailable 2:"), "{found:?}");
        assert!(found[0].contains(&message), "{found:?}");
        drop(ours);
        lab.qqmgr("check --strict").run().ok("1 VM checked: no problems found\n");
        lab.qqmgr("start a").run().code(0);
        lab.qqmgr("check --strict").run().ok("1 VM checked: no problems found\n");
    }
}

#[test]
fn nothing_to_boot() {
    let nothing = [
        "-M q35",
        "-M q35 -nic user -nic none -device virtio-rng-pci -device usb-ehci -boot d",
        "-M q35,accel=tcg -m 64 -netdev user,id=n -device virtio-net-pci,netdev=n -initrd initrd",
    ];
    let something = [
        "-kernel initrd",
        "-bios bios-256k.bin",
        "-pflash initrd",
        "-hda initrd",
        "-fda initrd",
        "-cdrom initrd",
        "initrd",
        "-drive file=null-co://,if=none,id=d -device nvme,serial=1,drive=d",
        "-drive file=null-co://,if=none,id=d -device usb-storage,drive=d",
        "-blockdev driver=null-co,node-name=n",
        "-boot n",
        "-boot order=nc,menu=on",
        "-boot once=n",
        "-nic tap,ifname=t0,script=no,downscript=no",
        "-netdev user,id=n,tftp=.,bootfile=x -device e1000,netdev=n",
        "-device virtio-net-pci,bootindex=1",
        "-incoming defer",
        "-loadvm x",
        "-M microvm",
        "-M none",
        "-S",
        "-device loader,file=initrd,addr=0x1000",
        r#"-device {"driver":"loader","addr":0,"data":1,"data-len":4}"#,
        "-device vfio-pci,host=01:00.0",
        "-device usb-host,hostbus=1",
        // The meaning of these is not known.
        "-krenel initrd",
        "-device vifo-pci,host=01:00.0",
    ];
    let cases = nothing.iter().zip([true; 3]).chain(something.iter().zip([false; 27]));
    let lab = Lab::empty();
    lab.write("initrd", "");
    for (cmd, wanted) in cases {
        lab.write("qqmgr.toml", elsewhere("a", &cmd.replace('"', "\\\"")));
        let json = lab.qqmgr("check --json").run().json();
        let codes = json["findings"].as_array().unwrap().iter().map(|finding| &finding["code"]);
        assert_eq!(
            codes.filter(|code| *code == "nothing_to_boot").count() == 1,
            wanted,
            "{cmd}: {json}"
        );
    }
    let lab = Lab::new(&elsewhere("a", NO_GUEST));
    lab.qqmgr("check").run().ok(
        "warning[nothing_to_boot]: VM `a`: nothing to boot: no disk, kernel, CD, firmware or network\n \
         --> [DIR]/qqmgr.toml:1:5\n  |\n1 | [vm.a]\n  |     ^\n  |\n  \
         = help: add a disk (`-drive`), a kernel (`-kernel`) or a CD (`-cdrom`)\n\n\
         1 VM checked: 0 errors, 1 warning\n",
    );
    // A wrapper may add something to boot.
    let wrapped = elsewhere("a", NO_GUEST).replace("cmd =", "bin = 'true'\ncmd =");
    lab.write("qqmgr.toml", wrapped);
    let found = findings(&lab.qqmgr("check --json").run());
    assert!(found.len() == 1 && found[0].contains("qemu_unknown"), "{found:?}");
}

#[test]
fn socket_paths_that_are_too_long() {
    let long = |length: usize| "s".repeat(length);
    let (fits, too_long) = (long(107), long(108));
    let cmd = format!(
        "-machine none -chardev socket,id=a,path={fits} -chardev socket,id=b,path={too_long} \
         -chardev file,id=c,path={too_long} -gdb unix:{too_long},server=on,wait=off"
    );
    let lab = Lab::new(&elsewhere("a", &cmd));
    let found = findings(&lab.qqmgr("check --json").run());
    let message = "the socket's path has 108 characters; a unix socket's has at most 107 | \
                   write it relative to the config file's directory, where QEMU runs";
    assert_eq!(found.len(), 2, "{found:?}");
    for line in found {
        assert!(line.starts_with("a socket_path_too_long 2:") && line.ends_with(message), "{line}");
    }
}

#[test]
fn kvm_where_nothing_else_will_do() {
    let lab = Lab::new(
        &(elsewhere("a", "-machine none -enable-kvm") + &elsewhere("b", "-M none,accel=kvm:tcg")),
    );
    let found = findings(&lab.qqmgr("check --json").run());
    let kvm = std::fs::File::options().read(true).write(true).open("/dev/kvm");
    match kvm {
        Ok(_) => assert_eq!(found, [""; 0]),
        Err(_) => assert!(
            found.len() == 1 && found[0].starts_with("a kvm_unavailable 2:25 KVM is not available"),
            "{found:?}"
        ),
    }
}

#[test]
fn config_errors_of_all_vms_come_first() {
    let vms = elsewhere("a", "-nodefualts -machine none")
        + &elsewhere("b", "-foo \"{{.b}}")
        + &elsewhere("c", "{{.shared}} -qmp x")
        + &elsewhere("d", "{{.shared}}");
    let lab = Lab::new(&(vms + "[vars]\nshared = '-m {{.size}}'\n"));
    let outcome = lab.qqmgr("check --json").run();
    let own =
        "QMP is at {{.vm.dir}}/qmp.socket; to add another, use -chardev with -mon ...,mode=control";
    assert_eq!(
        findings(&outcome),
        [
            "b config_invalid 5:16 a \" that is never closed | -".to_owned(),
            "b config_invalid 5:17 there is no variable `{{.b}}` | -".to_owned(),
            format!(
                "c config_invalid 8:23 entry 1 of `cmd` in [vm.c]: qqmgr sets `-qmp` itself | {own}"
            ),
            "c config_invalid 14:14 there is no variable `{{.size}}` | -".to_owned(),
            "a unknown_option 2:11 QEMU has no option `-nodefualts` | did you mean `-nodefaults`?"
                .to_owned(),
        ]
    );
    let json = outcome.json();
    assert_eq!(json["findings"][3]["others"], serde_json::json!(["d"]), "{json}");
    let text = lab.qqmgr("check").run().code(3).stderr("").text();
    assert!(
        text.starts_with("error[config_invalid]: VM `b`: a \" that is never closed\n"),
        "{text}"
    );
    assert!(text.ends_with("\n4 VMs checked: 5 errors, 0 warnings\n"), "{text}");
    lab.qqmgr("check a").run().code(1);
    lab.qqmgr("check e").run().code(4);
}

#[test]
fn what_vms_share_is_told_once() {
    let key = "[ssh]\nIdentityFile = '$img/key'\n";
    let vms = |names: &str| -> String {
        names.chars().map(|name| elsewhere(&name.to_string(), BOOTS)).collect()
    };
    for (names, told) in [
        ("a", "VM `a`"),
        ("ab", "VMs `a` and `b`"),
        ("abc", "VMs `a`, `b` and `c`"),
        ("abcd", "VM `a` and 3 others"),
    ] {
        let lab = Lab::new(&(key.to_owned() + &vms(names)));
        let count = match names.len() {
            1 => "1 VM".to_owned(),
            more => format!("{more} VMs"),
        };
        lab.qqmgr("check").run().ok(&format!(
            "warning[ssh_key_missing]: {told}: the IdentityFile $img/key does not exist\n \
             --> [DIR]/qqmgr.toml:2:16\n  |\n2 | IdentityFile = '$img/key'\n  |                ^^^^^^^^^^\n  |\n  \
             = help: `$img` is not expanded: write {{{{.img}}}}, or {{{{.env.img}}}} for an environment variable\n\n\
             {count} checked: 0 errors, 1 warning\n"
        ));
    }
    let lab = Lab::new(&(key.to_owned() + &vms("abcd")));
    let json = lab.qqmgr("check --json").run().code(0).json();
    assert_eq!(json["warnings"], 1);
    assert_eq!(json["findings"][0]["others"], serde_json::json!(["b", "c", "d"]));
    // The same for a finding without a place in the file.
    let lab = Lab::new(&vms("ab"));
    let json = lab.qqmgr("check --json").env("PATH", "/nowhere").run().code(1).json();
    assert_eq!(json["errors"], 1, "{json}");
    assert_eq!(json["findings"][0]["code"], "qemu_not_run");
    assert_eq!(json["findings"][0]["others"], serde_json::json!(["b"]));
}

#[test]
fn the_examples_name_nothing_that_qemu_does_not_know() {
    let lab = Lab::empty();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_name().unwrap();
            let copy = lab.write(name, std::fs::read(&path).unwrap());
            let outcome = lab.qqmgr("check --json").env("QQMGR_CONFIG", copy).run();
            let found = findings(&outcome);
            let unknown: Vec<_> = found.iter().filter(|line| line.contains(" unknown_")).collect();
            assert!(unknown.is_empty(), "{name:?}: {unknown:?}");
        }
    }
}

#[test]
fn every_code_is_documented() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    for code in Code::ALL {
        assert!(docs.contains(&format!("\n### {}\n", code.name())), "{}", code.name());
    }
}
