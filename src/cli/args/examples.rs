//! The examples that each verb's help ends with.

pub const START: &str = "\
Examples:
  qqmgr start test-vm                  start it
  qqmgr start test-vm --wait           and wait until an SSH login works
  qqmgr start test-vm --for 'serial:login:'
  qqmgr start --all --ttl 30m          all VMs of the config, for half an hour
  qqmgr start test-vm --ttl 2h         from now on, even if it is already running
  qqmgr start test-vm --ttl none       remove the lease
  qqmgr start test-vm --owner-pid $$   until this shell exits
  qqmgr start test-vm --dry-run        show QEMU's command line
  qqmgr start test-vm -- -s -S         stop before the first instruction, for gdb";

pub const STOP: &str = "\
Examples:
  qqmgr stop test-vm                   power the guest down, within 20 seconds
  qqmgr stop test-vm --timeout 2m      give it two minutes
  qqmgr stop test-vm --force           don't ask the guest
  qqmgr stop --all                     all VMs of the config, in parallel";

pub const RESTART: &str = "\
Examples:
  qqmgr restart test-vm --wait         power down, start, wait for SSH
  qqmgr restart test-vm -- -s -S       with other QEMU arguments than before
  qqmgr restart test-vm --reset        press the reset button
  qqmgr restart 'web-*' --wait         several, in parallel";

pub const KILL: &str = "\
Examples:
  qqmgr kill test-vm                   like pulling the plug
  qqmgr kill --all                     all that are running";

pub const RUN: &str = "\
Examples:
  qqmgr run test-vm -- uname -r
  qqmgr run test-vm -- 'make test && dmesg'
  qqmgr run test-vm --put mod.ko:/tmp/mod.ko -- insmod /tmp/mod.ko
  qqmgr run test-vm --get /var/log/test.log:logs/ --timeout 2m -- ./test.sh
  qqmgr run test-vm --serial serial.log --junit report.xml -- make test
  git bisect run qqmgr run test-vm -- ./reproduce.sh";

pub const WAIT: &str = "\
Examples:
  qqmgr wait test-vm --for ssh
  qqmgr wait test-vm --for 'serial:login:' --fail-on 'serial:Kernel panic'
  qqmgr wait test-vm --for port:80 --for file:/run/ready --timeout 2m
  qqmgr wait test-vm --for ssh --timeout 0   does a login work now?
  qqmgr wait --all --for ssh           all VMs of the config, in parallel
  qqmgr wait test-vm --for stopped --for event:GUEST_PANICKED --any";

pub const GC: &str = "\
Examples:
  qqmgr gc                             after a crash of the host's session, or from cron";

pub const LIST: &str = "\
Examples:
  qqmgr list
  qqmgr list --any                          every QEMU, no matter who started it
  qqmgr list --json | jq -r '.[] | select(.pid) | .name'";

pub const STATUS: &str = "\
Examples:
  qqmgr status test-vm
  qqmgr status 'web-*' --json | jq -r '.[] | .name, .state'
  qqmgr status test-vm --json | jq -r .serial_file
  qqmgr status test-vm --exit-code >/dev/null || qqmgr start test-vm";

pub const SERIAL: &str = "\
On a terminal, control sequences other than colours are removed; in a pipe, the bytes are exact.

Examples:
  qqmgr serial test-vm -n 50                 the last 50 lines of the latest boot
  qqmgr serial test-vm -f                    follow until the VM ends
  qqmgr serial test-vm -f -n all --retry     through all its boots
  qqmgr serial test-vm -n all | grep -a Oops";

pub const OUTPUT: &str = "\
Examples:
  qqmgr stderr test-vm                       QEMU's last words
  qqmgr stderr test-vm -f --retry            follow through all starts
  qqmgr stdout test-vm -n all > qemu.log";

pub const EVENTS: &str = "\
Examples:
  qqmgr events test-vm                                      all, until the VM ends
  qqmgr events test-vm --filter 'BLOCK_JOB_*' --filter STOP
  qqmgr events test-vm --filter RESET --count 1 --timeout 1m
  qqmgr events test-vm --json | jq -r .event";

pub const TIMELINE: &str = "\
Examples:
  qqmgr timeline test-vm
  qqmgr timeline test-vm --max ssh=20s --max kernel=500ms";

pub const SSH: &str = "\
Examples:
  qqmgr ssh test-vm                              a shell
  qqmgr ssh test-vm uname -r                     a command
  qqmgr ssh test-vm -N -L 8080:localhost:80      a forwarded port
  qqmgr --json ssh test-vm cat /proc/cmdline     its exit code and output as JSON";

pub const PUT: &str = "\
Examples:
  qqmgr put test-vm bzImage modules/ /root/      files and directories, with cp's rules
  qqmgr put test-vm --links tree /srv/           a directory whose links stay links
  dmesg | qqmgr put test-vm - /tmp/host-dmesg    a stream";

pub const GET: &str = "\
Examples:
  qqmgr get test-vm /var/log .                   a directory
  qqmgr get test-vm '/tmp/*.log' logs/           the guest expands the pattern
  qqmgr get test-vm /proc/config.gz - | zcat     a stream";

pub const SSH_CONFIG: &str = "\
Examples:
  qqmgr ssh-config test-vm >> ~/.ssh/config       then: rsync -a src/ test-vm:src/
  qqmgr ssh-config --all > ~/.ssh/qqmgr.conf      with `Include qqmgr.conf` atop ~/.ssh/config
  qqmgr ssh-config test-vm > vm.conf              for one command: scp -F vm.conf FILE test-vm:";

pub const PAUSE: &str = "\
Examples:
  qqmgr pause test-vm
  qqmgr pause --all
  qqmgr pause pid:4711                      any QEMU that has QMP
  qqmgr pause unix:/run/lab/qmp.sock
  qqmgr resume test-vm";

pub const RESUME: &str = "\
Examples:
  qqmgr resume test-vm
  qqmgr resume 'web-*'
  qqmgr resume pid:4711                     any QEMU that has QMP";

pub const BLOCKS: &str = "\
Examples:
  qqmgr blocks test-vm
  qqmgr blocks pid:4711                     any QEMU that has QMP
  qqmgr blocks test-vm --json | jq -r '.devices[].medium.file'";

pub const DEVICE: &str = "\
Examples:
  qqmgr device list test-vm
  qqmgr device add test-vm driver=virtio-rng-pci id=rng1
  qqmgr device rm test-vm rng1 --timeout 30s
  qqmgr device list pid:4711                any QEMU that has QMP";

pub const THROTTLE: &str = "\
Examples:
  qqmgr throttle test-vm d0                 the limits that it has
  qqmgr throttle test-vm d0 --bps 100M --iops 1000
  qqmgr throttle test-vm d0 --bps-write 1M  a disk that is slow to write
  qqmgr throttle test-vm d0 --off           no limits";

pub const EJECT: &str = "\
Examples:
  qqmgr eject test-vm cd
  qqmgr eject test-vm cd --force            even if the guest has locked the tray";

pub const INSERT: &str = "\
Examples:
  qqmgr insert test-vm cd drivers.iso --format raw
  qqmgr insert pid:4711 ide1-cd0 debian.iso any QEMU that has QMP";

pub const QMP: &str = "\
Examples:
  qqmgr qmp test-vm query-status
  qqmgr qmp test-vm --list 'block*'         the commands that this QEMU has
  qqmgr qmp test-vm device_add driver=virtio-rng-pci id=rng1
  qqmgr qmp test-vm human-monitor-command command-line='info pci'
  qqmgr qmp pid:4711 query-block            any QEMU that has QMP
  qqmgr qmp test-vm blockdev-add - < node.json";

pub const SCREENSHOT: &str = "\
Examples:
  qqmgr screenshot test-vm screen.png
  qqmgr screenshot test-vm - | display      standard output
  qqmgr screenshot pid:4711 screen.png      any QEMU that has QMP
  qqmgr screenshot test-vm right.png --device gpu0 --head 1";

pub const SENDKEY: &str = "\
Examples:
  qqmgr sendkey test-vm ctrl-alt-delete
  qqmgr sendkey test-vm down down ret       one after another
  qqmgr sendkey test-vm esc --hold 1s
  qqmgr sendkey test-vm alt-sysrq-b         reset a Linux guest at once";

pub const TYPE: &str = "\
Examples:
  qqmgr type test-vm root --enter
  qqmgr type test-vm 'Hello, world!'
  qqmgr type pid:4711 - < commands.txt      any QEMU that has QMP";

pub const CONSOLE: &str = "\
On a terminal, every key goes to the guest, even Ctrl-C; Ctrl-] detaches. The serial log continues.
A serial line carries no window size: if the window changes, run `resize` in the guest. Escape
sequences pass through in both directions.

Without a terminal, standard input goes to the guest, and the guest's output to standard output. It
ends when the input has ended and the guest is silent (--idle), or when a line of the output since
attaching matches --until. Control sequences are ignored, and the rest of that line is still printed.

Examples:
  qqmgr console test-vm
  qqmgr console test-vm --force                         take it over from another terminal
  echo 'uname -r' | qqmgr console test-vm               run a command in its shell
  qqmgr console test-vm --until 'login: $' </dev/null   wait for a prompt";

pub const MONITOR: &str = "\
Commands run over QMP, one after the other, and only their output is printed. If QEMU does not know
a command, the exit code is 1. --timeout is for each command.

Examples:
  qqmgr monitor test-vm info block         one command and its output
  qqmgr monitor test-vm sendkey ctrl-alt-delete
  qqmgr monitor test-vm                    a session; Ctrl-] detaches
  qqmgr monitor test-vm <commands.txt      several commands";

pub const GDB: &str = "\
Examples:
  qqmgr gdb test-vm                                    QEMU; `run` starts it
  qqmgr gdb test-vm -- -ex 'break nvme_init_ctrl' -ex run
  qqmgr gdb test-vm --guest -- vmlinux                 the kernel of the running guest
  qqmgr gdb test-vm --guest --print                    for your own gdb or editor";

pub const INIT: &str = "\
Examples:
  qqmgr init                           ./qqmgr.toml with a VM called `vm`
  qqmgr init test-vm                   with another name
  qqmgr init --image debian.qcow2      with this image
  qqmgr init --kernel arch/x86/boot/bzImage --initrd initrd.img
  qqmgr -c vms/build.toml init build   in another file";

pub const CHECK: &str = "\
Examples:
  qqmgr check                          every VM of the config
  qqmgr check test-vm --strict         one, and warnings fail too
  qqmgr check --json | jq -r '.findings[] | \"\\(.location.line): \\(.message)\"'";

pub const SCHEMA: &str = "\
Examples:
  qqmgr schema > schema.json           next to a qqmgr.toml that begins with: #:schema ./schema.json
  taplo check --schema file://$PWD/schema.json qqmgr.toml";

pub const MAN: &str = "\
Examples:
  qqmgr man                            the page of qqmgr itself
  qqmgr man start                      of a command
  qqmgr man qqmgr.toml                 of the config file
  qqmgr man --write ~/.local/share/man   for man(1) and apropos(1) to find";

pub const COMPLETIONS: &str = "\
Examples:
  bash:  echo 'source <(qqmgr completions bash)' >> ~/.bashrc
  zsh:   echo 'source <(qqmgr completions zsh)' >> ~/.zshrc
  fish:  qqmgr completions fish > ~/.config/fish/completions/qqmgr.fish";
