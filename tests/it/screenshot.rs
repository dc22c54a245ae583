//! `screenshot`: what a display shows, as a PNG that is there whole or not at all.

use crate::harness::{Lab, NO_GUEST, vm};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

/// Two displays; the firmware writes to the first.
const DISPLAYS: &str = "-device VGA,id=left -device bochs-display,id=right,xres=320,yres=240";

fn lab() -> Lab {
    let lab = Lab::new(&(vm("a", &format!("{NO_GUEST} {DISPLAYS}")) + &vm("b", NO_GUEST)));
    lab.qqmgr("start a").run().code(0);
    lab
}

/// The width and the height in a PNG's header; it has to have an end too.
fn size(png: &[u8]) -> (u32, u32) {
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "{png:?}");
    assert!(png.ends_with(b"\0\0\0\0IEND\xaeB`\x82"), "{png:?}");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn of_a_vm_and_of_any_qemu() {
    let lab = lab();
    let saved = lab.qqmgr("screenshot a s.png --json").run().code(0).json();
    let (width, height) = size(&fs::read(lab.path("s.png")).unwrap());
    let wanted = json!({
        "name": "a", "file": lab.path("s.png"), "width": width, "height": height,
    });
    assert_eq!(saved, wanted);
    assert!(width >= 640 && height >= 400, "{saved}");
    // Nothing has drawn there yet, so QEMU shows a picture of its own.
    let text = lab.qqmgr("screenshot a right.png --device right").run().code(0).text();
    let (width, height) = size(&fs::read(lab.path("right.png")).unwrap());
    assert_eq!(text, format!("a: saved right.png ({width}x{height})\n"));
    let pid = format!("pid:{}", lab.qemu().pid);
    lab.qqmgr(&format!("screenshot {pid} pid.png --json")).run().code(0);
    let streamed = lab.qqmgr("screenshot unix:.qqmgr/vm.a/qmp.socket -").run();
    size(&streamed.code(0).stdout);
    // The first one is replaced, and no other file is left.
    fs::write(lab.path("s.png"), "old").unwrap();
    lab.qqmgr("screenshot a s.png --device left --head 0").run().code(0);
    size(&fs::read(lab.path("s.png")).unwrap());
    for dir in [lab.path("."), lab.path(".qqmgr/vm.a")] {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        let is_half = |name: &&String| name.contains("screen") || name.starts_with(".qqmgr.");
        assert!(!names.iter().any(|name| is_half(&name)), "{names:?}");
    }
}

#[test]
fn what_can_not_be_saved() {
    let lab = lab();
    lab.qqmgr("start b").run().code(0);
    for (line, code, error) in [
        (
            "b s.png",
            4,
            "b: it has no display\n\
             hint: give QEMU one, such as -device VGA; -display none can stay\n",
        ),
        ("a s.png --device lef", 4, "a: it has no display `lef`\nhint: did you mean `left`?\n"),
        (
            "a s.png --device nothing",
            4,
            "a: it has no display `nothing`\nhint: the displays are: left, right\n",
        ),
        (
            "a s.png --device left --head 3",
            4,
            "a: display `left` has no head 3\nhint: its heads are: 0\n",
        ),
        (
            "b s.png --device nothing",
            4,
            "b: it has no display `nothing`\n\
             hint: no display has an id; leave out --device for the first one\n",
        ),
        ("a no/s.png", 1, "can't write \"no/s.png\": No such file or directory\n"),
        ("a home", 1, "can't write \"home\": Is a directory\n"),
    ] {
        let error = format!("error: {error}");
        lab.qqmgr(&format!("screenshot {line}")).run().expect(code, "", &error);
        assert!(!lab.path("s.png").exists());
    }
    let json = lab.qqmgr("screenshot b s.png --json").run().code(4).json();
    assert_eq!(json["error"]["code"], "no_display", "{json}");
    let json = lab.qqmgr("screenshot a - --json").run().code(2).json();
    assert_eq!(json["error"]["message"], "`-` and --json both need standard output", "{json}");
    lab.qqmgr("screenshot a s.png --head 1").run().code(2);
}

/// Serves one QMP client, and answers `screendump` by `answer`, which gets the file's path. The rest
/// succeeds.
fn serve(listener: &TcpListener, answer: impl Fn(&str) -> Value) {
    let (mut stream, _) = listener.accept().unwrap();
    let version = json!({ "major": 9, "minor": 0, "micro": 0 });
    let greeting =
        json!({ "QMP": { "version": { "qemu": version, "package": "" }, "capabilities": [] } });
    writeln!(stream, "{greeting}").unwrap();
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let mut reply = match request["execute"].as_str().unwrap() {
            "screendump" => answer(request["arguments"]["filename"].as_str().unwrap()),
            "qom-get" => json!({ "error": { "class": "DeviceNotFound", "desc": "not found" } }),
            _ => json!({ "return": {} }),
        };
        reply["id"] = request["id"].clone();
        writeln!(stream, "{reply}").unwrap();
    }
}

#[test]
fn of_a_qemu_that_can_not_write_for_us() {
    let lab = Lab::empty();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("tcp:{}", listener.local_addr().unwrap());
    let shot = |answer: &(dyn Fn(&str) -> Value + Sync), error: &str| {
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&listener, answer));
            let error = format!("error: {target}: QEMU took no screenshot: {error}\n");
            lab.qqmgr(&format!("screenshot {target} s.png")).run().expect(1, "", &error);
        });
        assert!(!lab.path("s.png").exists());
    };
    let refused = |why: &str| json!({ "error": { "class": "GenericError", "desc": why } });
    shot(
        &|_| refused("failed to open file 'x': Permission denied"),
        "failed to open file 'x': Permission denied\n\
         hint: run qqmgr as the user who runs QEMU",
    );
    shot(
        &|_| refused("failed to open file 'x': No such file or directory"),
        "failed to open file 'x': No such file or directory\n\
         hint: QEMU has other files than qqmgr: run qqmgr on its host, or in its container",
    );
    let half = |path: &str| {
        fs::write(path, "P6\n2 2\n255\nhalf").unwrap();
        json!({ "return": {} })
    };
    shot(&half, "what it wrote is not a whole PPM");
    // On another host, a QEMU may have such a directory of its own.
    shot(&|_| json!({ "return": {} }), "it wrote no picture where qqmgr can read it");
}
