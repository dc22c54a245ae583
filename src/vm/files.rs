//! The names of all files in a VM's directory.

/// QEMU's pidfile, which QEMU locks for as long as it lives.
pub const PID: &str = "pid";

/// The record of the launch, locked for QEMU from before it is executed to its end.
pub const LAUNCH: &str = "launch.json";

/// The lock of a qqmgr that starts or stops the VM.
pub const LOCK: &str = "lock";

/// The lock of a qqmgr that makes or removes directories of throwaway instances.
pub const RUNS_LOCK: &str = "runs.lock";

/// The record of an end that qqmgr causes, locked until the VM has ended.
pub const END: &str = "end.json";

/// The errors of the keeper of the VM's lease.
pub const KEEPER_LOG: &str = "keeper.log";

/// The lease.
pub const LEASE: &str = "lease.json";

/// When the boot passed its milestones.
pub const TIMELINE: &str = "timeline.json";

/// The log of the serial port.
pub const SERIAL: &str = "serial";

/// The log of QEMU's standard output.
pub const STDOUT: &str = "stdout";

/// The log of QEMU's standard error.
pub const STDERR: &str = "stderr";

/// The socket of the serial port.
pub const SERIAL_SOCKET: &str = "serial.socket";

/// The socket of QEMU's human monitor.
pub const MONITOR_SOCKET: &str = "monitor.socket";

/// The QMP socket.
pub const QMP_SOCKET: &str = "qmp.socket";

/// The socket of QEMU's gdb stub, where its path is short enough for gdb.
pub const GDB_SOCKET: &str = "gdb.socket";

/// The name of the event log's chardev, to which QEMU adds `.in` and `.out`.
pub const EVENTS: &str = "events";

/// The FIFO with the commands that make QEMU write its events.
pub const EVENTS_IN: &str = "events.in";

/// The log of QEMU's events.
pub const EVENTS_OUT: &str = "events.out";

/// The event log of the VM's previous life.
pub const EVENTS_PREVIOUS: &str = "events.previous";

/// The guest's host keys.
pub const KNOWN_HOSTS: &str = "known_hosts";

/// The directory of the crash bundles.
pub const CRASHES: &str = "crashes";

/// The files that mean nothing once the VM's process has ended.
pub const OF_ONE_LIFE: [&str; 8] =
    [PID, MONITOR_SOCKET, QMP_SOCKET, SERIAL_SOCKET, EVENTS_IN, GDB_SOCKET, KNOWN_HOSTS, LEASE];
