//! `qmp`: any command, with arguments as people write them.

use crate::harness::Lab;

#[test]
fn commands_and_their_answers() {
    let lab = Lab::running();
    let status = lab.qqmgr("qmp a query-status --json").run().code(0).json();
    assert_eq!(status["status"], "running");
    lab.qqmgr("qmp a query-kvm").run().ok("{\n  \"enabled\": false,\n  \"present\": true\n}\n");
    // Dots make objects.
    lab.qqmgr("qmp a object-add qom-type=rng-builtin id=r1").run().ok("{}\n");
    lab.qqmgr("qmp a blockdev-add driver=raw node-name=d7 file.driver=null-co file.size=512")
        .run()
        .ok("{}\n");
    let nodes = lab.qqmgr("qmp a query-named-block-nodes flat=on --json").run().code(0).json();
    assert!(nodes.to_string().contains("\"node-name\":\"d7\""), "{nodes}");
    let json = "{\"driver\": \"null-co\", \"node-name\": \"n\", \"size\": 1024}";
    lab.qqmgr("qmp a blockdev-add -").stdin(json).run().ok("{}\n");
    lab.qqmgr("qmp a --list set_link").run().ok("set_link name=str up=bool\n");
    let all = lab.qqmgr("qmp a --list --json").run().code(0).json();
    assert!(all.as_array().unwrap().len() > 100, "{all}");
}

#[test]
fn what_qemu_refuses_comes_with_what_to_write() {
    let lab = Lab::running();
    for (line, code, error) in [
        (
            "qmp a query-stat",
            1,
            "error: a: query-stat: The command query-stat has not been found (CommandNotFound)\n\
             hint: did you mean `query-stats`?\n",
        ),
        (
            "qmp a set_link nam=x up=on",
            1,
            "error: a: set_link: Parameter 'name' is missing\n\
             hint: set_link takes name=str, up=bool\n",
        ),
        (
            "qmp a set_link name=x up=maybe",
            2,
            "error: set_link: `up=maybe`: `up` takes true or false\n\
             hint: set_link takes name=str, up=bool\n",
        ),
        (
            "qmp a set_link name=x up=on",
            1,
            "error: a: set_link: Device 'x' not found (DeviceNotFound)\n",
        ),
        (
            "qmp a",
            2,
            "error: a QMP command is needed\n\
             hint: to list them: qqmgr qmp a --list\n",
        ),
        (
            "qmp nope query-status",
            4,
            "error: there is no VM `nope` in \"[DIR]/qqmgr.toml\"\nhint: the VMs are: a\n",
        ),
    ] {
        lab.qqmgr(line).run().expect(code, "", error);
    }
    let json = lab.qqmgr("qmp a nope --json").run().code(1).json();
    assert_eq!(json["error"]["code"], "qmp_refused", "{json}");
}
