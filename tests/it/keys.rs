//! `sendkey` and `type`: the keys that reach the guest, as QEMU's trace shows them.

use crate::harness::{Lab, NO_GUEST, until, vm};

/// A machine without a keyboard.
const MICROVM: &str = "-nodefaults -machine microvm,accel=tcg -m 64 -display none";

fn lab() -> Lab {
    let traced = format!("{NO_GUEST} -trace input_event_key_qcode");
    let lab = Lab::new(&(vm("a", &traced) + &vm("b", MICROVM)));
    lab.qqmgr("start a").run().code(0);
    lab
}

/// The keys pressed (`+`) and released (`-`) since the start, as soon as there are so many.
fn keys(lab: &Lab, count: usize) -> String {
    let event = |line: &str| {
        let (key, down) = line.split_once("key qcode ")?.1.split_once(", down ")?;
        let sign = if down.starts_with('1') { '+' } else { '-' };
        (key != "unmapped").then(|| format!("{sign}{key}"))
    };
    until("the keys have been pressed", || {
        let trace = lab.read(".qqmgr/vm.a/stderr");
        let events: Vec<_> = trace.lines().filter_map(event).collect();
        (events.len() >= count).then(|| events.join(" "))
    })
}

#[test]
fn chords_one_after_another() {
    let lab = lab();
    lab.qqmgr("sendkey a ctrl-alt-delete --hold 5ms").run().ok("a: pressed 1 key\n");
    lab.qqmgr("sendkey unix:.qqmgr/vm.a/qmp.socket down ret --hold 5ms --json")
        .run()
        .ok("{\"name\":\"unix:[DIR]/.qqmgr/vm.a/qmp.socket\",\"pressed\":2}\n");
    let chord = "+ctrl +alt +delete -delete -alt -ctrl";
    assert_eq!(keys(&lab, 10), format!("{chord} +down -down +ret -ret"));
}

#[test]
fn text_on_the_us_layout() {
    let lab = lab();
    lab.qqmgr("type a 'aB?' --enter --hold 5ms").run().ok("a: pressed 4 keys\n");
    lab.qqmgr("type a - --hold 5ms").stdin("-\n").run().ok("a: pressed 2 keys\n");
    lab.qqmgr("type a -x --hold 5ms").run().ok("a: pressed 2 keys\n");
    let shifted = |key: &str| format!("+shift +{key} -{key} -shift");
    let first = format!("+a -a {} {} +ret -ret", shifted("b"), shifted("slash"));
    assert_eq!(keys(&lab, 20), format!("{first} +minus -minus +ret -ret +minus -minus +x -x"));
}

#[test]
fn nothing_is_pressed_unless_all_can_be() {
    let lab = lab();
    lab.qqmgr("start b").run().code(0);
    for (line, code, error) in [
        ("sendkey a a ctrl-alt-del", 2, "there is no key `del`\nhint: did you mean `delete`?\n"),
        ("sendkey a a ctl", 2, "there is no key `ctl`\nhint: did you mean `ctrl`?\n"),
        ("sendkey a a Enter", 2, "there is no key `Enter`\nhint: did you mean `ret`?\n"),
        ("sendkey a a ctrl+c", 2, "there is no key `ctrl+c`\nhint: did you mean `ctrl-c`?\n"),
        (
            "sendkey a a ''",
            2,
            "there is no key ``\n\
             hint: keys have QEMU's names: a, 1, ret, esc, f1; ctrl-alt-delete is one of several\n",
        ),
        (
            "type a $'ab\\ncé'",
            2,
            "can't type 'é' (line 2, column 2): the US layout does not have it\n",
        ),
        (
            "sendkey b a",
            4,
            "b: it has no keyboard\n\
             hint: give QEMU one, such as -device usb-kbd or -device virtio-keyboard-pci\n",
        ),
    ] {
        let line = line.replace("$'ab\\ncé'", "'ab\ncé'");
        lab.qqmgr(&line).run().expect(code, "", &format!("error: {error}"));
    }
    lab.qqmgr("pause a").run().code(0);
    lab.qqmgr("type a x").run().expect(
        4,
        "",
        "error: a: the guest takes no keys: its state is `paused`\n\
         hint: let it run: qqmgr resume a\n",
    );
    for (line, code, wanted) in
        [("type a é", 2, "not_on_layout"), ("sendkey a nokey", 2, "unknown_key")]
    {
        let json = lab.qqmgr(&format!("{line} --json")).run().code(code).json();
        assert_eq!(json["error"]["code"], wanted, "{json}");
    }
    lab.qqmgr("resume a").run().code(0);
    lab.qqmgr("sendkey a z --hold 5ms").run().code(0);
    assert_eq!(keys(&lab, 2), "+z -z");
}
